"""A query among its neighbours: which known answer they speak for, and how clearly, as numbers.

Every past query with a known answer votes for its group. The votes, weighed by similarity, say more than the
similarity of the best alone; which of the query's words the group's own queries have says what an embedding blurs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy import wording_features
from cachedistill_sidecar.policy.fairness import scales
from cachedistill_sidecar.policy.words import NO_WEIGHTS, Weights, words_of

_ALONE = ("extra", "overlap", "substituted", "rarest")

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
    "age",  # log of how many labelled queries ago the group's latest was answered
    "age_elsewhere",  # the same, for all other groups
    "mistakes",  # log of the share of neighbours whose own neighbours spoke for a wrong answer
    "mistakes_inside",  # the same, among the group's members
    "mistakes_towards",  # the same, among neighbours whose own neighbours spoke for this group
    *(f"wording_{name}" for name in wording_features.NAMES),  # query against the group's nearest
    # The similarity and the wording of a member that stands alone say more than those of one among many: divided by
    # their number.
    "alone",
    "alone_cubed",
    *(f"alone_{name}" for name in _ALONE),
)
"""What `Neighbourhood.features` gives, in its order."""

_SHARP, _SHARPER, _BROAD, _LEXICAL = 20.0, 60.0, 7.0, 15.0
# The answer that nobody knows yet has a vote, too, as of a query of this similarity: else one distant neighbour alone
# would have them all.
_UNKNOWN = 0.6
_OVERLAP = 0.3

_NEAR = 10.0  # sharpness at which the mistakes of neighbours count
_MISTAKES, _SEEN = 0.1, 0.5  # what is believed without neighbours: so many mistakes of so many
_MOST_AGE, _MOST_UNCOUNTED = 8000.0, 300.0

_ALONE_PLACES = [wording_features.NAMES.index(name) for name in _ALONE]
_traits = lru_cache(maxsize=512)(wording_features.traits)


@dataclass(frozen=True, slots=True)
class Habits:
    """What queries are like in a deployment: what each word says, how often no known answer is right (0..1), when the
    labelled ones were asked, in order, and how many seconds there are from one to the next."""

    words: Weights = field(default_factory=lambda: NO_WEIGHTS)
    novelty: float = 0.5
    times: Sequence[float] = ()
    pace: float = 1.0

    def age(self, at: float, now: float) -> float:
        """How many labelled queries ago that was. Counted as far as the times go: a quiet night makes nothing older."""
        last = self.times[-1] if self.times else at
        since = min(max(0.0, now - max(at, last)) / self.pace, _MOST_UNCOUNTED)
        return len(self.times) - bisect_right(self.times, at) + since


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What the neighbours speak for: `group`, its members by falling similarity, and how clearly they do."""

    group: str
    members: tuple[Neighbour, ...]
    others: tuple[str, ...]
    """The other groups, by falling votes."""
    features: tuple[float, ...]


def examine(query: str, neighbours: Sequence[Neighbour], habits: Habits, now: float) -> Neighbourhood:
    """Look at a query among its neighbours, at least one, which come by falling similarity; `now` as their `at`."""
    similarities = [each.similarity for each in neighbours]
    top = similarities[0]
    ballots = [math.exp(_SHARP * (each - top)) for each in similarities]
    fair = scales([each.principal for each in neighbours], ballots)
    groups = [each.group for each in neighbours]
    votes = _votes(groups, [ballot * part for ballot, part in zip(ballots, fair, strict=True)])
    ranked = sorted(votes, key=votes.__getitem__, reverse=True)
    group = ranked[0]
    mine = [each == group for each in groups]
    overlap, covered, elsewhere, uncovered = _lexical(query, neighbours, mine, habits.words)
    members = tuple([each for each, is_mine in zip(neighbours, mine, strict=True) if is_mine])
    other = next((each.similarity for each, is_mine in zip(neighbours, mine, strict=True) if not is_mine), 0.0)
    total = sum(votes.values()) + math.exp(_SHARP * (_UNKNOWN - top))
    share, second = votes[group] / total, votes[ranked[1]] / total if len(ranked) > 1 else 0.0
    best = members[0].similarity
    wording = wording_features.compare(_traits(query), _traits(members[0].text))
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
        math.log(habits.novelty + 0.003),
        *_ages(neighbours, mine, habits, now),
        *_mistakes(neighbours, mine, group, top),
        *wording,
        *[each / len(members) for each in (best, best**3, *[wording[place] for place in _ALONE_PLACES])],
    )
    return Neighbourhood(group, members, tuple(ranked[1:]), features)


def _ages(neighbours: Sequence[Neighbour], mine: Sequence[bool], habits: Habits, now: float) -> tuple[float, float]:
    here = max([each.at for each, is_mine in zip(neighbours, mine, strict=True) if is_mine])
    there = max([each.at for each, is_mine in zip(neighbours, mine, strict=True) if not is_mine], default=None)
    elsewhere = _MOST_AGE if there is None else habits.age(there, now)
    return math.log1p(habits.age(here, now)), math.log1p(elsewhere)


def _mistakes(neighbours: Sequence[Neighbour], mine: Sequence[bool], group: str, top: float) -> list[float]:
    wrong, seen = [_MISTAKES * _SEEN] * 3, [_SEEN] * 3
    for neighbour, is_mine in zip(neighbours, mine, strict=True):
        if not neighbour.guess:
            continue
        weight = math.exp(_NEAR * (neighbour.similarity - top))
        for place, counts in enumerate((True, is_mine, neighbour.guess == group)):
            if counts:
                seen[place] += weight
                wrong[place] += weight * (neighbour.guess != neighbour.group)
    return [math.log(part / whole) for part, whole in zip(wrong, seen, strict=True)]


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
