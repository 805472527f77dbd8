"""Pods as they come in, and what injection makes of them: `inject/<case>/`, read by tests and by people.

A case has pod.yaml, and route.yaml and namespace.yaml (its labels) where they differ from those beside the cases.
Written by `python -m tests.golden`: outcome.yaml, and injected.yaml where there is a sidecar. Look at the difference
before you commit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cachedistill_operator.inject import Injection, inject
from cachedistill_operator.settings import Settings, load

FOLDER = Path(__file__).parent / "inject"
NAMESPACE = "shop"


@dataclass(frozen=True, slots=True)
class Case:
    """One folder."""

    folder: Path

    @property
    def pod(self) -> dict[str, Any]:
        """The pod as it comes in."""
        pod: dict[str, Any] = _read(self.folder / "pod.yaml")
        return pod

    @property
    def route(self) -> dict[str, Any] | None:
        """Its ModelRoute."""
        route: dict[str, Any] | None = self._own_or_shared("route.yaml")
        return route

    def run(self) -> Injection:
        """What injection makes of it."""
        return inject(self.pod, self.route, self._own_or_shared("namespace.yaml"), settings())

    def told(self) -> dict[str, str]:
        """The files that should be there, by name."""
        injection = self.run()
        outcome = {"skip": injection.skip and str(injection.skip), "message": injection.message}
        files = {"outcome.yaml": _text(outcome | {"warnings": list(injection.warnings)})}
        return files | ({"injected.yaml": _text(injection.pod)} if injection.pod is not None else {})

    def written(self) -> dict[str, str]:
        """The files that are there, by name."""
        paths = [self.folder / name for name in ("outcome.yaml", "injected.yaml")]
        return {path.name: path.read_text("utf8") for path in paths if path.exists()}

    def _own_or_shared(self, name: str) -> Any:
        own = self.folder / name
        return _read(own if own.exists() else FOLDER / name)


def cases() -> list[Case]:
    """All of them, by name."""
    return [Case(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]


def case(name: str) -> Case:
    """The one of that name."""
    return Case(FOLDER / name)


def settings() -> Settings:
    """The settings that all cases are run with."""
    return load(FOLDER / "settings.yaml")


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf8"))


class _Dumper(yaml.SafeDumper):
    """Without anchors: the same dictionary may stand in several places."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120)
