"""Decoders give the same events wherever the network cuts the bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.streaming import Decoder, LineDecoder, SseDecoder


def decoded(decoder: Decoder, chunks: list[bytes]) -> list[bytes]:
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.close()


def cut(data: bytes, borders: list[int]) -> list[bytes]:
    ends = sorted(border % (len(data) + 1) for border in borders)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


ENDS = st.sampled_from(["\n", "\r", "\r\n"])
SSE_LINES = st.sampled_from(
    [
        "",
        "",
        "data: one",
        "data:two",
        "data",
        "data: ",
        "data:  two spaces",
        ": a comment",
        "event: x",
        "id: 1",
        "data: Zürich 東京 🗼",
        "datax: no",
        "retry: 10",
    ]
)
BORDERS = st.lists(st.integers(0, 1000), max_size=12)


@given(st.lists(st.tuples(SSE_LINES, ENDS), max_size=20), BORDERS)
def test_server_sent_events_do_not_depend_on_where_the_bytes_are_cut(
    lines: list[tuple[str, str]], borders: list[int]
) -> None:
    data = "".join(line + end for line, end in lines).encode()
    assert decoded(SseDecoder(), cut(data, borders)) == decoded(SseDecoder(), [data])


@given(st.lists(st.tuples(SSE_LINES, ENDS), max_size=20), BORDERS)
def test_the_kind_of_line_end_does_not_matter(lines: list[tuple[str, str]], borders: list[int]) -> None:
    # A CR before an LF is one line end; an empty line between them would make it two.
    data = "".join(line + end for line, end in lines).replace("\r\n", "\n").replace("\r", "\n").encode()
    expected = decoded(SseDecoder(), [data])
    for end in (b"\r", b"\r\n"):
        assert decoded(SseDecoder(), cut(data.replace(b"\n", end), borders)) == expected


@given(st.lists(st.sampled_from(['{"a":1}', '{"b":"東京 🗼"}', "", " ", '{"c":"\\n"}']), max_size=20), BORDERS)
def test_lines_do_not_depend_on_where_the_bytes_are_cut(lines: list[str], borders: list[int]) -> None:
    data = "\n".join(lines).encode()
    whole = [line.encode() for line in lines if line.strip()]
    assert decoded(LineDecoder(), cut(data, borders)) == whole


def test_an_event_ends_with_a_blank_line() -> None:
    assert decoded(SseDecoder(), [b"data: one\n\ndata: two\n"]) == [b"one"]


def test_lines_of_data_are_joined() -> None:
    assert decoded(SseDecoder(), [b"data: one\ndata: two\n\n"]) == [b"one\ntwo"]


def test_comments_and_other_fields_are_no_data() -> None:
    assert decoded(SseDecoder(), [b": ping\n\nevent: x\nid: 3\ndata: one\n: more\n\n"]) == [b"one"]


def test_one_space_after_the_colon_is_dropped() -> None:
    assert decoded(SseDecoder(), [b"data:one\n\ndata:  one\n\n"]) == [b"one", b" one"]


def test_a_byte_order_mark_before_the_first_event_is_dropped() -> None:
    assert decoded(SseDecoder(), [b"\xef\xbb", b"\xbfdata: one\n\n"]) == [b"one"]


def test_a_carriage_return_at_the_very_end_closes_the_last_event() -> None:
    assert decoded(SseDecoder(), [b"data: one\r\r"]) == [b"one"]


def test_an_event_comes_out_with_the_chunk_that_completes_it() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: one\n") == []
    assert decoder.feed(b"\n") == [b"one"]


def test_a_last_line_without_its_end_comes_out_at_the_close() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b'{"a":1}\n{"b"') == [b'{"a":1}']
    assert decoder.feed(b":2}") == []
    assert decoder.close() == [b'{"b":2}']


@pytest.mark.parametrize("decoder", [SseDecoder, LineDecoder])
def test_nothing_comes_out_of_an_empty_stream(decoder: Callable[[], Decoder]) -> None:
    assert decoded(decoder(), [b""]) == []
