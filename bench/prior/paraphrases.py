"""Rules that put a query in other words, so that it still needs the same answer."""

from __future__ import annotations

import random
import re

from bench.prior.rewriting import Rule, cased, in_place, lowered, swapping, table

_SYNONYMS = table("""
how do i | how can i | how would i | what's the way to
how to | how do i
can i | may i | is it possible for me to
can you tell me | could you tell me | please tell me
where do i | where can i
do i have to | must i | do i need to
what does it cost | how much is it | what is the price
show me | let me see
tell me about | give me information on
get rid of | dispose of
i want to | i would like to | i wish to
i need to | i have to
find out | learn
as soon as possible | quickly
delete | remove | erase
buy | purchase
fix | repair
begin | start
finish | complete
pick | choose
big | large
little | small
fast | quick
mistake | error
photo | picture
phone | telephone
car | vehicle
shop | store
doctor | physician
movie | film
holiday | vacation
trip | journey
kid | child
kids | children
attorney | lawyer
salary | pay
firm | company
however | but
near | close to
approximately | roughly
hard | difficult
sick | ill
everybody | everyone
refund | money back
restaurant | place to eat
song | tune
""")
_CONTRACTIONS = table("""
i am | i'm
i have been | i've been
i would like | i'd like
what is | what's
where is | where's
how is | how's
who is | who's
do not | don't
does not | doesn't
did not | didn't
cannot | can't
could not | couldn't
is not | isn't
are not | aren't
was not | wasn't
will not | won't
have not | haven't
has not | hasn't
""")
_OPENINGS = (
    "Hi, {}", "Hello! {}", "Please, {}", "Quick question: {}", "Hey there, {}", "I was wondering: {}",
    "Sorry to bother you, but {}", "Good morning, {}", "Just curious, {}", "One more thing: {}",
)  # fmt: skip
_CLOSINGS = ("{} Thanks!", "{} Thank you in advance.", "{} Please help.", "{} Any help is welcome.", "{} Cheers")
_KEYBOARD = {"a": "s", "e": "r", "i": "o", "n": "m", "o": "p", "r": "t", "s": "d", "t": "y", "l": "k"}


def _opened(query: str, chance: random.Random) -> str:
    return chance.choice(_OPENINGS).format(lowered(query))


def _closed(query: str, chance: random.Random) -> str:
    return chance.choice(_CLOSINGS).format(query if query[-1:] in "?.!" else f"{query}.")


def _turned(query: str, _: random.Random) -> str | None:
    """A clause or a place at the end comes to the front, or the reverse: "If I pay, is it mine?"."""
    text, mark = (query[:-1], query[-1]) if query[-1:] in ("?", ".", "!") else (query, "")
    front = re.fullmatch(r"((?:if|when|because|after|before)\b[^,]{4,}), (.{8,})", text, re.IGNORECASE)
    if front is not None:
        return f"{cased(front[2], text)} {lowered(front[1])}{mark}"
    back = re.fullmatch(
        r"(.{8,}?) ((?:if|when|because|after|before) (?:i|my|you|the|a|it|they|we)\b.{2,})", text, re.IGNORECASE
    )
    if back is not None:
        return f"{cased(back[2], text)}, {lowered(back[1])}{mark}"
    return None


def _marks(query: str, chance: random.Random) -> str:
    """As people type: without the mark at the end, without capitals, or with three marks."""
    bare = query.rstrip("?.!")
    return chance.choice([bare, bare.lower(), f"{bare.lower()}??", f"{bare}!"])


def _mistyped(query: str, chance: random.Random) -> str | None:
    """One slip in a longer word: two letters change places, one falls out, is doubled, or is its neighbour's key."""
    found = list(re.finditer(r"\b[a-z]{6,}\b", query))
    if not found:
        return None
    match = chance.choice(found)
    at = match.start() + chance.randrange(1, len(match[0]) - 2)
    before, letter, after, rest = query[:at], query[at], query[at + 1], query[at + 2 :]
    return chance.choice(
        [
            f"{before}{after}{letter}{rest}",
            f"{before}{after}{rest}",
            f"{before}{letter}{letter}{after}{rest}",
            f"{before}{_KEYBOARD.get(letter, letter * 2)}{after}{rest}",
        ]
    )


RULES: dict[str, Rule] = {
    "synonym": swapping(_SYNONYMS),
    "contraction": swapping(_CONTRACTIONS),
    "opening": _opened,
    "closing": _closed,
    "clause": _turned,
    "marks": _marks,
    "slip": _mistyped,
    "article": in_place(r"(?<=\w )(?:the|my|a) (?=[a-z]{4})", lambda match, chance: ""),
}
"""Name -> the rule."""
