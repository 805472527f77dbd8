"""What every dialect can do. One instance a dialect, without state; stream parsers hold the state of one stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import orjson
from multidict import MultiMapping

from cachedistill_sidecar.exchange import Answer, Operation, Query
from cachedistill_sidecar.route_document import Provider
from cachedistill_sidecar.streaming import Decoder, SseDecoder

Json = dict[str, Any]
Head = Mapping[str, str]
"""Request headers, looked up without regard to case."""


class NotUnderstood(ValueError):
    """A body that is not what the dialect's API document says; the provider must judge it."""


class StreamParser(Protocol):
    """Puts one streamed answer together, event by event."""

    def feed(self, data: bytes) -> None:
        """Take the data of one event. Raises NotUnderstood when it isn't the dialect's."""

    @property
    def answer(self) -> Answer | None:
        """The whole answer, once the terminal event is in; None before that, and when the stream ends in an error."""

    @property
    def text_so_far(self) -> str:
        """The text received up to now, for counting tokens of a stream that breaks off."""


class Dialect(ABC):
    """A provider's wire format for one operation."""

    name: ClassVar[str]
    provider: ClassVar[Provider]
    operation: ClassVar[Operation]
    gen_ai_provider: ClassVar[str]
    """`gen_ai.provider.name` of the GenAI conventions."""
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    request_id_header: ClassVar[str] = "x-request-id"
    """Where SDKs look for the id to quote to support."""

    @abstractmethod
    def matches(self, path: str) -> bool:
        """Whether a POST to this path speaks this dialect."""

    @abstractmethod
    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        """The neutral form of a request. Raises NotUnderstood."""

    @abstractmethod
    def answer(self, body: Json) -> Answer:
        """The neutral form of a whole (not streamed) answer. Raises NotUnderstood."""

    def decoder(self) -> Decoder:
        """Cuts this dialect's streams into events."""
        return SseDecoder()

    @abstractmethod
    def stream_parser(self) -> StreamParser:
        """A parser for one streamed answer."""

    @abstractmethod
    def render(self, answer: Answer, query: Query) -> Json:
        """The whole answer as this dialect's JSON."""

    @abstractmethod
    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        """The answer as this dialect streams it; `pieces` is the text, cut, and joins to `answer.text`."""

    @abstractmethod
    def error(self, status: int, message: str) -> Json:
        """This dialect's error body for an HTTP status."""

    def with_model(self, body: Json, path: str, model: str) -> tuple[Json, str]:
        """The request's body and path, asking for another model."""
        return {**body, "model": model}, path


def canonical(*parts: Any) -> bytes:
    """One byte string for equal JSON values whatever the order of their fields; different ones for different values.

    Raises NotUnderstood for what has no JSON form, such as nesting beyond 254 levels.
    """
    try:
        return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise NotUnderstood("the request can't be put into canonical form") from error


def sse(data: Json, event: str | None = None) -> bytes:
    """One server-sent event with JSON data."""
    line = b"data: " + orjson.dumps(data) + b"\n\n"
    return line if event is None else b"event: " + event.encode() + b"\n" + line


@contextmanager
def understanding(what: str) -> Iterator[None]:
    """Whatever breaks while a foreign body is read is NotUnderstood: it isn't `what` it should be."""
    try:
        yield
    except NotUnderstood:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotUnderstood(f"not {what}: {type(error).__name__}") from error


def json_object(data: bytes) -> Json:
    """The JSON object that these bytes hold. Raises NotUnderstood."""
    with understanding("JSON"):
        return mapping(orjson.loads(data), "an event")


def expect(value: Any, kind: type | tuple[type, ...], field: str) -> Any:
    """`value` if it is of the kind, else NotUnderstood naming the field. A bool is not a number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise NotUnderstood(f"{field} has the wrong type")
    return value


def string(value: Any, field: str) -> str:
    """`value` if it is a string, else NotUnderstood naming the field."""
    return str(expect(value, str, field))


def mapping(value: Any, field: str) -> Json:
    """`value` if it is a JSON object, else NotUnderstood naming the field."""
    found: Json = expect(value, dict, field)
    return found


def mappings(value: Any, field: str) -> list[Json]:
    """`value` if it is a list of JSON objects, else NotUnderstood naming the field."""
    return [mapping(item, f"{field}[]") for item in expect(value, list, field)]


def number(body: Json, field: str) -> float | None:
    """An optional number of a request."""
    value = body.get(field)
    with understanding(f"a number in {field}"):
        return None if value is None else float(expect(value, (int, float), field))


def integer(body: Json, field: str) -> int | None:
    """An optional integer of a request."""
    value = body.get(field)
    if isinstance(value, float) and not value.is_integer():
        raise NotUnderstood(f"{field} is not an integer")
    return None if value is None else int(expect(value, (int, float), field))


def count(body: Json, field: str) -> int:
    """An optional number of tokens: 0 when absent or null, never negative."""
    found = integer(body, field) or 0
    if found < 0:
        raise NotUnderstood(f"{field} is negative")
    return found


def field_value(headers: Head, name: str) -> str | None:
    """A header's value; that of several lines with one name is their values in order (RFC 9110 section 5.2)."""
    if not isinstance(headers, MultiMapping):
        return headers.get(name)
    return ", ".join(headers.getall(name, [])) or None


def flag(body: Json, field: str) -> bool:
    """An optional bool of a request, false when absent or null."""
    value = body.get(field)
    return False if value is None else bool(expect(value, bool, field))


def rest(body: Json, known: frozenset[str]) -> Json:
    """The fields of a JSON object that are not known by name."""
    return {name: value for name, value in body.items() if name not in known}
