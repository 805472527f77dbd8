"""The upstream in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType

from tests.upstream.journal import Call
from tests.upstream.pace import Pace
from tests.upstream.server import Upstream


class UpstreamThread:
    """`Upstream` as a plain context manager: `with UpstreamThread(...) as up`, with the same arguments and methods."""

    def __init__(
        self,
        groups: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        *,
        require_key: bool = False,
        port: int = 0,
    ) -> None:
        self._upstream = Upstream(groups, answers, pace, require_key=require_key, port=port)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    def __enter__(self) -> UpstreamThread:
        self._thread.start()
        self._ready.wait()
        if self._failed:
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return self._upstream.url

    @property
    def calls(self) -> list[Call]:
        return self._upstream.calls

    def group_of(self, text: str) -> str:
        return self._upstream.group_of(text)

    def fail(self, mode: str, times: int = 1, match: str | None = None) -> None:
        self._upstream.fail(mode, times, match)

    def reset(self) -> None:
        self._upstream.reset()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            async with self._upstream:
                self._ready.set()
                await self._stop.wait()
        except BaseException as error:
            self._failed = error
            raise
        finally:
            self._ready.set()
