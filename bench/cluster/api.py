"""The API server as the benchmark's own client: the operator's, as admin, and what that one has no need of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import orjson
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from cachedistill_operator.cluster.client import ApiError, Client

Resource = dict[str, Any]

_SECONDS = 60.0


class Admin(Client):
    """Everything that the operator's client can, and watches, and calls to a pod's port."""

    @classmethod
    async def of(cls, kubeconfig: Path) -> Self:
        """As whoever the file names."""
        settings = Configuration()
        await config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
        settings.connection_pool_maxsize = 100
        return cls(ApiClient(settings), "bench")

    @asynccontextmanager
    async def watching(self, path: str) -> AsyncIterator[Watch]:
        """Hear of all objects of a list, such as `/api/v1/pods`, from now on. Raises ApiError."""
        listed = await self._call("GET", path, {"limit": "1"})
        since = listed["metadata"]["resourceVersion"]
        response = await self._get(f"{path}?watch=true&resourceVersion={since}", seconds=600.0)
        watch = Watch()
        reading = asyncio.create_task(watch.read(response))
        try:
            yield watch
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            response.close()

    async def of_pod(self, namespace: str, name: str, port: int, path: str) -> bytes:
        """What a pod answers at a port, by way of the API server. Raises ApiError."""
        pod = quote(f"{name}:{port}", safe="")
        response = await self._get(f"/api/v1/namespaces/{namespace}/pods/{pod}/proxy{path}", seconds=5.0)
        data: bytes = await response.read()
        if response.status != 200:
            raise ApiError(response.status, "Proxy", data[:200].decode("utf8", "replace"))
        return data

    async def _get(self, path: str, *, seconds: float) -> Any:
        # The library's own type has a limit on a line's length; this is what it wraps.
        request = await self._api.param_serialize("GET", path, auth_settings=["BearerToken"])
        answered = await self._api.call_api(*request, _request_timeout=seconds)
        return answered.response


async def until(holds: Callable[[], Awaitable[bool]], every: float = 0.05) -> None:
    """Ask again and again whether something holds. Raises TimeoutError."""
    async with asyncio.timeout(_SECONDS):
        while True:
            if await holds():
                return
            await asyncio.sleep(every)


class Watch:
    """The newest of each object that was heard of, and who waits for one."""

    def __init__(self) -> None:
        self.objects: dict[str, Resource] = {}
        self._changed = asyncio.Event()

    async def read(self, response: Any) -> None:
        """Take in what comes, until cancelled."""
        rest = b""
        async for data in response.content.iter_any():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                event = orjson.loads(line)
                name = event["object"]["metadata"].get("name", "")
                if event["type"] == "DELETED":
                    self.objects.pop(name, None)
                else:
                    self.objects[name] = event["object"]
            self._changed.set()

    async def until(self, holds: Callable[[dict[str, Resource]], bool]) -> None:
        """Wait until something holds of the objects by name. Raises TimeoutError."""
        async with asyncio.timeout(_SECONDS):
            while not holds(self.objects):
                self._changed.clear()
                await self._changed.wait()
