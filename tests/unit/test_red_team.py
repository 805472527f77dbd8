"""Queries that look alike and need different answers, and others that don't look alike and need the same.

A line of `red_team.jsonl` is `{"id", "kind", "a", "b", "same"}`. In each kind some look-alikes are reworded and some of
those that ask the same differ by a word only, so that likeness of the wording alone gives nothing away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cachedistill_sidecar.policy.wording import conflict
from cachedistill_sidecar.policy.wording_features import NAMES, features

# Share of look-alikes that the guards must block, and that some feature must speak against without reserve: what they
# do today, rounded down. A kind that is hard by its nature (scope, other languages) keeps a low floor, not none.
FLOORS = {
    "negation": (0.90, 0.90), "opposite": (0.80, 0.80), "number": (0.95, 0.95), "unit": (0.50, 0.85),
    "name": (0.80, 0.80), "date": (0.75, 0.95), "tense": (0.0, 0.30), "quantifier": (0.50, 0.80),
    "scope": (0.0, 0.04), "direction": (0.55, 0.65), "code": (0.60, 0.85), "language": (0.55, 0.55),
    "role": (0.0, 0.80), "comparison": (0.45, 0.45), "modality": (0.0, 0.65), "conditional": (0.20, 0.55),
}  # fmt: skip
MOST_BLOCKED_OF_SAME = 0.03
MOST_SPOKEN_AGAINST_OF_SAME = 0.05
# These find contradictions; the others measure likeness.
CONTRADICTIONS = tuple(
    NAMES.index(name)
    for name in ("number", "identifier", "reversed", "direction", "exchanged", "tense", "quantity", "mode", "condition",
                 "occasion", "unit", "code")
)  # fmt: skip


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(pattern=r"^[a-z]+-\d\d$")
    kind: str
    a: str = Field(min_length=4, max_length=200)
    b: str = Field(min_length=4, max_length=200)
    same: bool


PAIRS = [
    Pair.model_validate_json(line)
    for line in (Path(__file__).parent / "red_team.jsonl").read_text(encoding="utf-8").splitlines()
]
OF_KIND = {kind: [pair for pair in PAIRS if pair.kind == kind] for kind in FLOORS}


def share(holds: Callable[[Pair], bool], pairs: list[Pair]) -> float:
    return sum(map(holds, pairs)) / len(pairs)


def blocked(pair: Pair) -> bool:
    return conflict(pair.a, pair.b) is not None


def spoken_against(pair: Pair) -> bool:
    found = features(pair.a, pair.b)
    return any(found[at] == 1 for at in CONTRADICTIONS)


def plain(text: str) -> str:
    """Blanks and capitals don't count; marks do, as they tell `x += 1` from `x -= 1`."""
    return re.sub(r"\s+", " ", text.casefold()).strip(" ?!.")


def test_the_list_is_as_long_and_as_varied_as_promised() -> None:
    assert len(PAIRS) >= 600
    assert {pair.kind for pair in PAIRS} == set(FLOORS)
    assert 0.38 <= share(lambda pair: pair.same, PAIRS) <= 0.42
    for kind, pairs in OF_KIND.items():
        alike = Counter(pair.same for pair in pairs)
        assert alike[False] >= 20, kind
        assert alike[True] >= 14, kind


def test_every_pair_stands_once_and_is_two_texts() -> None:
    assert len({pair.id for pair in PAIRS}) == len(PAIRS)
    assert len({frozenset((plain(pair.a), plain(pair.b))) for pair in PAIRS}) == len(PAIRS)
    assert all(pair.a != pair.b for pair in PAIRS)


def test_no_pair_that_differs_in_capitals_alone_is_a_look_alike() -> None:
    assert all(pair.same for pair in PAIRS if plain(pair.a) == plain(pair.b))


@pytest.mark.parametrize("kind", FLOORS)
def test_the_guards_block_their_share_of_look_alikes(kind: str) -> None:
    assert share(blocked, [pair for pair in OF_KIND[kind] if not pair.same]) >= FLOORS[kind][0]


@pytest.mark.parametrize("kind", FLOORS)
def test_a_feature_speaks_against_its_share_of_look_alikes(kind: str) -> None:
    assert share(spoken_against, [pair for pair in OF_KIND[kind] if not pair.same]) >= FLOORS[kind][1]


def test_the_guards_let_paraphrases_pass() -> None:
    assert share(blocked, [pair for pair in PAIRS if pair.same]) <= MOST_BLOCKED_OF_SAME


def test_no_feature_speaks_against_most_paraphrases() -> None:
    assert share(spoken_against, [pair for pair in PAIRS if pair.same]) <= MOST_SPOKEN_AGAINST_OF_SAME
