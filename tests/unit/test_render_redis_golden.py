"""The manifests of a managed Redis are what the golden files say."""

from __future__ import annotations

import pytest

from tests.golden.redis import Case, cases


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.folder.name)
def test_the_manifests_are_those_that_were_reviewed(case: Case) -> None:
    assert case.told() == case.written()
