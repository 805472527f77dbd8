"""The conditions of a ModelRoute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachedistill_operator.api.conditions import ConditionType, Wanted
from cachedistill_operator.api.model_route import Rollout
from cachedistill_operator.api.route_reasons import RouteReason
from cachedistill_operator.render.conflicts import Conflict
from cachedistill_operator.render.route_pods import Census
from cachedistill_operator.render.route_references import Missing


@dataclass(frozen=True, slots=True)
class Situation:
    """How it stands with a route. `restarting`: the workloads that give way to pods with the sidecar as it is now,
    such as "Deployment chat"; `webhook_ready`: new pods would get that sidecar."""

    missing: tuple[Missing, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    census: Census = field(default_factory=Census)
    rollout: Rollout = Rollout.ON_CHANGE
    restarting: tuple[str, ...] = ()
    webhook_ready: bool = True


def conditions(situation: Situation) -> list[Wanted]:
    """All of them."""
    accepted, resolved = _accepted(situation), _resolved(situation)
    return [
        accepted,
        resolved,
        _injection(situation),
        _ready(accepted, resolved),
        _reconciling(situation),
        _stalled(accepted),
    ]


def invalid(error: str) -> list[Wanted]:
    """Those of a route whose spec can't be turned into a route document."""
    accepted = Wanted(ConditionType.ACCEPTED, False, RouteReason.INVALID, error)
    settled = Wanted(ConditionType.RECONCILING, False, RouteReason.SETTLED, "")
    return [accepted, _ready(accepted), settled, _stalled(accepted)]


def refused(before: Iterable[Mapping[str, Any]], error: str) -> list[Wanted]:
    """Those of a route that the API server lets us do nothing for: as they were, but not ready."""
    words = {"True": True, "False": False}
    last = {each["type"]: each for each in before}
    kept = [
        Wanted(kind, words.get(last[kind]["status"]), last[kind]["reason"], last[kind]["message"], quiet=True)
        for kind in ConditionType
        if kind in last and kind is not ConditionType.READY
    ]
    return [*kept, Wanted(ConditionType.READY, False, RouteReason.REFUSED, error)]


def _accepted(situation: Situation) -> Wanted:
    if situation.conflicts:
        sentence = "; ".join(map(str, situation.conflicts))
        return Wanted(ConditionType.ACCEPTED, False, RouteReason.CONFLICTED, sentence)
    return Wanted(ConditionType.ACCEPTED, True, RouteReason.ACCEPTED, "")


def _resolved(situation: Situation) -> Wanted:
    if not situation.missing:
        return Wanted(ConditionType.RESOLVED_REFS, True, RouteReason.RESOLVED, "")
    sentence = "; ".join(map(str, situation.missing))
    return Wanted(ConditionType.RESOLVED_REFS, False, situation.missing[0].reason, sentence)


def _ready(*grounds: Wanted) -> Wanted:
    """The first ground that doesn't hold. Quiet then: that one has an Event of its own."""
    for ground in grounds:
        if not ground.status:
            return Wanted(ConditionType.READY, False, ground.reason, ground.message, quiet=True)
    return Wanted(ConditionType.READY, True, RouteReason.READY, "sidecars have the route as it is written")


def _injection(situation: Situation) -> Wanted:
    pods, kind = situation.census, ConditionType.INJECTION_UP_TO_DATE
    if not pods.matched:
        return Wanted(kind, True, RouteReason.NO_PODS, "no running pod asks for a sidecar and matches the selector")
    unfit = sum(pods.unfit.values())
    if not (pods.outdated or pods.bare or unfit):
        return Wanted(kind, True, RouteReason.UP_TO_DATE, "")
    parts = [f"{_pods(pods.outdated)} with a sidecar injected otherwise than now"] if pods.outdated else []
    parts += (
        [f"{_pods(pods.bare)} without a sidecar, started before the route or without the webhook"] if pods.bare else []
    )
    parts += [f"{_pods(count)} that can't have a sidecar ({reason})" for reason, count in sorted(pods.unfit.items())]
    sentence = f"of {_pods(pods.matched)}: {', '.join(parts)}{_remedy(situation)}"
    if situation.restarting and not unfit:
        # What a restart mends is no news, as the restart is told; what it has not mended is, for another reason.
        return Wanted(kind, False, RouteReason.ROLLING_OUT, sentence, quiet=True)
    return Wanted(kind, False, RouteReason.NOT_INJECTED if pods.bare or unfit else RouteReason.OUTDATED, sentence)


def _remedy(situation: Situation) -> str:
    pods = situation.census
    left = pods.outdated + pods.bare
    if situation.restarting:
        return (
            "; their workloads are being restarted" if situation.webhook_ready else "; a restart waits for the webhook"
        )
    if pods.in_vain:
        return "; a restart has not helped: see the Events of their owners, then restart them by hand"
    if left and situation.rollout is Rollout.MANUAL:
        return "; restart their workloads (rollout is Manual)"
    return "; only you can restart these (Jobs, or pods without a workload)" if left else ""


def _reconciling(situation: Situation) -> Wanted:
    if not situation.restarting:
        return Wanted(ConditionType.RECONCILING, False, RouteReason.SETTLED, "")
    if not situation.webhook_ready:
        return Wanted(ConditionType.RECONCILING, True, RouteReason.WAITING_FOR_WEBHOOK, "")
    sentence = f"pods of {', '.join(situation.restarting)} give way to new ones"
    return Wanted(ConditionType.RECONCILING, True, RouteReason.ROLLING_OUT, sentence)


def _stalled(accepted: Wanted) -> Wanted:
    if accepted.status:
        return Wanted(ConditionType.STALLED, False, RouteReason.MOVING, "")
    return Wanted(ConditionType.STALLED, True, accepted.reason, accepted.message)


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"
