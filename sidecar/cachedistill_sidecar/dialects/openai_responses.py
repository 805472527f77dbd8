"""OpenAI responses (`POST /v1/responses`), as platform.openai.com/docs/api-reference/responses says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from cachedistill_sidecar.dialects.base import (
    Dialect,
    Head,
    Json,
    StreamParser,
    canonical,
    expect,
    field_value,
    flag,
    integer,
    mapping,
    mappings,
    number,
    rest,
    string,
    understanding,
)
from cachedistill_sidecar.dialects.openai_chat import openai_error
from cachedistill_sidecar.dialects.openai_responses_stream import ResponseStreamParser, render_events
from cachedistill_sidecar.dialects.openai_usage import read_usage, render_usage
from cachedistill_sidecar.dialects.turns import has_history, split_content
from cachedistill_sidecar.exchange import Answer, FinishReason, Operation, Query, ToolCall
from cachedistill_sidecar.route_document import Provider

# Fields of a request that change how the answer travels or is billed, but not what it says.
_TRANSPORT = frozenset(
    [
        "model",
        "input",
        "stream",
        "stream_options",
        "user",
        "safety_identifier",
        "metadata",
        "store",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
    ]
)
# Fields of a response that repeat who asked, with what they say for nobody: a replay answers another request.
_ECHOES: Json = {"metadata": {}, "user": None, "safety_identifier": None, "prompt_cache_key": None}
_STATE = ("previous_response_id", "conversation", "background", "prompt")
_ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
_INCOMPLETE = {"max_output_tokens": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTER}
_REASON = {finish: reason for reason, finish in _INCOMPLETE.items()}


class OpenAIResponses(Dialect):
    """OpenAI responses. An answer keeps its id, so that `previous_response_id` still leads to it after a replay."""

    name: ClassVar[str] = "openai_responses"
    provider: ClassVar[Provider] = Provider.OPENAI
    operation: ClassVar[Operation] = Operation.CHAT
    gen_ai_provider: ClassVar[str] = "openai"

    def matches(self, path: str) -> bool:
        return path == "/v1/responses"

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        items = _items(body.get("input"))
        text, earlier, last = _split(items)
        include = expect(body.get("include") or [], list, "include")
        beta = field_value(headers, "openai-beta")
        return Query(
            operation=self.operation,
            model=string(body.get("model"), "model"),
            text=text,
            shape=canonical(self.name, query_string, beta, rest(body, _TRANSPORT), earlier, last),
            later_turn=has_history(earlier),
            stream=flag(body, "stream"),
            logprobs="message.output_text.logprobs" in include or body.get("top_logprobs") is not None,
            tools=bool(body.get("tools")),
            server_state=any(body.get(field) for field in _STATE) or any(map(_is_reference, items)),
            temperature=number(body, "temperature"),
            top_p=number(body, "top_p"),
            max_tokens=integer(body, "max_output_tokens"),
        )

    def answer(self, body: Json) -> Answer:
        with understanding("a response"):
            output = mappings(body["output"], "output")
            parts = [
                part
                for item in output
                if item["type"] == "message"
                for part in mappings(item["content"], "output[].content")
            ]
            return Answer(
                id=string(body["id"], "id"),
                model=string(body["model"], "model"),
                created=int(expect(body["created_at"], (int, float), "created_at")),
                text="".join(string(part["text"], "text") for part in parts if part["type"] == "output_text"),
                finish_reason=_finish(body, {part["type"] for part in parts} | {item["type"] for item in output}),
                usage=read_usage(body.get("usage"), "input_tokens", "output_tokens"),
                tool_calls=tuple(_tool_call(item) for item in output if item["type"] in _ARGUMENTS),
                extras={"body": body | {name: value for name, value in _ECHOES.items() if name in body}},
            )

    def stream_parser(self) -> StreamParser:
        return ResponseStreamParser(self.answer)

    def render(self, answer: Answer, query: Query) -> Json:
        stored: Json | None = answer.extras.get("body")
        return _render(answer) if stored is None else stored

    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        return render_events(self.render(answer, query), pieces)

    def error(self, status: int, message: str) -> Json:
        return openai_error(status, message)


def _items(given: Any) -> list[Json]:
    """The input as a list of items; a text is one user message."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return mappings(given or [], "input")


def _split(items: list[Json]) -> tuple[str | None, list[Json], Json]:
    """The last user text, the earlier items, and the last item without that text."""
    if not items:
        return None, [], {}
    *earlier, last = items
    if last.get("role") != "user" or last.get("type", "message") != "message":
        return None, earlier, last
    text, content = split_content(last.get("content"), "input_text")
    return text, earlier, last | {"content": content}


def _is_reference(item: Json) -> bool:
    """Whether an item stands for one that the provider keeps; such an item may leave its type out."""
    return item.get("type") == "item_reference" or ("type" not in item and "role" not in item)


def _finish(body: Json, types: set[str]) -> FinishReason:
    """Why the response ended; `types` are those of its output items and their parts."""
    if body["status"] == "incomplete":
        details = mapping(body.get("incomplete_details") or {}, "incomplete_details")
        return _INCOMPLETE.get(details.get("reason", ""), FinishReason.OTHER)
    if body["status"] != "completed":
        return FinishReason.OTHER
    if types & _ARGUMENTS.keys():
        return FinishReason.TOOL_CALLS
    return FinishReason.REFUSAL if "refusal" in types else FinishReason.STOP


def _tool_call(item: Json) -> ToolCall:
    return ToolCall(
        id=string(item["call_id"], "output[].call_id"),
        name=string(item["name"], "output[].name"),
        arguments=string(item[_ARGUMENTS[item["type"]]], "output[].arguments"),
    )


def _render(answer: Answer) -> Json:
    """The response of an answer that brings none of its own."""
    reason = _REASON.get(answer.finish_reason)
    status = "completed" if reason is None else "incomplete"
    return {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": None,
        "metadata": {},
        "model": answer.model,
        "output": _render_output(answer, status),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": render_usage(answer.usage, "input_tokens", "output_tokens")
        | {"output_tokens_details": {"reasoning_tokens": 0}},
    }


def _render_output(answer: Answer, status: str) -> list[Json]:
    output: list[Json] = []
    if answer.text or not answer.tool_calls:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{answer.id}", "status": status, "role": "assistant"}
        output.append(message | {"content": [part]})
    for call in answer.tool_calls:
        item = {"type": "function_call", "id": f"fc_{call.id}", "call_id": call.id, "name": call.name}
        output.append(item | {"arguments": call.arguments, "status": status})
    return output


OPENAI_RESPONSES = OpenAIResponses()
