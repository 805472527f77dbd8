"""A query among its neighbours: which known answer they speak for, and how clearly, as numbers.

Every past query with a known answer votes for its group. The votes, weighed by similarity, say more than the
similarity of the best alone; which of the query's words the group's own queries have says what an embedding blurs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy import wording_features
from cachedistill_sidecar.policy.words import Weights, words_of

NAMES = (
    "bias",
    "best",  # similarity of the group's nearest
    "best_cubed",
    "nearest_three",  # mean similarity of the group's three nearest
    "margin",  # to the best of another group
    "share",  # of the votes
    "lead",  # of that share over the second group's
    "near_share",  # the group's part of the three nearest
    "size",  # log of the group's members among the neighbours
    "density",  # mean similarity of all
    "doubt",  # log of what the share leaves, at three sharpnesses of the vote
    "doubt_sharp",
    "doubt_broad",
    "other",  # similarity of the nearest of another group
    "first",  # whether the nearest of all is of the group
    "crowd",  # log of the number of neighbours
    "lexical_doubt",  # doubt, where the overlap of words counts beside similarity
    "covered",  # weight of the query's words that the group's queries have, as a share
    "covered_elsewhere",  # the same, for all other groups
    "uncovered",  # weight of the heaviest word that the group's queries lack
    "novelty",  # log of how often, of late, no known answer was right
    *(f"wording_{name}" for name in wording_features.NAMES),  # query against the group's nearest
)
"""What `Neighbourhood.features` gives, in its order."""

_SHARP, _SHARPER, _BROAD, _LEXICAL = 20.0, 60.0, 7.0, 15.0
# The answer that nobody knows yet has a vote, too, as of a query of this similarity: else one distant neighbour alone
# would have them all.
_UNKNOWN = 0.6
_OVERLAP = 0.3
# No principal has more than this share of the votes, as soon as there are enough others.
_PRINCIPAL_SHARE = 1 / 3
_PRINCIPALS = 3

_traits = lru_cache(maxsize=2048)(wording_features.traits)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What the neighbours speak for: `group`, its members by falling similarity, and how clearly they do."""

    group: str
    members: tuple[Neighbour, ...]
    others: tuple[str, ...]
    """The other groups, by falling votes."""
    features: tuple[float, ...]


def examine(query: str, neighbours: Sequence[Neighbour], weights: Weights, novelty: float) -> Neighbourhood:
    """Look at a query among its neighbours, at least one, which come by falling similarity. `novelty` is in 0..1."""
    similarities = [each.similarity for each in neighbours]
    top = similarities[0]
    fair = _fair([each.principal for each in neighbours], similarities)
    groups = [each.group for each in neighbours]
    votes = _votes(
        groups, [math.exp(_SHARP * (each - top)) * part for each, part in zip(similarities, fair, strict=True)]
    )
    ranked = sorted(votes, key=votes.__getitem__, reverse=True)
    group = ranked[0]
    mine = [each == group for each in groups]
    overlap, covered, elsewhere, uncovered = _lexical(query, neighbours, mine, weights)
    members = tuple([each for each, is_mine in zip(neighbours, mine, strict=True) if is_mine])
    other = next((each.similarity for each, is_mine in zip(neighbours, mine, strict=True) if not is_mine), 0.0)
    total = sum(votes.values()) + math.exp(_SHARP * (_UNKNOWN - top))
    share, second = votes[group] / total, votes[ranked[1]] / total if len(ranked) > 1 else 0.0
    best = members[0].similarity
    lexical = [each + _OVERLAP * part for each, part in zip(similarities, overlap, strict=True)]
    features = (
        1.0,
        best,
        best**3,
        sum(each.similarity for each in members[:3]) / len(members[:3]),
        best - other,
        share,
        share - second,
        sum(mine[:3]) / len(mine[:3]),
        math.log(len(members)),
        sum(similarities) / len(similarities),
        math.log(1.02 - share),
        _doubt(similarities, mine, fair, _SHARPER),
        _doubt(similarities, mine, fair, _BROAD),
        other,
        float(mine[0]),
        math.log(len(neighbours)),
        _doubt(lexical, mine, fair, _LEXICAL),
        covered,
        elsewhere,
        uncovered,
        math.log(novelty + 0.003),
        *wording_features.compare(_traits(query), _traits(members[0].text)),
    )
    return Neighbourhood(group, members, tuple(ranked[1:]), features)


def _votes(groups: Sequence[str], votes: Sequence[float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for group, vote in zip(groups, votes, strict=True):
        sums[group] = sums.get(group, 0.0) + vote
    return sums


def _doubt(scores: Sequence[float], mine: Sequence[bool], fair: Sequence[float], sharpness: float) -> float:
    top = max(scores)
    votes = [math.exp(sharpness * (score - top)) * part for score, part in zip(scores, fair, strict=True)]
    total = sum(votes) + math.exp(sharpness * (_UNKNOWN - top))
    return math.log(1.02 - sum(vote for vote, is_mine in zip(votes, mine, strict=True) if is_mine) / total)


def _fair(principals: Sequence[str], similarities: Sequence[float]) -> Sequence[float]:
    """By how much each vote is scaled down, so that no principal outvotes the rest."""
    if len(set(principals)) < _PRINCIPALS:
        return [1.0] * len(principals)
    votes = [math.exp(_SHARP * (each - similarities[0])) for each in similarities]
    sums = _votes(principals, votes)
    allowed = _PRINCIPAL_SHARE * sum(votes)
    return [min(1.0, allowed / sums[principal]) for principal in principals]


def _lexical(
    query: str, neighbours: Sequence[Neighbour], mine: Sequence[bool], weights: Weights
) -> tuple[list[float], float, float, float]:
    """Weighted Jaccard with each neighbour; then covered, elsewhere and uncovered (see NAMES)."""
    of = weights.of
    words = words_of(query)
    weight = {word: of[word] for word in words}
    whole = sum(weight.values()) + 1e-9
    overlap: list[float] = []
    here: set[int] = set()
    there: set[int] = set()
    for neighbour, is_mine in zip(neighbours, mine, strict=True):
        theirs = words_of(neighbour.text)
        shared = words & theirs
        (here if is_mine else there).update(shared)
        inside = sum([weight[word] for word in shared])
        overlap.append(inside / (whole + sum([of[word] for word in theirs]) - inside + 1e-9))
    uncovered = max([weight[word] for word in words - here], default=0.0) / weights.most
    return (
        overlap,
        sum([weight[word] for word in here]) / whole,
        sum([weight[word] for word in there]) / whole,
        uncovered,
    )
