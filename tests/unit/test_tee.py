"""Reading an answer along: from whatever bytes pass by comes the answer, or none."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.dialects.openai_chat import OPENAI_CHAT
from cachedistill_sidecar.exchange import Answer, FinishReason, Operation, Query
from cachedistill_sidecar.streaming.tee import Tee

ANSWER = Answer("id", "gpt-4o", 1, "Yes, it does.", FinishReason.STOP)
QUERY = Query(Operation.CHAT, "gpt-4o", "Does it?", b"")
WHOLE = orjson.dumps(OPENAI_CHAT.render(ANSWER, QUERY))
STREAM = b"".join(OPENAI_CHAT.render_stream(ANSWER, QUERY, ["Yes,", " it", " does."]))
KINDS = {"application/json": WHOLE, "text/event-stream; charset=utf-8": STREAM}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": lambda data: zlib.compress(data, wbits=31),
    "deflate": zlib.compress,
}


def read(content_type: str, encoding: str, data: bytes, borders: list[int], limit: int = 10_000) -> Answer | None:
    tee = Tee(OPENAI_CHAT, content_type, encoding, limit)
    cuts = [0, *sorted(border % (len(data) + 1) for border in borders), len(data)]
    for start, end in pairwise(cuts):
        tee.feed(data[start:end])
    return tee.close()


@given(st.sampled_from(list(KINDS)), st.sampled_from(list(PACKERS)), st.lists(st.integers(0, 5000), max_size=8))
def test_an_answer_is_read_wherever_its_bytes_are_cut_and_however_they_are_packed(
    kind: str, encoding: str, borders: list[int]
) -> None:
    answer = read(kind, encoding, PACKERS[encoding](KINDS[kind]), borders)
    assert answer is not None
    assert (answer.text, answer.finish_reason, answer.id) == (ANSWER.text, FinishReason.STOP, "id")


@given(st.sampled_from(list(KINDS)), st.sampled_from(["", "gzip"]), st.data())
def test_an_answer_that_lacks_its_end_is_none(kind: str, encoding: str, data: st.DataObject) -> None:
    packed = PACKERS[encoding](KINDS[kind])
    # OpenAI's finish reason comes before [DONE]: without that a stream has told all there is.
    lacking = len(b"data: [DONE]\n\n") if kind != "application/json" and not encoding else 0
    end = data.draw(st.integers(0, len(packed) - 1 - lacking))
    answer = read(kind, encoding, packed[:end], [])
    assert answer is None or answer.text == ANSWER.text


@given(st.sampled_from(list(KINDS)), st.sampled_from(["", "gzip", "deflate"]), st.binary(max_size=300))
def test_whatever_comes_is_no_fault(kind: str, encoding: str, junk: bytes) -> None:
    assert read(kind, encoding, junk, [3]) is None


def test_an_encoding_that_is_not_known_is_not_read() -> None:
    assert read("application/json", "br", WHOLE, []) is None


def test_a_document_beyond_the_limit_is_not_read() -> None:
    assert read("application/json", "", WHOLE, [10], limit=len(WHOLE)) is not None
    assert read("application/json", "", WHOLE, [10], limit=len(WHOLE) - 1) is None
    assert read("application/json", "gzip", zlib.compress(b" " * 10_000_000, wbits=31), []) is None


def test_the_text_so_far_is_known_while_a_stream_goes_on() -> None:
    tee = Tee(OPENAI_CHAT, "text/event-stream", "", 10_000)
    events = STREAM.split(b"\n\n")
    tee.feed(b"\n\n".join(events[:3]) + b"\n\n")
    assert tee.text_so_far == "Yes, it"


@pytest.mark.parametrize("error", [b'{"error": {"message": "no"}}', b"[]", b"null", b'{"choices": []}'])
def test_another_document_is_no_answer(error: bytes) -> None:
    assert read("application/json", "", error, []) is None
