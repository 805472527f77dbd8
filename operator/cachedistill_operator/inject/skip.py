"""Why a pod gets no sidecar: a closed list, whose words stand in Events, metrics, audit annotations and docs."""

from __future__ import annotations

from cachedistill_operator.api.word import Word


class SkipReason(Word):
    """The value is what an Event has as its reason."""

    # Nobody asked: told in metrics and audit annotations, never an Event.
    NOT_REQUESTED = "NotRequested", "neither the pod nor its namespace has the label cachedistill.dev/inject"
    DISABLED = "Disabled", "the label cachedistill.dev/inject says disabled"
    # Asked, and not possible.
    INVALID_LABEL = "InvalidLabel", "the label cachedistill.dev/inject says neither enabled, required nor disabled"
    NO_ROUTE = "NoRoute", "no ModelRoute in the pod's namespace has a selector that takes the pod"
    INVALID_ROUTE = "InvalidRoute", "the ModelRoute is not what this version of CacheDistill understands"
    ROUTES_UNKNOWN = "RoutesUnknown", "the API server did not tell in time which ModelRoutes there are"
    INVALID_ANNOTATION = "InvalidAnnotation", "an annotation of the pod has a value that can't be used"
    NO_CONTAINER = "NoContainer", "the annotation cachedistill.dev/containers names no container of the pod"
    HOST_NETWORK = "HostNetwork", "the pod uses its node's network: pods there would share the sidecar's ports"
    WINDOWS = "Windows", "the pod runs on Windows nodes; the sidecar is for Linux"
    MIRROR_POD = "MirrorPod", "a static pod: the kubelet runs it from a file, and it may use no ConfigMap or Secret"
    NAME_TAKEN = "NameTaken", "the pod has a container or volume of its own with a name that the sidecar needs"
    PORT_TAKEN = "PortTaken", "a container of the pod declares a port that the sidecar needs"
    PRIVILEGED_PORT = "PrivilegedPort", "the pod's own sysctl keeps port 443 from a sidecar that is not root"
    INTERNAL_ERROR = "InternalError", "something in CacheDistill failed; the webhook's log tells what"

    @property
    def asked(self) -> bool:
        """Whether somebody asked for a sidecar, and should hear why there is none."""
        return self not in (SkipReason.NOT_REQUESTED, SkipReason.DISABLED)


class Skip(Exception):
    """Raised inside of inject where it turns out that a pod can't have a sidecar."""

    def __init__(self, reason: SkipReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
