"""Which path of which provider is answered by what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.upstream import anthropic, azure, models, ollama, openai_chat, openai_embeddings, openai_responses
from tests.upstream.exchange import Dialect, Json


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider's path: an exchange of its dialect, or with `document` a plain JSON answer.

    `target` is the model or deployment that the path names.
    """

    dialect: Dialect
    document: Callable[[Json, str], bytes] | None = None
    target: str = ""


POSTS = {
    "/v1/chat/completions": Endpoint(openai_chat.DIALECT),
    "/v1/responses": Endpoint(openai_responses.DIALECT),
    "/v1/embeddings": Endpoint(openai_chat.DIALECT, openai_embeddings.embed),
    "/v1/messages": Endpoint(anthropic.DIALECT),
    "/v1/messages/count_tokens": Endpoint(anthropic.DIALECT, anthropic.count_tokens),
    "/openai/v1/chat/completions": Endpoint(azure.DIALECT),
    "/openai/v1/embeddings": Endpoint(azure.DIALECT, openai_embeddings.embed),
    "/api/chat": Endpoint(ollama.CHAT),
    "/api/generate": Endpoint(ollama.GENERATE),
}
GETS = {
    "/api/tags": Endpoint(ollama.CHAT, models.ollama),
    "/api/version": Endpoint(ollama.CHAT, ollama.version),
}
AZURE = re.compile("/openai/deployments/([^/]+)/(chat/completions|embeddings)")


def find(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Endpoint | None:
    """The endpoint of a call; None when no provider has it, as Azure has none without its `api-version`."""
    if method == "POST":
        if "api-version" in query and (named := AZURE.fullmatch(path)):
            document = openai_embeddings.embed if named[2] == "embeddings" else None
            return Endpoint(azure.DIALECT, document, named[1])
        return POSTS.get(path)
    if method != "GET":
        return None
    if path == "/v1/models" or path.startswith("/v1/models/"):
        target = path.removeprefix("/v1/models").removeprefix("/")
        if "anthropic-version" in headers:
            return Endpoint(anthropic.DIALECT, models.anthropic, target)
        return Endpoint(openai_chat.DIALECT, models.openai, target)
    return GETS.get(path)
