"""Secrets as manifests, and back."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any


def secret(metadata: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A Secret. Under `data`: a server-side apply of `stringData` would never take a key away again."""
    data = {name: b64encode(value.encode()).decode() for name, value in sorted(values.items())}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def values(live: Mapping[str, Any] | None) -> dict[str, str]:
    """What a Secret of the cluster holds; nothing when there is none. Raises ValueError when it isn't UTF-8."""
    return {name: b64decode(value).decode() for name, value in ((live or {}).get("data") or {}).items()}
