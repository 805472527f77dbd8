"""The traps of recall: pairs and conversations that look alike and mean something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bench.recall import traps
from bench.recall.budgeted import Decision
from bench.recall.sets import ConversationPair, Pair
from cachedistill_sidecar.exchange import Neighbour
from tests.unit.recall_replays import Cosine


def test_pairs_count_what_is_served_and_what_could_be_at_a_tenth_of_the_traps() -> None:
    found = [Pair("a", "b", at < 10) for at in range(30)]
    cosines = np.array([0.95] * 5 + [0.72] * 5 + [0.97, 0.74, 0.73] + [0.7] * 17, np.float32)
    known = np.tile(np.eye(1, 2, dtype=np.float32), (30, 1))
    asked = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)
    figures = traps.pairs(found, known, asked, Cosine())
    assert figures["traps_served"] == pytest.approx(1 / 20)
    assert figures["true_served"] == pytest.approx(0.5)
    assert figures["true_at_10_traps"] == pytest.approx(0.5)


class Guarded(Cosine):
    """Holds back what has a figure in it."""

    def decide(self, text: str, neighbours: Sequence[Neighbour], principal: str, now: float) -> Decision:
        decision = super().decide(text, neighbours, principal, now)
        return replace(decision, held=any(map(str.isdigit, text)))


def test_a_pair_that_a_guard_holds_back_counts_at_no_cut_off() -> None:
    found = [Pair("it takes 2 days", "it takes 3 days", at > 4) for at in range(10)]
    same = np.tile(np.eye(1, 2, dtype=np.float32), (10, 1))
    assert traps.pairs(found, same, same, Guarded())["true_at_10_traps"] == 0
    free = [Pair("a", "b", each.same) if each.same else each for each in found]
    assert traps.pairs(free, same, same, Guarded())["true_at_10_traps"] == 1


def conversation(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]


def test_conversations_of_another_history_are_never_compared() -> None:
    found = [
        ConversationPair(
            conversation("my gym", "yes?", "cancel it"), conversation("my TV", "yes?", "cancel it"), False
        ),
        ConversationPair(conversation("my gym", "yes?", "cancel it"), conversation("my gym", "yes?", "end it"), True),
        ConversationPair(conversation("my gym", "yes?", "end it"), conversation("my gym", "yes?", "end it"), True),
    ]
    one = np.eye(1, 2, dtype=np.float32)[0]
    policy = Cosine()
    figures = traps.conversations(found, {"cancel it": one, "end it": one}, policy)
    assert figures["traps_served"] == 0
    assert figures["true_served"] == 1
    assert figures["traps_served.last_message"] == 1
    assert len(policy.seen) == 1
    assert traps.last_messages(found) == ["cancel it", "end it"]
