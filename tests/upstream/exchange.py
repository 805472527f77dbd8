"""What every dialect of the upstream shares: the request as read, the reply to render, the provider's error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Json = dict[str, Any]
Ending = Literal["stop", "length", "tool", "filtered"]
Wanted = Literal["auto", "none", "forced"]
ErrorKind = Literal["bad_request", "unauthorized", "not_found", "rate_limit", "server", "unavailable", "overloaded"]

STATUS: dict[ErrorKind, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "not_found": 404,
    "rate_limit": 429,
    "server": 500,
    "unavailable": 503,
    "overloaded": 529,
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the client offers; `schema` is the JSON schema of its arguments."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request of any dialect, reduced to what shapes the answer.

    `text` is the last user text, `words` the number of words of all parts (for the token count),
    `wanted` is how the client constrains tool use, and `body` the request's JSON for fields that are echoed back.
    """

    model: str
    text: str
    body: Json
    system: str = ""
    words: int = 0
    images: int = 0
    tools: tuple[Tool, ...] = ()
    wanted: Wanted = "auto"
    after_tool: bool = False
    schema: Json | None = None
    max_tokens: int | None = None
    stream: bool = False
    usage_in_stream: bool = False
    n: int = 1
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of one of the client's tools."""

    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the `n` answers; `pieces` is its text (or its tool's arguments as JSON) cut as it streams."""

    index: int
    text: str
    pieces: tuple[str, ...]
    ending: Ending
    tokens: int
    tool: ToolUse | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, ready to be rendered. `id` is hexadecimal, `created` in Unix seconds."""

    id: str
    created: int
    prompt: Prompt
    choices: tuple[Choice, ...]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)


@dataclass(slots=True)
class ProviderError(Exception):
    """A refusal in the provider's own shape; `headers` are sent along (retry headers)."""

    kind: ErrorKind
    message: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return STATUS[self.kind]


class Frame(NamedTuple):
    """Bytes of one streamed event; `delta`: it carries a piece of the answer (pace and failures count these)."""

    data: bytes
    delta: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """A provider's wire format as functions; `read` takes the JSON body and what the path names (deployment or '')."""

    name: str
    stream_type: str
    read: Callable[[Json, str], Prompt]
    render: Callable[[Reply], bytes]
    frames: Callable[[Reply], Iterator[Frame]]
    error: Callable[[ProviderError, str], bytes]
    error_frame: Callable[[ProviderError, str], bytes]
    request_id_header: str
    key: Callable[[Mapping[str, str]], str | None] | None
    garbage: bytes = b'data: {"id": "broken", "choices": [{"del\n\n'
    extra_headers: dict[str, str] = field(default_factory=dict)


def require(body: Json, name: str, kind: type, described: str) -> Any:
    """The field `name` of the body, or the 400 a provider gives when it is missing or of another type."""
    value = body.get(name)
    if value is None:
        raise ProviderError("bad_request", f"Missing required parameter: '{name}'.", name)
    if not isinstance(value, kind):
        raise ProviderError("bad_request", f"Invalid type for '{name}': expected {described}.", name)
    return value
