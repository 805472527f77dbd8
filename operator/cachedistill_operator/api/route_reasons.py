"""Why a ModelRoute's conditions are as they are: a closed list, from which the docs are generated."""

from __future__ import annotations

from enum import StrEnum

from cachedistill_operator.api.conditions import ConditionType


class RouteReason(StrEnum):
    """A reason, with the condition that it belongs to.

    `Ready` and `Stalled` take over the reason of what is wrong, `InjectionUpToDate` that of a restart under way.
    """

    condition: ConditionType
    meaning: str

    def __new__(cls, value: str, condition: ConditionType, meaning: str) -> RouteReason:
        """A member with its sentence for the docs."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.condition = condition
        member.meaning = meaning
        return member

    ACCEPTED = "Accepted", ConditionType.ACCEPTED, "the route is in use for the pods that it selects"
    CONFLICTED = (
        "Conflicted",
        ConditionType.ACCEPTED,
        "an older route in the namespace takes some or all of its pods, which the message names; the oldest wins",
    )
    INVALID = (
        "Invalid",
        ConditionType.ACCEPTED,
        "the spec says something that no route document can hold; sidecars keep the last good one",
    )

    RESOLVED = "Resolved", ConditionType.RESOLVED_REFS, "all that the route names is there"
    CACHE_NOT_FOUND = (
        "CacheNotFound",
        ConditionType.RESOLVED_REFS,
        "a rule's SemanticCache isn't there; the rule is in force, and caches nothing",
    )
    CACHE_NOT_ALLOWED = (
        "CacheNotAllowed",
        ConditionType.RESOLVED_REFS,
        "a SemanticCache's allowedNamespaces leave this namespace out; the rule is in force, and caches nothing",
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        ConditionType.RESOLVED_REFS,
        "a fallback's Secret, or the key in it, isn't there; the app's own key goes through",
    )
    SECRET_NOT_READABLE = (
        "SecretNotReadable",
        ConditionType.RESOLVED_REFS,
        "the API server doesn't let the controller look at a fallback's Secret",
    )
    SERVICE_NOT_FOUND = (
        "ServiceNotFound",
        ConditionType.RESOLVED_REFS,
        "a fallback's Service, or the port of it, isn't there; it is asked all the same",
    )

    UP_TO_DATE = (
        "UpToDate",
        ConditionType.INJECTION_UP_TO_DATE,
        "all pods that ask for it have the sidecar as it is now",
    )
    NO_PODS = "NoPods", ConditionType.INJECTION_UP_TO_DATE, "no running pod asks for a sidecar and matches"
    OUTDATED = (
        "Outdated",
        ConditionType.INJECTION_UP_TO_DATE,
        "pods run with a sidecar that was injected otherwise than it would be now",
    )
    NOT_INJECTED = (
        "NotInjected",
        ConditionType.INJECTION_UP_TO_DATE,
        "pods run without a sidecar: started before the route or without the webhook, or they can't take one",
    )

    READY = "Ready", ConditionType.READY, "sidecars have the route as it is written, with all that it names"
    REFUSED = "Refused", ConditionType.READY, "the API server refuses something that the controller must do"

    ROLLING_OUT = "RollingOut", ConditionType.RECONCILING, "workloads are being restarted for the sidecar as it is now"
    WAITING_FOR_WEBHOOK = (
        "WaitingForWebhook",
        ConditionType.RECONCILING,
        "workloads are restarted once the webhook is up and as new as the controller",
    )
    SETTLED = "Settled", ConditionType.RECONCILING, "nothing is under way"
    MOVING = "NotStalled", ConditionType.STALLED, "nothing needs anybody's hand"


class RouteEvent(StrEnum):
    """Events about a ModelRoute and its workloads beside those of the conditions."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> RouteEvent:
        """A member with its sentence for the docs."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    RESTARTED = "Restarted", "a workload is restarted because what is injected has changed (`rollout: OnChange`)"
