"""OpenAI's responses."""

from __future__ import annotations

from typing import Any

from tests.unit.dialect_samples.openai import CHAT_TRANSPORT
from tests.unit.dialect_samples.sample import BY_NAME, Json, Sample


def _response(output: list[Json], status: str = "completed", **body: Any) -> Json:
    return {
        "id": "resp_7",
        "object": "response",
        "created_at": 1760000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": "You answer in one line.",
        "metadata": {},
        "model": "gpt-4.1-2025-04-14",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": 0.2,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 0.9,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 40,
            "input_tokens_details": {"cached_tokens": 32, "cache_write_tokens": 3},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 49,
        },
        "user": None,
        **body,
    }


def _said(*parts: Json, status: str = "completed") -> Json:
    return {"type": "message", "id": "msg_7", "status": status, "role": "assistant", "content": list(parts)}


def _output_text(text: str, *annotations: Json) -> Json:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


REASONING: Json = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Looking up heights."}],
    "content": [{"type": "reasoning_text", "text": "The tower was measured in 2022."}],
    "encrypted_content": "c2VjcmV0",
}
CITATION: Json = {
    "type": "url_citation",
    "start_index": 0,
    "end_index": 5,
    "url": "https://example.com/tower",
    "title": "The tower",
}
SEARCH: Json = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "tower height"},
}
RESPONSES = Sample(
    BY_NAME["openai_responses"],
    "/v1/responses",
    {
        "model": "gpt-4.1",
        "instructions": "You answer in one line.",
        "input": "How tall is the Eiffel tower?",
        "temperature": 0.2,
        "top_p": 0.9,
        "max_output_tokens": 200,
    },
    {
        "text": _response([_said(_output_text("It is 330 metres tall."))]),
        "reasoned": _response([REASONING, SEARCH, _said(_output_text("It is 330 metres tall.", CITATION))]),
        "messages": _response(
            [_said(_output_text("Let me see. ")), _said(_output_text("330 metres.")) | {"id": "msg_8"}]
        ),
        "calls": _response(
            [
                {
                    "type": "function_call",
                    "id": "fc_1",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": '{"city":"Bern"}',
                    "status": "completed",
                },
                {
                    "type": "custom_tool_call",
                    "id": "ctc_1",
                    "call_id": "call_2",
                    "name": "shell",
                    "input": "ls -l",
                    "status": "completed",
                },
            ]
        ),
        "refusal": _response([_said({"type": "refusal", "refusal": "I can't help with that."})]),
        "cut": _response(
            [_said(_output_text("It is 330"), status="incomplete")],
            "incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        "filtered": _response([], "incomplete", incomplete_details={"reason": "content_filter"}),
        "failed": _response([], "failed", error={"code": "server_error", "message": "The model failed."}, usage=None),
    },
    transport=CHAT_TRANSPORT,
)
