"""The Helm chart, as tests see it: rendered, or refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.binaries import tool
from e2e.machine import Unavailable

CHART = Path(__file__).parent.parent / "charts" / "cachedistill"
NAMESPACE = "cachedistill-system"
KUBERNETES = "1.36.2"

Manifest = dict[str, Any]


class ChartError(ValueError):
    """What Helm refuses, in its words."""


def helm(*arguments: str, stdin: str | None = None) -> str:
    """Run Helm; the test is skipped where it can't be had. Raises ChartError."""
    try:
        program = tool("helm")
    except Unavailable as why:
        pytest.skip(str(why))
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise ChartError(done.stderr or done.stdout)
    return done.stdout


def render(values: Manifest | None = None, *, release: str = "cachedistill") -> list[Manifest]:
    """All manifests, hooks and tests among them. Raises ChartError."""
    text = helm(
        *("template", release, str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBERNETES, "--values", "-"),
        stdin=json.dumps(values or {}),
    )
    return [each for each in yaml.safe_load_all(text) if each is not None]


def release(kubeconfig: Path, action: str, values: Manifest | None = None, *arguments: str) -> None:
    """`helm install` or `helm upgrade`, without waiting for pods; or `helm uninstall`. Raises ChartError."""
    given: tuple[str, ...] = () if action == "uninstall" else (str(CHART), "--values", "-")
    given += ("--create-namespace",) if action == "install" else ()
    place = ("--namespace", NAMESPACE, "--kubeconfig", str(kubeconfig))
    helm(action, "cachedistill", *given, *place, *arguments, stdin=json.dumps(values or {}))


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The only manifest of that kind and name."""
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pod_templates(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Everything that makes pods: its name, and the pod's template."""
    for each in manifests:
        if each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]
