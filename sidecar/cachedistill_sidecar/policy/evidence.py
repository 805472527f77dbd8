"""What was learnt, as far as it still counts: a bounded fold over events."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from cachedistill_sidecar.policy.labels import Event, Label, Traffic, Trial
from cachedistill_sidecar.policy.neighbourhood import NAMES
from cachedistill_sidecar.policy.words import BUCKETS

WINDOW = 8000
"""Labels that count; older ones are forgotten."""
_REPORTS = 4000
_TRIALS = 2000


class Evidence:
    """The last labels, reports of traffic, and trials of the judge. Whatever can't be one is ignored."""

    def __init__(
        self, labels: Iterable[Label] = (), traffic: Iterable[Traffic] = (), trials: Iterable[Trial] = ()
    ) -> None:
        self.labels = deque(labels, WINDOW)
        self.traffic = deque(traffic, _REPORTS)
        self.trials = deque(trials, _TRIALS)

    def add(self, event: Event) -> None:
        """Take an event in."""
        if isinstance(event, Label):
            if _sound(event):
                self.labels.append(_compact(event))
        elif isinstance(event, Traffic):
            self.traffic.append(event)
        else:
            self.trials.append(event)

    def frozen(self) -> Evidence:
        """A copy, to learn from in another thread."""
        return Evidence(self.labels, self.traffic, self.trials)


def _compact(label: Label) -> Label:
    """The same in 1.0 KB instead of 2.4, since a sidecar holds thousands."""
    return replace(label, features=array("d", label.features), words=array("H", label.words))


def _sound(label: Label) -> bool:
    return (
        len(label.features) == len(NAMES)
        and all(map(math.isfinite, label.features))
        and 0.0 <= label.probability <= 1.0
        and 0.0 < label.share <= 1.0
        and all(0 <= word < BUCKETS for word in label.words)
    )
