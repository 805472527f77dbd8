"""OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

from __future__ import annotations

import base64
import math
import struct
from random import Random
from typing import Any

import orjson

from tests.upstream.answers import digest, tokens
from tests.upstream.exchange import Json, ProviderError, require
from tests.upstream.models import known

DIMENSIONS = 1536


def embed(body: Json, deployment: str) -> bytes:
    """Unit vectors that depend on the text alone, as lists of numbers or as base64 of little-endian float32."""
    model = known(deployment or require(body, "model", str, "a string"))
    texts = _texts(body.get("input"))
    size = body.get("dimensions") or DIMENSIONS
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else vector}
        for index, vector in enumerate(_vector(text, size) for text in texts)
    ]
    count = sum(tokens(len(text.split())) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return orjson.dumps({"object": "list", "data": data, "model": model, "usage": usage})


def _texts(given: Any) -> list[str]:
    """The inputs: a string, strings, token ids, or lists of token ids."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ProviderError("bad_request", "Missing required parameter: 'input'.", "input")
    if isinstance(given[0], int):
        return [" ".join(map(str, given))]
    return [item if isinstance(item, str) else " ".join(map(str, item)) for item in given]


def _vector(text: str, size: int) -> list[float]:
    random = Random(int(digest(text), 16))
    raw = [random.uniform(-1, 1) for _ in range(size)]
    length = math.sqrt(sum(value * value for value in raw))
    return [value / length for value in raw]


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
