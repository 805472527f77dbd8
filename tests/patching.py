"""RFC 6902 as the API server applies it, as far as a webhook of ours uses it."""

from __future__ import annotations

import copy
from typing import Any


def patched(value: Any, operations: list[dict[str, Any]]) -> Any:
    """The value after the operations: add (which inserts into lists) and replace."""
    root = {"": copy.deepcopy(value)}
    for operation in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")]
        target: Any = root
        for part in parts[:-1]:
            target = target[int(part)] if isinstance(target, list) else target[part]
        last = parts[-1]
        if isinstance(target, list):
            if operation["op"] == "add":
                target.insert(int(last), operation["value"])
            else:
                target[int(last)] = operation["value"]
        else:
            if operation["op"] == "replace" and last not in target:
                raise KeyError(operation["path"])
            target[last] = operation["value"]
    return root[""]
