"""A webhook of kopf whose handler does nothing: what any webhook made with it costs at the least.

`python -m bench.cluster.empty_kopf PORT FOLDER`: FOLDER has tls.crt and tls.key; KUBECONFIG names the API server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import kopf
import uvloop

REGISTRY = kopf.OperatorRegistry()


@kopf.on.startup(registry=REGISTRY)
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        port=port,
        certfile=folder / "tls.crt",
        pkeyfile=folder / "tls.key",
        cafile=folder / "ca.crt",
    )
    settings.posting.enabled = False


@kopf.on.login(registry=REGISTRY)
async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_kubeconfig(**arguments)


@kopf.on.mutate("v1", "pods", id="empty", registry=REGISTRY)
async def nothing(**_: Any) -> None:
    """Let the pod pass as it is."""


if __name__ == "__main__":
    uvloop.run(kopf.operator(registry=REGISTRY, clusterwide=True, standalone=True))
