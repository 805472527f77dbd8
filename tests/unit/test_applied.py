from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.cluster.applied import covers


@pytest.mark.parametrize(
    ("live", "wanted", "holds"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        ({"a": {"b": 1, "defaulted": 3}}, {"a": {"b": 1}}, True),
        ({"list": [{"name": "x", "defaulted": 1}]}, {"list": [{"name": "x"}]}, True),
        ({"list": [1, 2]}, {"list": [1]}, False),
        ({"list": [1]}, {"list": [1, 2]}, False),
        ({}, {"empty": {}, "none": None, "list": []}, True),
        ({"a": "1"}, {"a": 1}, False),
    ],
)
def test_a_live_object_holds_a_manifest_when_nothing_wanted_is_missing(
    live: dict[str, Any], wanted: dict[str, Any], holds: bool
) -> None:
    assert covers(live, wanted) is holds
