"""Trap sets: pairs of queries, and pairs of conversations, that look alike and need different answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.recall.budgeted import Budgeted, Decision
from bench.recall.sets import ConversationPair, Pair
from bench.recall.tally import share
from bench.recall.vectors import Vectors
from cachedistill_sidecar.cache.key import key, partition
from cachedistill_sidecar.dialects.openai_chat import OPENAI_CHAT
from cachedistill_sidecar.exchange import Neighbour, Query

TRAPS_ALLOWED = 0.10
_STATIC = 0.90
_NOW = 1e9  # after all that was learnt; the known answer is a fresh one
_PRINCIPAL = f"{1:016x}"
_MODEL = "model"


def pairs(found: Sequence[Pair], known: Vectors, asked: Vectors, policy: Budgeted) -> dict[str, float]:
    """Each pair alone in a cache: the one query is known, is its answer served to the other?

    `known` and `asked` are the pairs' vectors, [n, d]. The policy learns nothing from them. `true_at_10_traps` needs
    no cut-off: the share of true pairs whose probability is above all but a tenth of the traps'.
    """
    cosines = [float(left @ right) for left, right in zip(known, asked, strict=True)]
    decisions = [_alone(policy, pair.known, pair.asked, cosine) for pair, cosine in zip(found, cosines, strict=True)]
    same = [pair.same for pair in found]
    chances = [0.0 if each.held else each.probability for each in decisions]
    traps = sorted((each for each, true in zip(chances, same, strict=True) if not true), reverse=True)
    cut = traps[int(TRAPS_ALLOWED * len(traps))] if traps else 1.0
    return {
        **_served("", [each.served for each in decisions], same),
        **_served(".static_90", [cosine >= _STATIC for cosine in cosines], same),
        "true_at_10_traps": _of([each > cut for each in chances], same, True),
    }


def conversations(
    found: Sequence[ConversationPair], vectors: Mapping[str, Vectors], policy: Budgeted
) -> dict[str, float]:
    """Each pair alone in a cache that compares later turns of the same history by meaning, as SameHistory does.

    `last_message` is a cache that looks at nothing but the last message, by a cosine of 0.90.
    """
    served, alone = [], []
    for pair in found:
        known, asked = _query(pair.known), _query(pair.asked)
        assert known.text is not None
        assert asked.text is not None
        cosine = float(vectors[known.text] @ vectors[asked.text])
        alone.append(cosine >= _STATIC)
        at, there = _partition(known), _partition(asked)
        # Of another partition there is nothing to compare, neither exactly nor by meaning.
        served.append(
            at == there
            and (key(at, known.text) == key(there, asked.text) or _alone(policy, known.text, asked.text, cosine).served)
        )
    same = [pair.same for pair in found]
    return {**_served("", served, same), **_served(".last_message", alone, same)}


def last_messages(found: Sequence[ConversationPair]) -> list[str]:
    """The texts that a comparison by meaning is about."""
    texts = (_query(messages).text for pair in found for messages in (pair.known, pair.asked))
    return sorted({text for text in texts if text is not None})


def _alone(policy: Budgeted, known: str, asked: str, cosine: float) -> Decision:
    return policy.decide(asked, [Neighbour("known", "known", known, cosine, _PRINCIPAL, at=_NOW)], _PRINCIPAL, _NOW)


def _query(messages: list[dict[str, object]]) -> Query:
    return OPENAI_CHAT.query({"model": _MODEL, "messages": messages}, "/v1/chat/completions", "", {})


def _partition(query: Query) -> bytes:
    return partition(("namespace", "tenant", ""), "cache", query.model, query.shape)


def _served(arm: str, served: Sequence[bool], same: Sequence[bool]) -> dict[str, float]:
    return {f"traps_served{arm}": _of(served, same, False), f"true_served{arm}": _of(served, same, True)}


def _of(served: Sequence[bool], same: Sequence[bool], which: bool) -> float:
    """The served share of the true pairs, or of the traps."""
    chosen = [each for each, true in zip(served, same, strict=True) if true is which]
    return share(sum(chosen), len(chosen))
