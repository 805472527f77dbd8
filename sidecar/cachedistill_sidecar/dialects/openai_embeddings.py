"""OpenAI embeddings (`POST /v1/embeddings`), as platform.openai.com/docs/api-reference/embeddings says.

An embedding is cached by exact equality alone: all of the request but its model is shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from cachedistill_sidecar.dialects.base import (
    Dialect,
    Head,
    Json,
    NotUnderstood,
    StreamParser,
    canonical,
    expect,
    field_value,
    mappings,
    rest,
    string,
)
from cachedistill_sidecar.dialects.openai_chat import openai_error
from cachedistill_sidecar.dialects.openai_usage import read_usage
from cachedistill_sidecar.exchange import Answer, FinishReason, Operation, Query
from cachedistill_sidecar.route_document import Provider

_TRANSPORT = frozenset({"model", "user"})


class OpenAIEmbeddings(Dialect):
    """OpenAI embeddings. `text` of an answer is empty; the vectors stay in its extras."""

    name: ClassVar[str] = "openai_embeddings"
    provider: ClassVar[Provider] = Provider.OPENAI
    operation: ClassVar[Operation] = Operation.EMBEDDINGS
    gen_ai_provider: ClassVar[str] = "openai"

    def matches(self, path: str) -> bool:
        return path == "/v1/embeddings"

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        expect(body.get("input"), (str, list), "input")
        return Query(
            operation=self.operation,
            model=string(body.get("model"), "model"),
            text=None,
            shape=canonical(self.name, query_string, field_value(headers, "openai-beta"), rest(body, _TRANSPORT)),
        )

    def answer(self, body: Json) -> Answer:
        mappings(body.get("data"), "data")
        return Answer(
            id="",
            model=string(body.get("model"), "model"),
            created=0,
            text="",
            finish_reason=FinishReason.STOP,
            usage=read_usage(body.get("usage"), "prompt_tokens", "completion_tokens"),
            extras={"body": body},
        )

    def stream_parser(self) -> StreamParser:
        raise NotUnderstood("embeddings are never streamed")

    def render(self, answer: Answer, query: Query) -> Json:
        prompt = answer.usage.input + answer.usage.cached_input + answer.usage.cache_write
        bare = {
            "object": "list",
            "data": [],
            "model": answer.model,
            "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
        }
        whole: Json = answer.extras.get("body", bare)
        return whole

    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        raise NotUnderstood("embeddings are never streamed")

    def error(self, status: int, message: str) -> Json:
        return openai_error(status, message)


OPENAI_EMBEDDINGS = OpenAIEmbeddings()
