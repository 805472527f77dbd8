"""How often the ladder errs on answers as models write them, with the embedder that ships.

A line of `answer_pairs.jsonl` is `{"id", "question", "left", "right", "same", "kind"}`. The ladder was made with some
pairs; those whose id begins with "held" came later, and many of its errors on the first 62 of them were then mended. So
what it keeps to here is no estimate of how often it errs. At first sight of those 96, it called 2 of 52 the same that
aren't, 5 of 44 different that are the same, and left 18 undecided. The embedder was all-MiniLM-L6-v2 then. For
bge-small-en-v1.5 the figures, not the rules, were chosen anew on the other pairs alone: of those 96, it calls none of
52 the same that isn't, 2 of 44 different, and leaves 12 undecided, where the old embedder had come to 1, 2 and 11.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cachedistill_sidecar.cache.semantic import Vector
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.learning.asker import Asker
from cachedistill_sidecar.learning.judge import Judge
from cachedistill_sidecar.policy.judgement.opinion import Opinion
from cachedistill_sidecar.route_document import Provider

MOST_WRONGLY_SAME = 0.02
MOST_WRONGLY_DIFFERENT = 0.08
MOST_UNDECIDED = 0.15
ASKER = Asker({}, Provider.OPENAI, "gpt-4o-mini")


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(pattern=r"^(?:held-)?[a-z]+-\d\d$")
    question: str
    left: str
    right: str
    same: bool
    kind: str


PAIRS = [
    Pair.model_validate_json(line)
    for line in (Path(__file__).parent / "answer_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
HELD = [pair for pair in PAIRS if pair.id.startswith("held-")]
CHOSEN = [pair for pair in PAIRS if pair not in HELD]


class Remembering(Embedder):
    """The embedder, which embeds each text once."""

    vectors: dict[str, Vector | None]

    async def embed(self, text: str) -> Vector | None:
        if text not in self.vectors:
            self.vectors[text] = await super().embed(text)
        return self.vectors[text]


@pytest.fixture
async def judge(embedder_folder: Path) -> AsyncIterator[Judge]:
    embedder = Remembering.load(embedder_folder)
    embedder.vectors = {}
    yield Judge(embedder, None, random.Random(0))
    embedder.close()


async def opinions(judge: Judge, pairs: list[Pair]) -> list[Opinion]:
    return [(await judge.compare(pair.question, pair.left, pair.right, ASKER)).opinion for pair in pairs]


def test_the_pairs_are_many_and_have_names_of_their_own() -> None:
    assert len({pair.id for pair in PAIRS}) == len(PAIRS)
    assert all(pair.id.removeprefix("held-").startswith(pair.kind) for pair in PAIRS)
    for pairs in (CHOSEN, HELD):
        assert len(pairs) >= 90
        assert 0.4 <= sum(pair.same for pair in pairs) / len(pairs) <= 0.6


@pytest.mark.parametrize("pairs", [CHOSEN, HELD], ids=["chosen", "held"])
async def test_the_ladder_seldom_errs_and_decides_most(judge: Judge, pairs: list[Pair]) -> None:
    seen = Counter(zip((pair.same for pair in pairs), await opinions(judge, pairs), strict=True))
    same = sum(pair.same for pair in pairs)
    assert seen[False, Opinion.SAME] <= MOST_WRONGLY_SAME * (len(pairs) - same), seen
    assert seen[True, Opinion.DIFFERENT] <= MOST_WRONGLY_DIFFERENT * same, seen
    undecided = seen[True, Opinion.UNDECIDED] + seen[False, Opinion.UNDECIDED]
    assert undecided <= MOST_UNDECIDED * len(pairs), seen


async def test_which_of_two_answers_was_first_makes_no_difference(judge: Judge) -> None:
    swapped = [pair.model_copy(update={"left": pair.right, "right": pair.left}) for pair in PAIRS]
    assert await opinions(judge, PAIRS) == await opinions(judge, swapped)


async def test_an_answer_is_the_same_as_itself_and_another_than_that_to_an_unrelated_question(judge: Judge) -> None:
    itself = [pair.model_copy(update={"right": f"{pair.left} "}) for pair in PAIRS]
    assert set(await opinions(judge, itself)) == {Opinion.SAME}
    told = [pair for pair in PAIRS if pair.kind in {"paraphrase", "detail", "neighbour"}]
    planted = [one.model_copy(update={"right": other.left}) for one, other in pairwise(told)]
    unlike = [pair for pair in planted if pair.left != pair.right]
    assert Opinion.SAME not in await opinions(judge, unlike)
