"""Fitting the prior: examples of right and wrong candidates, out of labelled queries and out of rewritten ones.

The streams teach what votes of neighbours are worth, at every size of a group; the rewritten pairs teach what wording
gives away where one neighbour stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.prior.perturb import Pair, pairs
from bench.recall.orders import bursts, shuffled
from bench.recall.sets import LabelledSet
from bench.recall.stream import Stream, stream
from bench.recall.vectors import vectors
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.calibrator import Array, Calibrator, Errors, Prior, Strength, fit, information
from cachedistill_sidecar.policy.neighbourhood import NAMES, Habits, examine
from cachedistill_sidecar.policy.words import BUCKETS, NO_WEIGHTS, weights, words_of

SEED = 20260101
_NEIGHBOURS = 32
_SIZES = (2, 5, 12, 40, 150)  # queries of each group
_MOST = 4000  # queries of a stream
_REWRITTEN = 1500  # queries of a set that are rewritten
_STRENGTH = Strength(seen=0.0, own=0.0, precision=10.0)
_WORDS_AGAIN = 200


@dataclass(frozen=True, slots=True)
class Examples:
    """Candidates: features [n, d], and whether each was right [n]."""

    features: Array
    right: Array


def prior(sets: Sequence[LabelledSet], model: Path) -> Prior:
    """The weights that these sets speak for, each kind of example counting the same."""
    kinds = [examples for each in sets for examples in (_streams(each, model), _rewritten(each, model))]
    features = np.concatenate([kind.features for kind in kinds])
    right = np.concatenate([kind.right for kind in kinds])
    most = max(len(kind.right) for kind in kinds)
    counting = np.concatenate([np.full(len(kind.right), most / len(kind.right)) for kind in kinds])
    centre, scale = features.mean(axis=0), features.std(axis=0)
    centre[0], scale[scale < 1e-6] = 0.0, 1.0
    neutral = Prior(Calibrator(np.zeros(len(NAMES)), centre, scale), np.zeros((len(NAMES), len(NAMES))))
    found = fit(neutral, _STRENGTH, features, right, counting, Errors())
    return Prior(found, information(found, features, counting))


def _streams(labelled: LabelledSet, model: Path) -> Examples:
    random = np.random.default_rng(SEED)
    samples = [_sample(labelled, size, random) for size in _SIZES]
    return _joined([_of_stream(order(sample, random), model) for sample in samples for order in (_any, _in_runs)])


def _any(sample: LabelledSet, random: np.random.Generator) -> LabelledSet:
    return sample.part(shuffled(sample.groups, random))


def _in_runs(sample: LabelledSet, random: np.random.Generator) -> LabelledSet:
    return sample.part(bursts(sample.groups, random))


def _sample(labelled: LabelledSet, size: int, random: np.random.Generator) -> LabelledSet:
    """At most so many queries of each group."""
    order = random.permutation(len(labelled.texts))
    seen: dict[int, int] = {}
    picked = []
    for at in order:
        group = int(labelled.groups[at])
        seen[group] = seen.get(group, 0) + 1
        if seen[group] <= size:
            picked.append(at)
    return labelled.part(np.array(picked[:_MOST]))


def _of_stream(labelled: LabelledSet, model: Path) -> Examples:
    on = stream(labelled, vectors(model, labelled.texts), np.arange(len(labelled.texts)), SEED)
    return _collected(_decisions(on))


def _decisions(on: Stream) -> Iterator[tuple[tuple[float, ...], bool]]:
    counts, novelty, seen = np.zeros(BUCKETS), 0.5, set()
    known, guesses = NO_WEIGHTS, [""] * len(on)
    for at in range(len(on)):
        group = int(on.groups[at])
        if at % _WORDS_AGAIN == 0:
            known = weights(float(at), counts.tolist())
        nearest = [(int(entry), float(s)) for entry, s in zip(on.earlier[at], on.similarities[at], strict=True)]
        neighbours = [
            Neighbour(
                str(entry),
                str(on.groups[entry]),
                on.texts[entry],
                cosine,
                on.principals[entry],
                guesses[entry],
                float(entry),
            )
            for entry, cosine in nearest[:_NEIGHBOURS]
            if entry >= 0
        ]
        if neighbours:
            found = examine(on.texts[at], neighbours, Habits(known, novelty, range(at)), float(at))
            guesses[at] = found.group
            yield found.features, found.group == str(group)
        novelty += 0.01 * ((group not in seen) - novelty)
        seen.add(group)
        counts[list(words_of(on.texts[at]))] += 1


def _rewritten(labelled: LabelledSet, model: Path) -> Examples:
    """Rewritten queries beside the one they were made of: alone, and among the others' nearest."""
    random = np.random.default_rng(SEED)
    picked = random.permutation(len(labelled.texts))[:_REWRITTEN]
    made = list(pairs([labelled.texts[at] for at in picked], SEED))
    return _collected(_alone(made, model))


def _alone(made: Sequence[Pair], model: Path) -> Iterator[tuple[tuple[float, ...], bool]]:
    texts = [text for pair in made for text in (pair.query, pair.candidate)]
    found = vectors(model, texts)
    for place, pair in enumerate(made):
        cosine = float(found[2 * place] @ found[2 * place + 1])
        neighbour = Neighbour("known", "known", pair.candidate, cosine)
        yield examine(pair.query, [neighbour], Habits(), 0.0).features, pair.same


def _collected(decisions: Iterable[tuple[tuple[float, ...], bool]]) -> Examples:
    features, right = zip(*decisions, strict=True)
    return Examples(np.array(features), np.array(right, np.float64))


def _joined(parts: Sequence[Examples]) -> Examples:
    return Examples(np.concatenate([part.features for part in parts]), np.concatenate([part.right for part in parts]))
