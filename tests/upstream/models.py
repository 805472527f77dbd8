"""The models that the upstream lists; any other name works as well, unless it begins with 'no-such-'."""

from __future__ import annotations

import orjson

from tests.upstream.exchange import Json, ProviderError

OPENAI = ("gpt-4o", "gpt-4o-mini", "text-embedding-3-small")
ANTHROPIC = ("claude-opus-4-8", "claude-sonnet-5")
OLLAMA = ("llama3.2:latest", "qwen2.5:latest")
SINCE = 1_735_689_600
SINCE_ISO = "2025-01-01T00:00:00Z"


def known(name: str) -> str:
    """The name, or the provider's 404."""
    if name.startswith("no-such-"):
        raise ProviderError("not_found", f"The model '{name}' does not exist.", "model")
    return name


def openai(_body: Json, name: str) -> bytes:
    """`GET /v1/models` and `/v1/models/{name}` of OpenAI."""
    if name:
        return orjson.dumps(_openai(known(name)))
    return orjson.dumps({"object": "list", "data": [_openai(model) for model in OPENAI]})


def _openai(name: str) -> Json:
    return {"id": name, "object": "model", "created": SINCE, "owned_by": "upstream"}


def anthropic(_body: Json, name: str) -> bytes:
    """`GET /v1/models` and `/v1/models/{name}` of Anthropic."""
    if name:
        return orjson.dumps(_anthropic(known(name)))
    page = {"has_more": False, "first_id": ANTHROPIC[0], "last_id": ANTHROPIC[-1]}
    return orjson.dumps({"data": [_anthropic(model) for model in ANTHROPIC], **page})


def _anthropic(name: str) -> Json:
    return {"id": name, "type": "model", "display_name": name.title(), "created_at": SINCE_ISO, "lifecycle": "active"}


def ollama(_body: Json, _name: str) -> bytes:
    """`GET /api/tags` of Ollama."""
    details = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"]}
    sizes = {"parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
    tags = [
        {
            "name": model,
            "model": model,
            "modified_at": SINCE_ISO,
            "size": 2_019_393_189,
            "digest": f"{position:064x}",
            "details": {**details, **sizes},
        }
        for position, model in enumerate(OLLAMA)
    ]
    return orjson.dumps({"models": tags})
