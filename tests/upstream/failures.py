"""The ways in which the upstream fails when it is asked to."""

from __future__ import annotations

from dataclasses import dataclass

from tests.upstream.exchange import ErrorKind, ProviderError

HEADER = "x-upstream-fail"

REFUSALS: dict[str, tuple[ErrorKind, str]] = {
    "401": ("unauthorized", "Incorrect API key provided."),
    "429": ("rate_limit", "Rate limit reached, try again later."),
    "429-ms": ("rate_limit", "Rate limit reached, try again later."),
    "500": ("server", "The server had an error while processing your request."),
    "503": ("unavailable", "The service is temporarily unavailable."),
    "529": ("overloaded", "Overloaded"),
}
SHAPED = ("huge", "truncated", "filtered")
BROKEN = ("hang", "cut-before", "slow-headers", "hang-in-stream", "cut", "malformed-sse", "error-in-stream", "gzip")
MODES = (*REFUSALS, *SHAPED, *BROKEN)


@dataclass(frozen=True, slots=True)
class Failure:
    """A mode out of `MODES` ('' is none) and its number, as in `429:2`: seconds for 429, milliseconds for 429-ms."""

    mode: str = ""
    amount: str = ""

    def refusal(self) -> ProviderError | None:
        """The provider's error that this mode stands for, with its retry headers."""
        if self.mode not in REFUSALS:
            return None
        kind, message = REFUSALS[self.mode]
        if self.mode == "429-ms":
            headers = {"retry-after-ms": self.amount or "20"}
        elif self.mode == "429" or self.amount:
            headers = {"retry-after": self.amount or "1"}
        else:
            headers = {}
        return ProviderError(kind, message, headers=headers)


NO_FAILURE = Failure()


def parse(mode: str) -> Failure:
    """Reads `mode` or `mode:amount`; ValueError names the modes when there is no such one."""
    name, _, amount = mode.strip().partition(":")
    if name not in MODES:
        raise ValueError(f"{HEADER}: no mode {name!r}; there are {', '.join(MODES)}")
    return Failure(name, amount)


@dataclass(slots=True)
class _Queued:
    failure: Failure
    times: int
    match: str | None


class FailureQueue:
    """Failures for calls to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._queued: list[_Queued] = []

    def add(self, mode: str, times: int = 1, match: str | None = None) -> None:
        """The next `times` calls fail so; with `match`, only those whose path or body contains it."""
        if times < 1:
            raise ValueError("times: must be at least 1")
        self._queued.append(_Queued(parse(mode), times, match))

    def take(self, path: str, body: bytes) -> Failure:
        """The failure due for this call, counted down; `NO_FAILURE` when there is none."""
        for position, queued in enumerate(self._queued):
            if queued.match is None or queued.match in path or queued.match.encode() in body:
                queued.times -= 1
                if not queued.times:
                    del self._queued[position]
                return queued.failure
        return NO_FAILURE

    def clear(self) -> None:
        self._queued.clear()
