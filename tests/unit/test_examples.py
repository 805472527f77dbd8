"""The example route documents are what the docs say they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachedistill_sidecar.route_parsing import parse

ROOT = Path(__file__).parents[2]
ROUTES = sorted((ROOT / "examples" / "routes").glob("*.json"))


@pytest.mark.parametrize("file", ROUTES, ids=lambda file: file.stem)
def test_an_example_is_a_route_document_named_like_its_file(file: Path) -> None:
    assert parse(file.read_bytes()).name == file.stem


def test_the_how_to_links_every_example() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-route-document.md").read_text("utf8")
    assert ROUTES
    assert [file.name for file in ROUTES if f"(../../examples/routes/{file.name})" not in page] == []
