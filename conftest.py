"""Which tests share a process, when there is more than one: those in a cluster do, and those of one file."""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).parent
# What these tests start has ports, names or files of its own.
_TOGETHER = ("e2e", "tests/component/cli", "tests/component/interception")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A group a test, for pytest-xdist."""
    for item in items:
        place = item.path.relative_to(_ROOT).as_posix()
        group = next((folder for folder in _TOGETHER if place.startswith(f"{folder}/")), place)
        item.add_marker(pytest.mark.xdist_group(group))
