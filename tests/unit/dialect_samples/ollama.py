"""Ollama's replies."""

from __future__ import annotations

from typing import Any

from tests.unit.dialect_samples.sample import BY_NAME, Json, Sample

_TIMES: Json = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 500000000,
    "load_duration": 1000000,
    "prompt_eval_count": 40,
    "prompt_eval_duration": 30000000,
    "eval_count": 9,
    "eval_duration": 400000000,
}
_OLLAMA: Json = {"model": "llama3.2", "created_at": "2025-10-09T08:53:20.123456789Z"}
_OPTIONS: Json = {"temperature": 0.2, "top_p": 0.9, "num_predict": 200, "seed": 7}


def _chatted(message: Json, **body: Any) -> Json:
    return _OLLAMA | {"message": {"role": "assistant", "content": ""} | message} | _TIMES | body


OLLAMA_CHAT = Sample(
    BY_NAME["ollama_chat"],
    "/api/chat",
    {
        "model": "llama3.2",
        "messages": [
            {"role": "system", "content": "You answer in one line."},
            {"role": "user", "content": "How tall is the Eiffel tower?"},
        ],
        "options": _OPTIONS,
    },
    {
        "text": _chatted({"content": "It is 330 metres tall."}),
        "thought": _chatted({"content": "It is 330 metres tall.", "thinking": "Measured in 2022."}),
        "calls": _chatted({"tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Bern"}}}]}),
        "cut": _chatted({"content": "It is 330"}, done_reason="length"),
    },
    transport={"stream": False, "keep_alive": "5m"},
)
OLLAMA_GENERATE = Sample(
    BY_NAME["ollama_generate"],
    "/api/generate",
    {
        "model": "llama3.2",
        "system": "You answer in one line.",
        "prompt": "How tall is the Eiffel tower?",
        "options": _OPTIONS,
    },
    {
        "text": _OLLAMA | {"response": "It is 330 metres tall.", "context": [1, 2, 3]} | _TIMES,
        "thought": _OLLAMA | {"response": "330 metres.", "thinking": "Measured in 2022."} | _TIMES,
        "cut": _OLLAMA | {"response": "It is 330"} | _TIMES | {"done_reason": "length"},
    },
    transport={"stream": False, "keep_alive": "5m"},
)
