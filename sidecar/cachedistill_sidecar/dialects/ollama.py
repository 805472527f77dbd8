"""Ollama (`POST /api/chat`, `POST /api/generate`), as github.com/ollama/ollama/blob/main/docs/api.md says."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson

from cachedistill_sidecar.dialects.base import (
    Dialect,
    Head,
    Json,
    NotUnderstood,
    StreamParser,
    canonical,
    count,
    flag,
    integer,
    mapping,
    mappings,
    number,
    rest,
    string,
    understanding,
)
from cachedistill_sidecar.dialects.ollama_stream import ReplyStreamParser
from cachedistill_sidecar.dialects.turns import has_history, split_messages
from cachedistill_sidecar.exchange import Answer, FinishReason, Operation, Query, ToolCall, Usage
from cachedistill_sidecar.route_document import Provider
from cachedistill_sidecar.streaming import Decoder, LineDecoder

# Fields of a request that change how the answer travels, but not what it says.
_TRANSPORT = frozenset(["model", "messages", "prompt", "stream", "keep_alive"])
_IMAGE = ("width", "height", "steps")
_FINISH = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class Ollama(Dialect):
    """What both of Ollama's operations share: options, lines of JSON, and a body that ends with counts and times."""

    provider: ClassVar[Provider] = Provider.OLLAMA
    gen_ai_provider: ClassVar[str] = "ollama"
    stream_type: ClassVar[str] = "application/x-ndjson"
    path: ClassVar[str]

    def matches(self, path: str) -> bool:
        return path == self.path

    @abstractmethod
    def split(self, body: Json) -> tuple[str | None, list[Json], Json]:
        """The text that may be compared by meaning, the earlier turns, and the last turn without that text."""

    @abstractmethod
    def message(self, body: Json) -> Json:
        """The part of an answer's body that the model wrote, as a chat message. Raises NotUnderstood."""

    @abstractmethod
    def written(self, message: Json) -> Json:
        """The reverse of `message`: fields of an answer's body."""

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        text, earlier, last = self.split(body)
        options = mapping(body.get("options") or {}, "options")
        limit = integer(options, "num_predict")
        return Query(
            operation=self.operation,
            model=string(body.get("model"), "model"),
            text=text,
            shape=canonical(self.name, query_string, rest(body, _TRANSPORT), earlier, last),
            later_turn=has_history(earlier),
            stream=body.get("stream") is None or flag(body, "stream"),
            logprobs=flag(body, "logprobs") or bool(body.get("top_logprobs")),
            tools=bool(body.get("tools")),
            text_only=not any(body.get(field) for field in _IMAGE),
            server_state=bool(body.get("context")),
            temperature=number(options, "temperature"),
            top_p=number(options, "top_p"),
            # -1 and -2 mean without limit, and until the context is full.
            max_tokens=limit if limit is not None and limit >= 0 else None,
            seed=integer(options, "seed"),
        )

    def answer(self, body: Json) -> Answer:
        with understanding("a reply"):
            if body["done"] is not True:
                raise NotUnderstood("the reply isn't done")
            message = self.message(body)
            calls = tuple(_tool_call(call) for call in mappings(message.get("tool_calls") or [], "tool_calls"))
            finish = _FINISH.get(string(body.get("done_reason") or "stop", "done_reason"), FinishReason.OTHER)
            return Answer(
                id="",
                model=string(body["model"], "model"),
                created=int(datetime.fromisoformat(string(body["created_at"], "created_at")).timestamp()),
                text=string(message["content"], "content"),
                finish_reason=FinishReason.TOOL_CALLS if calls and finish is FinishReason.STOP else finish,
                usage=_usage(body),
                tool_calls=calls,
                extras={"body": body},
            )

    def decoder(self) -> Decoder:
        return LineDecoder()

    def stream_parser(self) -> StreamParser:
        return ReplyStreamParser(self.answer, self.message, self.written)

    def render(self, answer: Answer, query: Query) -> Json:
        stored: Json | None = answer.extras.get("body")
        if stored is not None:
            return stored
        calls = [
            {"function": {"name": call.name, "arguments": orjson.loads(call.arguments or "{}")}}
            for call in answer.tool_calls
        ]
        message = {"role": "assistant", "content": answer.text} | ({"tool_calls": calls} if calls else {})
        prompt = answer.usage.input + answer.usage.cached_input + answer.usage.cache_write
        return {
            "model": answer.model,
            "created_at": datetime.fromtimestamp(answer.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **self.written(message),
            "done": True,
            "done_reason": "length" if answer.finish_reason is FinishReason.LENGTH else "stop",
            "prompt_eval_count": prompt,
            "eval_count": answer.usage.output,
        }

    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        body = self.render(answer, query)
        message = self.message(body)
        head = {"model": body["model"], "created_at": body["created_at"]}
        beside = rest(message, frozenset({"content"}))
        if beside.keys() - {"role"}:
            yield _line(head | self.written(beside | {"content": ""}) | {"done": False})
        for piece in filter(None, pieces):
            yield _line(head | self.written({"role": "assistant", "content": piece}) | {"done": False})
        last = self.written({"role": "assistant", "content": ""})
        yield _line(rest(body, frozenset(self.written(message))) | last)

    def error(self, status: int, message: str) -> Json:
        return {"error": message}


class OllamaChat(Ollama):
    """Ollama's chat."""

    name: ClassVar[str] = "ollama_chat"
    operation: ClassVar[Operation] = Operation.CHAT
    path: ClassVar[str] = "/api/chat"

    def split(self, body: Json) -> tuple[str | None, list[Json], Json]:
        return split_messages(body.get("messages"))

    def message(self, body: Json) -> Json:
        return mapping(body.get("message"), "message")

    def written(self, message: Json) -> Json:
        return {"message": message}


class OllamaGenerate(Ollama):
    """Ollama's completion of a prompt."""

    name: ClassVar[str] = "ollama_generate"
    operation: ClassVar[Operation] = Operation.TEXT_COMPLETION
    path: ClassVar[str] = "/api/generate"
    _fields: ClassVar[dict[str, str]] = {"content": "response", "thinking": "thinking", "tool_calls": "tool_calls"}

    def split(self, body: Json) -> tuple[str | None, list[Json], Json]:
        prompt = string(body.get("prompt"), "prompt")
        if not prompt:
            raise NotUnderstood("prompt is empty: the request only loads a model")
        return prompt, [], {}

    def message(self, body: Json) -> Json:
        return {name: body[field] for name, field in self._fields.items() if field in body}

    def written(self, message: Json) -> Json:
        return {field: message[name] for name, field in self._fields.items() if name in message}


def _line(body: Json) -> bytes:
    return orjson.dumps(body) + b"\n"


def _usage(body: Json) -> Usage:
    """Ollama's counts; what it had in its prompt cache is not told apart."""
    estimated = "prompt_eval_count" not in body and "eval_count" not in body
    return Usage(count(body, "prompt_eval_count"), output=count(body, "eval_count"), estimated=estimated)


def _tool_call(call: Any) -> ToolCall:
    function = mapping(call["function"], "tool_calls[].function")
    return ToolCall(
        id=string(call.get("id") or "", "tool_calls[].id"),
        name=string(function["name"], "tool_calls[].function.name"),
        arguments=orjson.dumps(mapping(function.get("arguments") or {}, "tool_calls[].function.arguments")).decode(),
    )


OLLAMA_CHAT = OllamaChat()
OLLAMA_GENERATE = OllamaGenerate()
