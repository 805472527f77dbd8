"""A namespace of a scenario: what is in it, how to ask its app, and how to wait for things."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from e2e.cluster.kubectl import Kubectl, KubectlError
from e2e.scenarios.manifests import Manifest

T = TypeVar("T")
ASK = ("python", "-m", "e2e.apps.ask")


@dataclass(frozen=True, slots=True)
class Town:
    """One namespace, by its kubectl."""

    name: str
    kubectl: Kubectl

    def put(self, *manifests: Manifest) -> None:
        """Apply what is to be in the namespace."""
        for each in manifests:
            each["metadata"]["namespace"] = self.name
        self.kubectl.apply(*manifests)

    def rolled_out(self, *names: str, kind: str = "deployment") -> None:
        """Wait until these are rolled out."""
        for name in names:
            self.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=110s")

    def pods(self, app: str) -> list[Manifest]:
        """The pods of an app that are not on their way out."""
        found = self.kubectl.get("pods", "-l", f"app={app}")["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def pod(self, app: str) -> Manifest:
        """The only pod of an app."""
        [found] = self.pods(app)
        return found

    def ask(self, *questions: str, app: str = "chat", options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """What the app's SDK gets for each question, as e2e.apps.ask tells it."""
        name = self.pod(app)["metadata"]["name"]
        told = self.kubectl("exec", name, "-c", "app", "--", *ASK, *options, "--", *questions)
        return [json.loads(line) for line in told.splitlines()]

    def decisions(self, *questions: str, app: str = "chat", options: tuple[str, ...] = ()) -> list[str]:
        """How each question was answered."""
        return [str(each.get("decision") or each) for each in self.ask(*questions, app=app, options=options)]

    def calls(self, provider: str = "provider") -> int:
        """How many calls a provider has had."""
        script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/_upstream/calls').read().decode())"
        told = self.kubectl("exec", f"deployment/{provider}", "--", "python", "-c", script)
        return len(json.loads(told))

    def condition(self, kind: str, name: str, type_: str) -> Manifest:
        """A condition; empty while it isn't there."""
        conditions = self.kubectl.get(kind, name).get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == type_), {})

    def ready(self, kind: str, name: str, type_: str = "Ready") -> None:
        """Wait until a condition is true."""
        until(
            lambda: self.condition(kind, name, type_).get("status") == "True",
            lambda: self.kubectl("describe", kind, name),
        )

    def columns(self, kind: str, name: str) -> dict[str, str]:
        """What `kubectl get` shows of a resource, by heading; empty where nothing is known."""
        head, row = self.kubectl("get", kind, name).splitlines()
        headings = list(re.finditer(r"\S+", head))
        ends = [each.start() for each in headings[1:]] + [None]
        return {each[0]: row[each.start() : end].strip() for each, end in zip(headings, ends, strict=True)}

    def events(self, reason: str) -> list[str]:
        """What the Events of a reason say."""
        found = self.kubectl.get("events.events.k8s.io")["items"]
        return [each["note"] for each in found if each["reason"] == reason]


NewTown: TypeAlias = Callable[[str], Town]
"""Makes a namespace with a name that begins so."""


def until(what: Callable[[], T], why: Callable[[], str] = lambda: "it never came true", seconds: float = 90) -> T:
    """The first true value of `what`, asked again and again. Raises AssertionError with what `why` says."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except (KubectlError, ValueError) as error:
            # Not there yet, or two pods while one is on its way out.
            if time.monotonic() > end:
                raise AssertionError(f"{error}\n{why()}") from error
        if time.monotonic() > end:
            raise AssertionError(why())
        time.sleep(0.25)
