"""What the pages about Kubernetes name is there, and what there is, they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachedistill_operator.api import crd, group
from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.model_route import Sdk
from cachedistill_operator.api.route_reasons import RouteEvent, RouteReason
from cachedistill_operator.inject import environment, transparent
from cachedistill_operator.inject.skip import SkipReason

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "kubernetes").glob("*.yaml"))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf8")


def first_cells(section: str) -> set[str]:
    """All code in the first column of the tables under a heading of the troubleshooting page."""
    _, _, text = page("how-to/troubleshoot-on-kubernetes.md").partition(f"\n## {section}\n")
    rows = re.findall(r"^\| (`.*?) \|", text.partition("\n## ")[0], re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def test_every_reason_against_a_sidecar_has_its_line_in_the_troubleshooting_page() -> None:
    assert first_cells("A pod has no sidecar") == {str(reason) for reason in SkipReason}


def test_every_reason_of_a_route_has_its_line_in_the_troubleshooting_page() -> None:
    conditions = {str(reason.condition) for reason in RouteReason}
    told = first_cells("A ModelRoute")
    assert told - conditions == {str(reason) for reason in RouteReason} - conditions
    assert all(f"`{event}`" in page("how-to/troubleshoot-on-kubernetes.md") for event in RouteEvent)


def test_every_reason_of_a_cache_has_its_line_in_the_troubleshooting_page() -> None:
    assert first_cells("A SemanticCache") == {str(reason) for reason in CacheReason}


def test_the_table_of_variables_is_the_one_that_injection_uses() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:`[A-Z_]+`(?:, )?)+) \|$", page("concepts/injection.md"), re.MULTILINE)
    told = {provider: tuple(re.findall(r"`(\w+)`", names)) for provider, names in rows}
    assert told == {str(sdk): environment._TABLE[sdk].names for sdk in Sdk}


@pytest.mark.parametrize(
    "name",
    [
        *transparent._TRUST_VARIABLES,
        group.INJECT_LABEL,
        group.ROUTE_LABEL,
        group.CONTAINERS_ANNOTATION,
        group.MEMORY_ANNOTATION,
        group.CPU_ANNOTATION,
        group.INTERCEPTION_CA_SECRET,
        f"port {group.TLS_PORT}",
        str(group.ADMIN_PORT),
    ],
)
def test_how_injection_decides_names_what_injection_uses(name: str) -> None:
    assert name in page("concepts/injection.md")


def test_every_example_is_linked_from_the_first_route() -> None:
    assert [file.name for file in EXAMPLES if f"(../../examples/kubernetes/{file.name})" not in _first_route()] == []


def _first_route() -> str:
    return page("how-to/first-route.md")


@pytest.mark.parametrize("name", ["how-to/install.md", "how-to/uninstall.md"])
def test_every_value_that_a_page_sets_is_one_of_the_chart(name: str) -> None:
    values = yaml.safe_load((ROOT / "charts" / "cachedistill" / "values.yaml").read_text("utf8"))
    named = re.findall(r"--set ([\w.]+)=", page(name)) + re.findall(r"`(crds\.\w+|webhook\.[\w.]+)", page(name))
    assert named
    assert [path for path in named if not _has(values, path)] == []


def _has(values: Any, path: str) -> bool:
    for step in path.split("."):
        if not isinstance(values, dict) or step not in values:
            return False
        values = values[step]
    return True


def test_every_resource_and_short_name_that_a_page_asks_kubectl_for_is_known() -> None:
    known = {each for kind in crd.KINDS for each in (kind.plural, kind.short_name, kind.name.lower())}
    for name in ("how-to/first-route.md", "how-to/uninstall.md", "how-to/troubleshoot-on-kubernetes.md"):
        asked = re.findall(
            r"kubectl (?:get|delete|describe) ((?:semcache|semantic|mroute|modelroute)[\w,]*)", page(name)
        )
        assert {word for words in asked for word in words.split(",")} <= known
