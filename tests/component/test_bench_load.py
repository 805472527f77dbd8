"""The load client tells the truth: whole answers, first bytes, decisions, and failures."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bench.load import Client
from tests.running import Running
from tests.upstream import Upstream


@pytest.fixture
def provider() -> Iterator[Upstream]:
    with Running(Upstream) as running:
        yield running


@pytest.fixture
def client(provider: Upstream) -> Iterator[Client]:
    made = Client(provider.url, connections=2)
    yield made
    made.close()


def test_each_call_is_made_once_and_has_one_reply(client: Client, provider: Upstream) -> None:
    done = client.run(client.chat(f"question {number}") for number in range(40))
    assert len(done.replies) == 40
    assert done.errors == 0
    asked = [call.body for call in provider.calls]
    assert len(set(asked)) == 40


def test_the_first_byte_of_a_slow_stream_comes_long_before_its_last(client: Client) -> None:
    def spread(pace: str) -> float:
        (reply,) = client.run([client.chat("a question", stream=True, headers={"x-upstream-pace": pace})]).replies
        assert reply.sent < reply.first
        return reply.done - reply.first

    assert spread("5,5") > spread("5,0")


def test_an_error_of_the_provider_is_an_error_of_the_app(client: Client) -> None:
    done = client.run([client.chat("no", headers={"x-upstream-fail": "500"})])
    assert done.errors == 1


@pytest.mark.parametrize("mode", ["cut", "cut-before"])
def test_an_answer_that_breaks_off_is_an_error_and_the_next_call_is_none(client: Client, mode: str) -> None:
    for stream in (False, True):
        broken = client.run([client.chat("no", stream=stream, headers={"x-upstream-fail": mode})])
        assert [reply.status for reply in broken.replies] == [0]
    assert client.run([client.chat("yes")] * 4).errors == 0


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    with Running(Upstream) as first:
        client = Client(first.url)
        client.run([client.chat("one")])
        port = int(first.url.rpartition(":")[2])
    with Running(lambda: Upstream(port=port)):
        assert client.run([client.chat("two")]).errors == 0
    client.close()


def test_a_server_that_is_not_there_costs_errors_and_not_forever() -> None:
    with Running(Upstream) as gone:
        url = gone.url
    client = Client(url)
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(client.run([client.chat("x")] * 3).errors))
    thread.start()
    thread.join(timeout=30)
    assert done == [3]
