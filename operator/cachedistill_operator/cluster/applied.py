"""Server-side apply, left out where the cluster already has what is wanted."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from cachedistill_operator.api.group import GROUP
from cachedistill_operator.cluster.client import Client

APPLIED_ANNOTATION = f"{GROUP}/applied"
"""On our children: the digest of the manifest, by which a field that it has lost since is noticed."""


class Applied:
    """Applies manifests; an object that has all of a manifest already costs a read, and no write."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._as_is: dict[tuple[str, str], str] = {}

    async def ensure(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The live object, after it has been made to hold the manifest. Raises ApiError."""
        meta = manifest["metadata"]
        digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        live = await self._client.get(manifest["apiVersion"], manifest["kind"], meta["name"], meta.get("namespace"))
        if live is not None and self._holds(live, manifest, digest):
            return live
        annotations = {**meta.get("annotations", {}), APPLIED_ANNOTATION: digest}
        live = await self._client.apply({**manifest, "metadata": {**meta, "annotations": annotations}})
        # The API server may spell a value otherwise (1000m as 1): what it made of this manifest holds it.
        self._as_is[live["metadata"]["uid"], digest] = live["metadata"]["resourceVersion"]
        return live

    def _holds(self, live: dict[str, Any], manifest: dict[str, Any], digest: str) -> bool:
        meta = live["metadata"]
        if meta.get("annotations", {}).get(APPLIED_ANNOTATION) != digest:
            return False
        return self._as_is.get((meta["uid"], digest)) == meta["resourceVersion"] or covers(live, manifest)


def covers(live: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; maps may hold more, lists may not.

    An element of a list that is a map may hold more too: the API server fills defaults in.
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            (key in live and covers(live[key], value)) or (key not in live and value in ({}, [], None))
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(covers, live, wanted))
    return bool(live == wanted)
