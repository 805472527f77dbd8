"""Azure OpenAI: https://learn.microsoft.com/azure/ai-services/openai/reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from tests.upstream import openai_chat
from tests.upstream.exchange import Dialect, Frame, Json, ProviderError, Reply
from tests.upstream.openai_request import bearer, error_event

CATEGORIES = ("hate", "self_harm", "sexual", "violence")
SAFE = {category: {"filtered": False, "severity": "safe"} for category in CATEGORIES}


def _results(ending: str | None) -> Json:
    """Azure's content filter results; of an answer that was filtered, one category says so."""
    if ending != "content_filter":
        return SAFE
    return {**SAFE, "violence": {"filtered": True, "severity": "high"}}


def render(reply: Reply) -> bytes:
    """A `chat.completion` with what the content filters found in prompt and answer."""
    document = openai_chat.document(reply)
    for choice in document["choices"]:
        choice["content_filter_results"] = _results(choice["finish_reason"])
    document["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": SAFE}]
    return orjson.dumps(document)


def frames(reply: Reply) -> Iterator[Frame]:
    """OpenAI's stream after a chunk without choices, which tells what the filters found in the prompt."""
    prompt = [{"prompt_index": 0, "content_filter_results": SAFE}]
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": prompt}
    yield Frame(openai_chat.event(first))
    for chunk, delta in openai_chat.chunks(reply):
        for choice in chunk["choices"]:
            finish = choice["finish_reason"]
            choice["content_filter_results"] = _results(finish) if delta or finish == "content_filter" else {}
        yield Frame(openai_chat.event(chunk), delta)
    yield openai_chat.DONE


def error(error: ProviderError, _request_id: str) -> bytes:
    """Azure's error object: its code is the status for what the gateway refuses, a word for what the model does."""
    code = {"bad_request": "BadRequest", "not_found": "DeploymentNotFound"}.get(error.kind, str(error.status))
    return orjson.dumps({"error": {"code": code, "message": error.message}})


def key(headers: Mapping[str, str]) -> str | None:
    return headers.get("api-key") or bearer(headers)


DIALECT = Dialect(
    name="azure",
    stream_type="text/event-stream; charset=utf-8",
    read=openai_chat.read,
    render=render,
    frames=frames,
    error=error,
    error_frame=error_event,
    request_id_header="apim-request-id",
    key=key,
    extra_headers={"x-ms-region": "Upstream", "azureml-model-session": "upstream"},
)
