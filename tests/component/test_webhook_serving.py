"""The webhook's listener: certificates come and change while it serves."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cachedistill_operator.certificates.authority import Pair, expiry, issue, make_authority
from cachedistill_operator.webhook.review import BadReview
from cachedistill_operator.webhook.server import serve
from cachedistill_operator.webhook.serving import ServingContext

NOW = datetime.now(UTC).replace(microsecond=0)
Call = Callable[[Pair], Any]


class Echo:
    """Stands in for the reviewer."""

    async def review(self, body: bytes) -> dict[str, Any]:
        if body == b"bad":
            raise BadReview("not JSON: bad")
        return {"told": body.decode()}


def write(folder: Path, pair: Pair) -> None:
    (folder / "tls.crt").write_text(pair.certificate, "ascii")
    (folder / "tls.key").write_text(pair.key, "ascii")


def leaf(authority: Pair) -> Pair:
    return issue(authority, ["127.0.0.1"], NOW)


@pytest.fixture
def serving(tmp_path: Path) -> ServingContext:
    return ServingContext(tmp_path)


@pytest.fixture
async def url(serving: ServingContext) -> AsyncIterator[str]:
    async with serve(Echo(), serving, 0) as port:  # type: ignore[arg-type]
        yield f"https://127.0.0.1:{port}/inject"


@pytest.fixture
async def client() -> AsyncIterator[Callable[[Pair], aiohttp.ClientSession]]:
    async with AsyncExitStack() as stack:
        sessions: list[aiohttp.ClientSession] = []

        def make(authority: Pair) -> aiohttp.ClientSession:
            context = ssl.create_default_context(cadata=authority.certificate)
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)))
            stack.push_async_callback(sessions[-1].close)
            return sessions[-1]

        yield make


async def told(session: aiohttp.ClientSession, url: str, body: bytes = b"x") -> tuple[int, Any]:
    async with session.post(url, data=body) as answer:
        return answer.status, await answer.json()


async def test_before_there_is_a_certificate_handshakes_fail_and_then_they_do_not(
    serving: ServingContext, url: str, client: Call, tmp_path: Path
) -> None:
    authority = make_authority("test", NOW)
    serving.look()
    assert not serving.loaded.is_set()
    with pytest.raises(aiohttp.ClientConnectorError):
        await told(client(authority), url)
    write(tmp_path, leaf(authority))
    serving.look()
    assert serving.loaded.is_set()
    assert await told(client(authority), url) == (200, {"told": "x"})


async def test_a_new_certificate_is_shown_to_new_connections_and_open_ones_go_on(
    serving: ServingContext, url: str, client: Call, tmp_path: Path
) -> None:
    old, new = make_authority("test", NOW), make_authority("test", NOW)
    write(tmp_path, leaf(old))
    serving.look()
    before = client(old)
    assert (await told(before, url))[0] == 200
    write(tmp_path, leaf(new))
    serving.look()
    assert (await told(client(new), url))[0] == 200
    assert (await told(before, url))[0] == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await told(client(old), url)


@pytest.mark.parametrize("broken", ["other key", "no certificate", "gone"])
async def test_files_that_do_not_fit_change_nothing(
    serving: ServingContext, url: str, client: Call, tmp_path: Path, broken: str
) -> None:
    authority = make_authority("test", NOW)
    good = leaf(authority)
    write(tmp_path, good)
    serving.look()
    match broken:
        case "other key":
            write(tmp_path, Pair(leaf(authority).certificate, good.key))
        case "no certificate":
            (tmp_path / "tls.crt").write_text("nothing", "ascii")
        case _:
            (tmp_path / "tls.crt").unlink()
    serving.look()
    assert (await told(client(authority), url))[0] == 200
    write(tmp_path, leaf(authority))
    serving.look()
    assert (await told(client(authority), url))[0] == 200


async def test_it_knows_when_its_certificate_ends(serving: ServingContext, tmp_path: Path) -> None:
    pair = leaf(make_authority("test", NOW))
    write(tmp_path, pair)
    serving.look()
    assert serving.expiry == expiry(pair.certificate).timestamp()


async def test_a_bad_review_is_answered_400_with_what_is_wrong(
    serving: ServingContext, url: str, client: Call, tmp_path: Path
) -> None:
    authority = make_authority("test", NOW)
    write(tmp_path, leaf(authority))
    serving.look()
    assert await told(client(authority), url, b"bad") == (400, {"error": "not JSON: bad"})
