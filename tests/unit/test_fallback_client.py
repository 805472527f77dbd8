"""What goes to a fallback and what comes of its headers: the pure parts of the client."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from cachedistill_sidecar.fallback.client import endpoint_url, forwarded, retry_after
from cachedistill_sidecar.path.respond import pieces

HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
]


@pytest.mark.parametrize("name", [*HOP_BY_HOP, "Host", "X-CacheDistill-Debug", "Named-One", "named-two"])
def test_headers_of_one_connection_go_no_further(name: str) -> None:
    headers = CIMultiDict({"Connection": "named-one, Named-Two", name: "1", "X-Kept": "2"})
    assert dict(forwarded(headers)) == {"X-Kept": "2"}


def test_other_headers_keep_their_order_their_case_and_their_duplicates() -> None:
    lines = [("X-One", "1"), ("accept", "a"), ("X-one", "2"), ("Trailer", "x"), ("Accept", "b")]
    assert list(forwarded(CIMultiDict(lines)).items()) == lines


def test_every_line_of_connection_counts() -> None:
    headers = CIMultiDict([("Connection", "x-one"), ("Connection", "x-two"), ("X-One", "1"), ("X-Two", "2")])
    assert not forwarded(headers)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "-5"}, 0.0),
        ({"retry-after": formatdate(0)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(CIMultiDict(headers)) == seconds


def test_a_date_to_come_back_is_so_many_seconds_away() -> None:
    wait = retry_after(CIMultiDict({"retry-after": formatdate(time.time() + 100)}))
    assert wait is not None
    assert 90 < wait <= 100


@given(st.text(st.characters(codec="latin-1"), max_size=20), st.sampled_from(["retry-after", "retry-after-ms"]))
def test_whatever_the_header_says_is_no_fault(value: str, name: str) -> None:
    wait = retry_after(CIMultiDict({name: value}))
    assert wait is None or 0 <= wait < float("inf")


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://api.openai.com", "/v1/models?a=%2F", "https://api.openai.com/v1/models?a=%2F"),
        ("https://api.openai.com/v1", "/v1/models", "https://api.openai.com/v1/models"),
        ("http://h/proxy/openai", "/v1/models", "http://h/proxy/openai/v1/models"),
        ("http://h/proxy/v1", "/v1/models", "http://h/proxy/v1/models"),
        ("http://h/v1", "/api/chat", "http://h/v1/api/chat"),
    ],
)
def test_a_base_url_may_or_may_not_end_in_v1(base: str, path: str, url: str) -> None:
    assert str(endpoint_url(base, path)) == url


@given(st.text(max_size=60), st.integers(1, 20))
def test_the_pieces_of_a_text_join_to_it(text: str, words: int) -> None:
    cut = pieces(text, words)
    assert "".join(cut) == text
    assert all(len(piece.split()) <= words for piece in cut)
