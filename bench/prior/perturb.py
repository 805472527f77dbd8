"""Look-alikes and paraphrases of plain English queries by rule: labelled pairs for a prior, from unlabelled queries.

    python -m bench.prior.perturb < queries.txt

What a rule makes asks something else, or the same, in nearly all cases; a rule that can't tell leaves the query alone.
The words here are not those of the sidecar's `policy/synonyms.py`: a prior that is fitted on its own table of synonyms
would trust the table too much.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.prior import look_alikes, paraphrases
from bench.prior.rewriting import Rule

_WORD = re.compile(r"[a-z]{5,}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two queries; `rule` names how the second was made of the first, or that it was found."""

    query: str
    candidate: str
    same: bool
    rule: str


def pairs(queries: Sequence[str], seed: int, of_each: int = 2) -> Iterator[Pair]:
    """Up to `of_each` look-alikes and as many paraphrases of each query, by rules drawn at random, in its order.

    Half of the look-alikes are put in other words too, so that likeness alone gives nothing away. The same queries,
    seed and count give the same pairs.
    """
    chance = random.Random(seed)
    others = [word for query in queries for word in _WORD.findall(query)]
    different: dict[str, Rule] = {**look_alikes.RULES, "other word": _other_word(others)}
    for query in queries:
        plain = " ".join(query.split())
        for same, rules in ((False, different), (True, paraphrases.RULES)):
            for rule, made in _drawn(plain, rules, chance, of_each):
                yield Pair(plain, _reworded(made, rule, chance) if chance.random() < 0.5 else made, same, rule)


def _drawn(query: str, rules: dict[str, Rule], chance: random.Random, most: int) -> Iterator[tuple[str, str]]:
    found = 0
    for name in chance.sample(list(rules), len(rules)):
        made = rules[name](query, chance)
        if made is not None and made.casefold() != query.casefold():
            yield name, made
            found += 1
        if found == most:
            return


def _reworded(query: str, after: str, chance: random.Random) -> str:
    """The query in other words, by another rule than the one that made it."""
    rules = {name: rule for name, rule in paraphrases.RULES.items() if name not in (after, "clause")}
    return next((made for _, made in _drawn(query, rules, chance, 1)), query)


def _other_word(others: Sequence[str]) -> Rule:
    """One long word, which is mostly one of substance, makes way for one of another query."""

    def replaced(query: str, chance: random.Random) -> str | None:
        found = list(_WORD.finditer(query))
        if not found or not others:
            return None
        match, other = chance.choice(found), chance.choice(others)
        if other[:4] == match[0][:4] or other in query:
            return None
        return f"{query[: match.start()]}{other}{query[match.end() :]}"

    return replaced


def main(lines: Iterable[str], write: Callable[[str], object]) -> None:
    """Write the pairs of these queries, one a line: rule, same or other, query, candidate, with tabs between."""
    for pair in pairs([line.strip() for line in lines if line.strip()], seed=1):
        write(f"{pair.rule}\t{'same' if pair.same else 'other'}\t{pair.query}\t{pair.candidate}\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout.write)
