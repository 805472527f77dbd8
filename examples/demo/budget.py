"""How the error budget stands, in sentences."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.learning.learner import Learner
from cachedistill_sidecar.policy.error_budget import Standing

_VERIFYING_SECONDS = 2.0
# Events are read once a second; a few labels may wait longer until the model is fitted to them.
_LEARNING_SECONDS = 1.5


@dataclass(slots=True)
class Budget:
    """The budget of a sidecar's only rule. `certified_after`: questions answered when a certificate was first seen."""

    sidecar: Sidecar
    certified_after: int | None = None

    def look(self, answered: int) -> None:
        """Note whether there is a certificate by now."""
        if self.certified_after is None and self._standing.certified:
            self.certified_after = answered

    def brief(self) -> str:
        """How it stands, in a few words."""
        standing = self._standing
        if standing.cutoff is not None:
            return f"certified by {standing.labels} labels, cut-off {standing.cutoff:.3f}"
        return f"not certified: {standing.labels} labels, at least {standing.missing} more are needed"

    async def settle(self) -> None:
        """Wait until the last labels are in."""
        await self.sidecar.parts.background.drain(_VERIFYING_SECONDS)
        await asyncio.sleep(_LEARNING_SECONDS)

    def measured(self, verified: int) -> str:
        """What the sidecar itself has measured, by asking again for `verified` of the answers that it had served."""
        standing = self._standing
        if standing.measured is None or standing.upper is None:
            return "Of the answers served by meaning, none was asked for again: nothing is measured."
        return (
            f"Measured by the sidecar, which asked again for {verified} of the answers that it had served by meaning: "
            f"{standing.measured * 1000:.0f} permille wrong, with 90 % confidence at most {standing.upper * 1000:.0f}."
        )

    @property
    def _standing(self) -> Standing:
        [standing] = self._learner.standings().values()
        return standing

    @property
    def _learner(self) -> Learner:
        [lesson] = self.sidecar.parts.lessons.values()
        assert lesson.learner is not None
        return lesson.learner
