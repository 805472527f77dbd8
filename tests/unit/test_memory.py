"""What a process does about its memory once it has started."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from cachedistill_operator import memory


@pytest.fixture
def thawed() -> Iterator[None]:
    """The collector as it was, afterwards."""
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_a_process_has_at_its_start_is_not_collected_through_again() -> None:
    memory.settle()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 10_000
