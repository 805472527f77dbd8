"""A deterministic emulator of LLM providers, for tests, the demo and benchmarks."""

from tests.upstream.journal import Call
from tests.upstream.pace import Pace
from tests.upstream.server import Upstream

__all__ = ["Call", "Pace", "Upstream"]
