"""Injection: a pod in, the pod with a sidecar out. Pure: no I/O, no clock, nothing of Kubernetes' clients."""

from cachedistill_operator.inject.choice import choose
from cachedistill_operator.inject.decision import is_injected, is_required, request_of
from cachedistill_operator.inject.digest import digest
from cachedistill_operator.inject.pod import Injection, inject
from cachedistill_operator.inject.skip import SkipReason

__all__ = ["Injection", "SkipReason", "choose", "digest", "inject", "is_injected", "is_required", "request_of"]
