"""Answers out of a small set: a label, a choice, a number, yes or no, a handful of names. They agree or they don't."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cachedistill_sidecar.policy.judgement.facts import amounts, exclude, negated, share_amount
from cachedistill_sidecar.policy.judgement.form import Form, squeeze
from cachedistill_sidecar.policy.judgement.opinion import Opinion
from cachedistill_sidecar.policy.reading import read, words

_MOST_WORDS = 4  # of a label
_MOST_WORDS_STATED = 8  # of a conclusion; a longer one is prose
_MOST_WORDS_AROUND = 30  # of a text that may be nothing but a label with words around it
_MOST_UNSPACED = 6  # characters of a label in a script without blanks

_BOXED = "\\boxed{"
_STATED = re.compile(
    r"\b(?:answer|option|choice|label|category|intent|class|sentiment|topic|verdict)(?: is|:)[: ]*(?:option )?"
    r"([^\n]{1,80}?)(?:[.!?;,](?=\s|$)|$)",
    re.IGNORECASE | re.MULTILINE,
)
_LETTER = re.compile(r"\(?([A-Ja-j])(?:[).:](?:\s.*)?|\s*)$", re.DOTALL)
_OPTION = re.compile(r"(?:^|[\s(])([A-J])[).:]\s*(\S[^\n]{0,200}?)(?=\s+\(?[A-J][).:]\s|\n|$)")
_OPTIONS_SAID = re.compile(r"\b(?:[aA]\s?[-\u2013]\s?[c-jC-J]|multiple[- ]choice|letter)\b")

# A sum that is worked out. How is told in a hundred ways; what comes out stands at the end.
_RECKONING = re.compile(r"\d[%)]?\s*(?:[-+*/x\u00d7\u00f7\u00b7]|\\times|times|of)\s*\D{0,3}\d[^=\n]{0,60}=")
_LAST = re.compile(r"\n+|[.!?:]\s+|=")

_YES = "yes yeah yep true correct ja s\u00ed si oui sim \u306f\u3044 \u662f"
_NO = "no nope false incorrect nein non n\u00e3o \u3044\u3044\u3048 \u4e0d"
_POLAR = {**dict.fromkeys(_YES.split(), True), **dict.fromkeys(_NO.split(), False)}
_OPENING = re.compile(
    r"\W*(?P<no>unfortunately,? (?:no|not)\b)|\W*(?P<word>[^\W\d_]+)(?=\s*(?:[,.!:;\u2014\u3002\u3001]|-\s|$))"
)

_CONJUNCTIONS = words("and or und oder et ou y e o & plus")
# No label has these: a text with one of them tells something, and is compared by what it tells.
_TELLING = words(
    "i you we he she they it is are was were be can could should would will may might must do does did has have had "
    "this that there your my our their if when because to go open click use try ist sind du sie ich est es vous il"
)
_BETWEEN = re.compile(r"\s*[,;\n/]\s*(?:(?:and|or|und|et|y)\s+)?|\s+(?:and|or|und|et|y)\s+")
_MARKS = re.compile(r"[\s_\-.\"'`()\[\]]+")
_AMOUNT = re.compile(r"[-+~]?[$\u20ac\u00a3]?\s?\d")


def judge_closed(question: str, left: Form, right: Form) -> Opinion | None:
    """The opinion on two answers of which at least one is closed; None where that settles nothing."""
    mine, theirs = _conclusion(left), _conclusion(right)
    if mine is not None and theirs is not None:
        return _compare(question, mine, theirs)
    outcome = _outcome(left.prose, right.prose)
    if outcome is not None:
        return outcome
    polar = polarity(left.prose), polarity(right.prose)
    if None not in polar:
        brief = min(len(left.prose.split()), len(right.prose.split())) <= _MOST_WORDS
        return Opinion.DIFFERENT if polar[0] != polar[1] else Opinion.SAME if brief else None
    if left.items and right.items:
        return Opinion.SAME if _set(left.items) == _set(right.items) else None
    mine, theirs = mine or ", ".join(left.items), theirs or ", ".join(right.items)
    if mine:
        return _contained(question, mine, right.prose)
    return _contained(question, theirs, left.prose) if theirs else None


def polarity(text: str) -> bool | None:
    """Whether a text opens with yes (True) or with no (False); None when with neither."""
    match = _OPENING.match(text.lower())
    if match is None:
        return None
    return False if match["no"] else _POLAR.get(match["word"])


def _conclusion(form: Form) -> str | None:
    """What an answer comes down to: what it states as its conclusion, or else itself when it's nothing but a label."""
    if form.blocks or form.data is not None:
        return None
    boxed = form.prose.rfind(_BOXED)
    if boxed >= 0:
        content = _braced(form.prose[boxed + len(_BOXED) :]).strip("{} ")
        return content if len(content.split()) <= _MOST_WORDS_STATED else None
    stated = [match[1].strip() for match in _STATED.finditer(form.prose)]
    if stated:
        return stated[-1]
    return form.prose if _is_label(form.prose) else None


def _braced(text: str) -> str:
    """The text up to the brace that closes what was open before it."""
    depth = 1
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:at]
    return text


def _is_label(text: str) -> bool:
    counted = [word for word in read(text.replace("_", " ")).words if word not in _CONJUNCTIONS]
    if not counted or "\n" in text or not _TELLING.isdisjoint(counted):
        return False
    return len(counted) <= _MOST_WORDS if text.isascii() or len(counted) > 1 else len(text) <= _most_letters(text)


def _most_letters(text: str) -> int:
    return _MOST_UNSPACED if any(ord(character) > 0x2FFF for character in text) else len(text)


def _compare(question: str, left: str, right: str) -> Opinion | None:
    """Two closed answers."""
    letters = _letter(question, left), _letter(question, right)
    if None not in letters:
        return _same(letters[0] == letters[1])
    polar = polarity(left), polarity(right)
    if None not in polar:
        return _same(polar[0] == polar[1])
    if exclude(left, right):
        return Opinion.DIFFERENT
    both_amounts = _AMOUNT.match(left) is not None and _AMOUNT.match(right) is not None
    if both_amounts or _set(_BETWEEN.split(left)) == _set(_BETWEEN.split(right)):
        return Opinion.SAME
    if not (_is_label(left) and _is_label(right)):
        return None
    mine, theirs = read(left).vocabulary, read(right).vocabulary
    # One of them may only tell more, as "Rembrandt van Rijn" does; not so "not spam".
    within = mine <= theirs or theirs <= mine
    return None if within and negated(left) == negated(right) else Opinion.DIFFERENT


def _contained(question: str, label: str, prose: str) -> Opinion | None:
    """A closed answer and a text that may be that answer with words around it."""
    if len(prose.split()) > _MOST_WORDS_AROUND:
        return None
    letter = _letter(question, label)
    if letter is not None:
        named = _letter(question, prose.split("\n")[0])
        return None if named is None else _same(letter == named)
    if exclude(label, prose):
        return Opinion.DIFFERENT
    if _AMOUNT.match(label) is not None:
        return Opinion.SAME if share_amount(label, prose, "") else None
    parts = _set(_BETWEEN.split(label))
    squeezed = _MARKS.sub("", squeeze(prose))
    if not all(part in squeezed for part in parts) or (len(parts) > 1 and len(_BETWEEN.split(prose)) != len(parts)):
        return None
    return _same(negated(prose) == negated(label))


def _outcome(left: str, right: str) -> Opinion | None:
    """Of two answers of which one at least works out a sum, whether the same comes out."""
    reckoned = [_RECKONING.search(text) is not None for text in (left, right)]
    if not any(reckoned):
        return None
    mine, theirs = (_LAST.split(text.strip().rstrip("."))[-1] for text in (left, right))
    if not (amounts(mine) and amounts(theirs)):
        return None
    if not exclude(mine, theirs):
        return Opinion.SAME
    return Opinion.DIFFERENT if all(reckoned) else None


def _letter(question: str, text: str) -> str | None:
    """The letter of the option that a text names, by letter or by wording; None when the question has no options."""
    options = {letter: squeeze(wording) for letter, wording in _OPTION.findall(question)}
    if len(options) < 2 and _OPTIONS_SAID.search(question) is None:
        return None
    match = _LETTER.match(text.strip())
    if match is not None:
        return match[1].upper()
    return next((letter for letter, wording in options.items() if wording == squeeze(text)), None)


def _same(equal: bool) -> Opinion:
    return Opinion.SAME if equal else Opinion.DIFFERENT


def _set(parts: Iterable[str]) -> frozenset[str]:
    return frozenset(_MARKS.sub("", squeeze(part)) for part in parts if part.strip())
