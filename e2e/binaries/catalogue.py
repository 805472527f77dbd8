"""Which tools there are, and out of which Go module each is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with a go.mod, and the packages in it that are built: tool -> package."""

    name: str
    packages: dict[str, str]
    minutes: float
    """How long the first build takes on two cores, as measured; told to whoever waits."""

    @property
    def folder(self) -> Path:
        """Where go.mod is."""
        return _HERE / self.name

    def version(self, dependency: str) -> str:
        """The version of a dependency, as in go.mod: v1.2.3."""
        found = re.search(rf"^\s*{re.escape(dependency)} (v\S+)", (self.folder / "go.mod").read_text("utf8"), re.M)
        assert found is not None, dependency
        return found[1]

    @property
    def linker_flags(self) -> str:
        """No symbols; and Kubernetes' version, without which an API server calls itself v0.0.0-master."""
        flags = ["-s", "-w"]
        if self.name == "kubernetes":
            version = self.version("k8s.io/kubernetes")
            major, minor, _ = version.removeprefix("v").split(".", 2)
            stamp = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
            flags += [f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamp.items()]
        return " ".join(flags)


MODULES = (
    Module(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",  # the first: it carries what the others share
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        },
        minutes=11,
    ),
    Module("helm", {"helm": "helm.sh/helm/v3/cmd/helm"}, minutes=1.6),
    Module("collector", {"otelcol": "."}, minutes=2),
    Module("pause", {"pause": "."}, minutes=0.5),
)
TOOLS = {tool: module for module in MODULES for tool in module.packages}
