"""JSON patch (RFC 6902) of what injection added."""

from __future__ import annotations

from typing import Any


def additions(old: Any, new: Any, path: str = "") -> list[dict[str, Any]]:
    """The operations that turn one JSON value into another which has all of it and more.

    Lists element by element: each of the old ones is found again by its `name`, or else its equality, in the same
    order. So what other webhooks added stays where it is.
    """
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return _in_object(old, new, path)
    if isinstance(old, list) and isinstance(new, list):
        return _in_list(old, new, path)
    return [{"op": "replace", "path": path, "value": new}]


def _in_object(old: dict[str, Any], new: dict[str, Any], path: str) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    for key, value in new.items():
        where = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if old.get(key) is None:
            operations.append({"op": "add", "path": where, "value": value})
        else:
            operations += additions(old[key], value, where)
    return operations


def _in_list(old: list[Any], new: list[Any], path: str) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    rest = iter(old)
    awaited = next(rest, None)
    for index, value in enumerate(new):
        where = f"{path}/{index}"
        if awaited is not None and _same(awaited, value):
            operations += additions(awaited, value, where)
            awaited = next(rest, None)
        else:
            operations.append({"op": "add", "path": where, "value": value})
    if awaited is not None:
        raise ValueError(f"{path}: an element was removed or moved; injection only adds")
    return operations


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict) and "name" in old and "name" in new:
        return bool(old["name"] == new["name"])
    return bool(old == new)
