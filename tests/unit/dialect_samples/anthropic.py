"""Anthropic's messages."""

from __future__ import annotations

from typing import Any

from tests.unit.dialect_samples.sample import BY_NAME, Json, Sample


def _message(content: list[Json], stop_reason: str = "end_turn", **body: Any) -> Json:
    return {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 8,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 32,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 9,
            "service_tier": "standard",
        },
        **body,
    }


def _plain(text: str, **fields: Any) -> Json:
    return {"type": "text", "text": text, **fields}


_CITED: Json = {
    "type": "char_location",
    "cited_text": "330 metres",
    "document_index": 0,
    "document_title": "Towers",
    "start_char_index": 4,
    "end_char_index": 14,
    "file_id": None,
}
_FOUND: Json = {
    "type": "web_search_result",
    "url": "https://example.com/tower",
    "title": "The tower",
    "encrypted_content": "c2VjcmV0",
    "page_age": None,
}
_LOOKED: Json = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tower"}}
ANTHROPIC = Sample(
    BY_NAME["anthropic_messages"],
    "/v1/messages",
    {
        "model": "claude-sonnet-4-5",
        "system": "You answer in one line.",
        "messages": [{"role": "user", "content": "How tall is the Eiffel tower?"}],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 200,
    },
    {
        "text": _message([_plain("It is 330 metres tall.", citations=None)]),
        "thought": _message(
            [
                {"type": "thinking", "thinking": "Measured in 2022.", "signature": "c2lnbmVk"},
                {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
                _plain("It is 330 metres tall."),
            ]
        ),
        "searched": _message(
            [
                _plain("Let me look. "),
                _LOOKED,
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [_FOUND]},
                _plain("It is 330 metres tall.", citations=[_CITED, _CITED | {"document_index": 1}]),
            ]
        ),
        "calls": _message(
            [
                _plain("I'll ask."),
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
            ],
            "tool_use",
        ),
        "sequence": _message([_plain("It is 330")], "stop_sequence", stop_sequence="metres"),
        "cut": _message([_plain("It is 330")], "max_tokens"),
        "window": _message([_plain("It is 330")], "model_context_window_exceeded"),
        "refusal": _message([], "refusal", stop_details={"type": "refusal", "category": None, "explanation": None}),
        "paused": _message([_plain("Still looking.")], "pause_turn"),
    },
    headers={"anthropic-version": "2023-06-01"},
    transport={"stream": True, "metadata": {"user_id": "u-1"}, "service_tier": "auto"},
)
