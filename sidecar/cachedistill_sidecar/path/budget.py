"""Under which error budget a request is answered by meaning, and by what policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachedistill_sidecar.telemetry.names import MAX_ERROR_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.learning.learner import Learner
    from cachedistill_sidecar.learning.lesson import Lesson
    from cachedistill_sidecar.policy.acceptance import Budgeted
    from cachedistill_sidecar.route_document import Semantic

_DIGITS = 4


def budget(headers: Mapping[str, str], semantic: Semantic) -> int:
    """The rule's error budget in thousandths, or a smaller one that the request asks for; other wishes are ignored."""
    allowed, wish = semantic.max_error_permille, headers.get(MAX_ERROR_HEADER, "")
    return min(allowed, int(wish)) if wish.isascii() and wish.isdigit() and len(wish) <= _DIGITS else allowed


def policy(exchange: Exchange, learner: Learner, lesson: Lesson) -> Budgeted:
    """What decides on the exchange's semantic candidates, by what is known now."""
    # Imported here: only a sidecar with an embedder is to pay for numerical packages.
    from cachedistill_sidecar.policy.acceptance import Budgeted

    agreeing = lesson.cache.document.poisoning.minimum_agreeing_principals
    return Budgeted(learner.model, exchange.budget, exchange.principal, agreeing, lesson.suspensions.suspended)
