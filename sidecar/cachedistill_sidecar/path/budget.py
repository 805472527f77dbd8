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
# After each fit, the cut-off of a budget is looked for when it is first asked for: 3 ms on the event loop, 21 at most.
# With these steps, clients can ask for so many only.
_STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)


def budget(headers: Mapping[str, str], semantic: Semantic) -> int:
    """The rule's error budget in thousandths, or a smaller one that the request asks for; other wishes are ignored.

    A wish is rounded down to the next of a few steps.
    """
    allowed, wish = semantic.max_error_permille, headers.get(MAX_ERROR_HEADER, "")
    if not (wish.isascii() and wish.isdigit() and len(wish) <= _DIGITS) or int(wish) >= allowed:
        return allowed
    return max(step for step in _STEPS if step <= int(wish))


def policy(exchange: Exchange, learner: Learner, lesson: Lesson) -> Budgeted:
    """What decides on the exchange's semantic candidates, by what is known now."""
    # Imported here: only a sidecar with an embedder is to pay for numerical packages.
    from cachedistill_sidecar.policy.acceptance import Budgeted

    agreeing = lesson.cache.document.poisoning.minimum_agreeing_principals
    return Budgeted(
        learner.model,
        exchange.budget,
        exchange.principal,
        agreeing,
        lesson.suspensions.suspended,
        learner.account(exchange.budget),
    )
