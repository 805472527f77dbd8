"""Whether two JSON documents hold the same: in structure and values exactly, in prose as a judge of prose sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cachedistill_sidecar.policy.judgement.opinion import Opinion


def judge_data(left: Any, right: Any, judge_text: Callable[[str, str], Opinion]) -> Opinion:
    """Objects whatever the order of their keys, arrays in theirs, 4 like 4.0, true never like 1."""
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        return _least(judge_data(left[key], right[key], judge_text) for key in left)
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return _least(judge_data(one, other, judge_text) for one, other in zip(left, right, strict=True))
    if isinstance(left, str) and isinstance(right, str):
        return judge_text(left, right)
    equal = left == right and isinstance(left, bool) == isinstance(right, bool)
    return Opinion.SAME if equal else Opinion.DIFFERENT


def _least(opinions: Iterable[Opinion]) -> Opinion:
    """The opinion on the whole: one part that differs makes it another answer."""
    found = set(opinions)
    return next((each for each in (Opinion.DIFFERENT, Opinion.UNDECIDED) if each in found), Opinion.SAME)
