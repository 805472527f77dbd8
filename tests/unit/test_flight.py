"""A flight hands all of an answer to everybody who reads it, and goes on as long as anybody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from multidict import CIMultiDict

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Answer, FinishReason
from cachedistill_sidecar.fallback.client import FallbackFailed
from cachedistill_sidecar.route_document import Endpoint, Fallback, Provider
from cachedistill_sidecar.streaming.flight import Flight, FlightFailed, Landing

ANSWER = Answer("id", "gpt-4o", 1, "Yes.", FinishReason.STOP)
FALLBACK = Fallback(name="cloud", endpoint=Endpoint(url="http://h", dialect=Provider.OPENAI))
MEGABYTE = b"x" * (1 << 20)


def landing(status: int = 200) -> Landing:
    return Landing(status, CIMultiDict(), FALLBACK)


def flying(work: Callable[[Flight], Awaitable[None]], keep_bytes: int = 1000) -> Flight:
    """A flight whose task does `work` with it."""
    flight = Flight(owner=object(), wire=None, keep_bytes=keep_bytes)

    async def fly() -> None:
        await work(flight)

    flight.task = asyncio.create_task(fly())
    return flight


async def read(flight: Flight) -> bytes:
    with flight.reading():
        return b"".join([chunk async for chunk in flight.chunks()])


async def publish(flight: Flight, *chunks: bytes) -> None:
    for chunk in chunks:
        await flight.publish(chunk)
        await asyncio.sleep(0)
    flight.end()


async def test_every_reader_gets_all_chunks_from_the_first_whenever_it_comes() -> None:
    flight = flying(lambda flight: publish(flight, b"a", b"b", b"c"))
    early = asyncio.create_task(read(flight))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(read(flight))
    assert await early == await late == b"abc"
    assert await read(flight) == b"abc"


async def test_readers_of_a_flight_that_fails_get_what_came_and_then_the_failure() -> None:
    async def fail(flight: Flight) -> None:
        await flight.publish(b"a")
        flight.end(FallbackFailed(Reason.CUT, "broke off", sent=True))

    flight = flying(fail)
    got: list[bytes] = []

    async def take() -> None:
        async for chunk in flight.chunks():
            got.append(chunk)

    with flight.reading(), pytest.raises(FlightFailed) as failed:
        await take()
    assert got == [b"a"]
    assert isinstance(failed.value.__cause__, FallbackFailed)
    assert not flight.joinable
    assert await flight.whole() is None


async def test_when_the_last_reader_leaves_the_flight_is_cancelled() -> None:
    flight = flying(lambda _flight: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
    first, second = asyncio.create_task(read(flight)), asyncio.create_task(read(flight))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert flight.task is not None
    assert not flight.task.cancelling()
    assert flight.joinable
    second.cancel()
    await asyncio.wait([second])
    assert flight.task.cancelling()
    assert not flight.joinable


async def test_a_flight_that_is_to_finish_goes_on_without_readers() -> None:
    flight = flying(lambda flight: publish(flight, *[MEGABYTE] * 4))
    flight.finish_unread = True
    reader = asyncio.create_task(read(flight))
    await asyncio.sleep(0)
    reader.cancel()
    assert flight.task is not None
    async with asyncio.timeout(5):
        await flight.task


async def test_an_error_cant_be_joined() -> None:
    flight = flying(publish)
    flight.land(landing(429))
    assert not flight.joinable


async def test_a_flight_that_has_grown_beyond_what_is_kept_cant_be_joined() -> None:
    flight = flying(lambda flight: publish(flight, b"x" * 10), keep_bytes=9)
    assert flight.joinable
    assert await read(flight) == b"x" * 10
    assert not flight.joinable


async def test_a_flight_that_keeps_nothing_cant_be_joined() -> None:
    assert not Flight(owner=object(), wire=None, keep_bytes=0).joinable


async def test_the_fallback_waits_for_a_client_that_reads_slowly() -> None:
    published = 0

    async def fly(flight: Flight) -> None:
        nonlocal published
        for _ in range(10):
            await flight.publish(MEGABYTE)
            published += 1
        flight.end()

    flight = flying(fly)
    with flight.reading():
        chunks = flight.chunks()
        await anext(chunks)
        await asyncio.sleep(0.01)
        assert published < 4
        rest = [chunk async for chunk in chunks]
    assert len(rest) == 9


async def test_those_who_wait_for_the_whole_answer_hold_nothing_up() -> None:
    async def fly(flight: Flight) -> None:
        await publish(flight, *[MEGABYTE] * 4)
        flight.answer = ANSWER

    flight = flying(fly)
    leader = asyncio.create_task(read(flight))
    with flight.reading():
        leader.cancel()
        async with asyncio.timeout(5):
            assert await flight.whole() is ANSWER


async def test_a_failure_before_the_head_reaches_those_who_wait_for_it() -> None:
    async def fail(flight: Flight) -> None:
        flight.end(FallbackFailed(Reason.TIMEOUT, "too late", sent=True))

    flight = flying(fail)
    with pytest.raises(FallbackFailed, match="too late"):
        await flight.head()
