"""A scenario of the contract: what an unmodified SDK sees at a base URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tests.contract.comparison import plain

# One loop for all, as in an app: langchain keeps its connections between calls, and they belong to their loop.
LOOP = asyncio.Runner()


def run(asked: Coroutine[Any, Any, Any]) -> Any:
    """Runs what a scenario does with an asynchronous client."""
    return LOOP.run(asked)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A function from a base URL (without `/v1`) to whatever the SDK gave; runs against a provider or a sidecar.

    `cached` says whether asking again must be answered without the provider (True), must reach it (False) or may do
    either (None); `raises` is the SDK's exception that the scenario ends in.
    """

    name: str
    ask: Callable[[str], Any]
    cached: bool | None
    raises: type[Exception] | None

    def outcome(self, base_url: str) -> Any:
        """The comparable form of the answer or of the exception; another exception than the expected one is raised."""
        if self.raises is None:
            return plain(self.ask(base_url))
        try:
            answer = self.ask(base_url)
        except self.raises as error:
            return plain(error)
        raise AssertionError(f"{self.name}: expected {self.raises.__name__}, got {answer!r}")


def scenario(
    *, cached: bool | None = None, raises: type[Exception] | None = None
) -> Callable[[Callable[[str], Any]], Scenario]:
    """Makes a scenario of a function."""

    def named(ask: Callable[[str], Any]) -> Scenario:
        name = f"{ask.__module__.rpartition('.')[2]}.{ask.__name__}"
        return Scenario(name, ask, False if raises else cached, raises)

    return named


def scenarios_of(*modules: ModuleType) -> list[Scenario]:
    """The scenarios that the modules define, in their order."""
    return [value for module in modules for value in vars(module).values() if isinstance(value, Scenario)]
