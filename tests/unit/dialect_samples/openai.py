"""Chat completions, at OpenAI and at Azure, and embeddings."""

from __future__ import annotations

from typing import Any

from tests.unit.dialect_samples.sample import BY_NAME, Json, Sample

CHAT_USAGE: Json = {
    "prompt_tokens": 40,
    "completion_tokens": 9,
    "total_tokens": 49,
    "prompt_tokens_details": {"cached_tokens": 32, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _chat(message: Json, finish: str = "stop", **body: Any) -> Json:
    choice: Json = {"index": 0, "message": {"role": "assistant", "refusal": None} | message, "logprobs": None}
    head: Json = {"id": "chatcmpl-7", "object": "chat.completion", "created": 1760000000, "model": "gpt-4o-2024-08-06"}
    return head | {"choices": [choice | {"finish_reason": finish}], "usage": CHAT_USAGE, **body}


CHAT_REQUEST: Json = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "You answer in one line."},
        {"role": "user", "content": "How tall is the Eiffel tower?"},
    ],
    "temperature": 0.2,
    "top_p": 0.9,
    "max_completion_tokens": 200,
    "seed": 7,
}
CHAT_CALL: Json = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
CHAT_ANSWERS: dict[str, Json] = {
    "text": _chat({"content": "It is 330 metres tall."}, service_tier="default", system_fingerprint="fp_1"),
    "cut": _chat({"content": "It is 330"}, "length"),
    "calls": _chat({"content": None, "tool_calls": [CHAT_CALL, CHAT_CALL | {"id": "call_2"}]}, "tool_calls"),
    "refusal": _chat({"content": None, "refusal": "I can't help with that."}),
    "filtered": _chat({"content": ""}, "content_filter"),
    "vendor": _chat({"content": "42", "reasoning_content": "six times seven"}),
}
CHAT_TRANSPORT: Json = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "user": "u-1",
    "metadata": {"team": "a"},
    "store": True,
    "service_tier": "flex",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
}
OPENAI_CHAT = Sample(
    BY_NAME["openai_chat"], "/v1/chat/completions", CHAT_REQUEST, CHAT_ANSWERS, transport=CHAT_TRANSPORT
)

_SAFE: Json = {"hate": {"filtered": False, "severity": "safe"}}
_AZURE_TEXT: Json = _chat(
    {"content": "It is 330 metres tall."}, prompt_filter_results=[{"prompt_index": 0, "content_filter_results": _SAFE}]
)
AZURE_CHAT = Sample(
    BY_NAME["azure_chat"],
    "/openai/deployments/four-o/chat/completions",
    {name: value for name, value in CHAT_REQUEST.items() if name != "model"},
    {
        "text": _AZURE_TEXT | {"choices": [_AZURE_TEXT["choices"][0] | {"content_filter_results": _SAFE}]},
        "calls": CHAT_ANSWERS["calls"],
    },
    query_string="api-version=2024-10-21",
    transport=CHAT_TRANSPORT,
)


_EMBEDDED: Json = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, -0.2]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 6, "total_tokens": 6},
}
_TO_EMBED: Json = {"model": "text-embedding-3-small", "input": ["a tower"], "dimensions": 2}
OPENAI_EMBEDDINGS = Sample(
    BY_NAME["openai_embeddings"], "/v1/embeddings", _TO_EMBED, {"vectors": _EMBEDDED}, transport={"user": "u-1"}
)
AZURE_EMBEDDINGS = Sample(
    BY_NAME["azure_embeddings"],
    "/openai/deployments/embedder/embeddings",
    _TO_EMBED,
    {"vectors": _EMBEDDED},
    query_string="api-version=2024-10-21",
    transport={"user": "u-1"},
)
