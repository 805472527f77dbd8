"""Rules that make of a query another one that looks like it and needs another answer."""

from __future__ import annotations

import random
import re

from bench.prior.rewriting import Rule, in_place, swapping, table
from cachedistill_sidecar.policy.opposites import OPPOSITES

_NEGATED = {
    "can": "can't", "could": "couldn't", "do": "don't", "does": "doesn't", "did": "didn't", "is": "isn't",
    "are": "aren't", "was": "wasn't", "were": "weren't", "should": "shouldn't", "will": "won't", "would": "wouldn't",
    "has": "hasn't", "have": "haven't",
}  # fmt: skip
_PLAIN = {negated: plain for plain, negated in _NEGATED.items()}

_QUANTIFIERS = table("""
all | some | none of
every | only one
at least | at most
more than | less than
always | never | sometimes
everyone | no one
both | neither of
most | few
any | all
""")
_UNITS = table("""
minutes | hours | days
minute | hour | day
weeks | months | years
weekly | monthly | yearly
kg | pounds
km | miles
mg | grams
dollars | euros | pounds
celsius | fahrenheit
gb | mb | tb
cups | teaspoons
litres | gallons
""")
_DATES = table("""
monday | tuesday | thursday | saturday | sunday
january | march | june | october | december
today | tomorrow | yesterday
morning | evening | night
spring | autumn | winter
this week | next week | last week
this month | next month | last month
this year | next year | last year
christmas | easter
""")
_NAMES = table("""
london | paris | rome | tokyo
france | germany | spain | japan
america | canada | mexico
english | french | german
new york | chicago | boston
google | amazon | apple | microsoft
visa | mastercard
python | java | rust
windows | linux | macos
iphone | android phone
aspirin | ibuprofen | penicillin
""")
_MODES = table("""
can i | must i | should i
do i have to | am i allowed to
do i need to | may i
how do i | why do i | when do i
how can i | why can i | when can i
what is | why is | where is
where can i | when can i
how long | how often | how much
""")
_CONDITIONS = table("""
if | unless
before | after
with | without
because of | despite
while | before
""")
_SCOPES = table("""
my | my wife's | my company's | somebody else's
""")
_TENSES = table("""
did | will
does | did
has been | will be
am going to | used to
""")


def _negation(match: re.Match[str], _: random.Random) -> str:
    word = match["word"].lower()
    return match["subject"] + (_PLAIN.get(word) or _NEGATED[word])


def _plain_opposites() -> dict[str, list[str]]:
    """Word -> its opposites, without the forms of verbs: the table derives those, some that don't exist among them."""
    verbs = {word for word in OPPOSITES if f"{word}s" in OPPOSITES}
    places = {place for verb in verbs for place in OPPOSITES[verb]}
    plain = {word for word in OPPOSITES if len(word) > 3 and (word in verbs or places.isdisjoint(OPPOSITES[word]))}
    turned = {word: {(pair, 1 - side) for pair, side in OPPOSITES[word]} for word in plain}
    found = {word: sorted(other for other in plain if turned[word] & OPPOSITES[other]) for word in plain}
    return {word: others for word, others in sorted(found.items()) if others}


_OPPOSITES_OF = _plain_opposites()


def _opposite(match: re.Match[str], chance: random.Random) -> str:
    return chance.choice(_OPPOSITES_OF[match[0].lower()])


def _number(match: re.Match[str], chance: random.Random) -> str:
    value = int(match[0])
    return str(chance.choice([number for number in (value + 1, value + 3, value * 2, value * 10) if number != value]))


def _turned(query: str, chance: random.Random) -> str | None:
    """From A to B, from B to A; or what stands on either side of "than"."""
    for pattern in (
        r"\bfrom (?P<one>[\w-]+(?: [\w-]+)?) to (?P<other>[\w-]+)",
        r"(?P<one>[\w-]+) (?:\w+er|worse|more \w+|less \w+) than (?P<other>[\w-]+)",
        r"\b(?:convert|turn|change|transfer|translate)(?: \w+)? (?P<one>[\w-]+) (?:in)?to (?P<other>[\w-]+)",
    ):
        match = re.search(pattern, query, re.IGNORECASE)
        if match is not None:
            between = query[match.end("one") : match.start("other")]
            return f"{query[: match.start('one')]}{match['other']}{between}{match['one']}{query[match.end('other') :]}"
    return None


# "Can't I pay?" asks what "Can I pay?" does: only where the subject stands before it a negation turns the sense round.
_SUBJECT = r"\b(?P<subject>(?:I|we|you|it|he|she|they|who|that|which) )"
_AUXILIARY = "|".join(sorted({*_NEGATED, *_PLAIN}, key=len, reverse=True))
_ASKED = (
    r"\b(?:how|why|who|what|when|where|which) (?:do|does|did|can|should|will|would|could) (?:I|you|we|they|it|he|she)"
)

RULES: dict[str, Rule] = {
    "negation": in_place(rf"{_SUBJECT}(?P<word>{_AUXILIARY})(?![\w'])", _negation),
    "negated question": in_place(rf"{_ASKED}\b(?! not)", lambda match, _: f"{match[0]} not"),
    "opposite": in_place(rf"\b(?:{'|'.join(_OPPOSITES_OF)})\b", _opposite),
    "number": in_place(r"(?<![\w.,:-])\d{1,6}(?![\w.,:-]*\w)", _number),
    "unit": swapping(_UNITS),
    "date": swapping(_DATES),
    "name": swapping(_NAMES),
    "quantifier": swapping(_QUANTIFIERS),
    "mode": swapping(_MODES),
    "condition": swapping(_CONDITIONS),
    "scope": swapping(_SCOPES),
    "tense": swapping(_TENSES),
    "direction": _turned,
}
"""Name -> the rule."""
