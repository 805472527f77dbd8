"""Azure OpenAI: OpenAI's bodies under Azure's paths, as learn.microsoft.com/azure/ai-foundry/openai/reference says.

A request to `/openai/deployments/{name}/...` asks for a deployment, which stands in its path; one to `/openai/v1/...`
names its model in the body. The `api-version` is part of the query string, and with that of a query's shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote, unquote

from cachedistill_sidecar.dialects.base import Head, Json, rest, sse
from cachedistill_sidecar.dialects.openai_chat import OpenAIChat
from cachedistill_sidecar.dialects.openai_embeddings import OpenAIEmbeddings
from cachedistill_sidecar.exchange import Answer, Query
from cachedistill_sidecar.route_document import Provider

_DEPLOYMENT = re.compile(r"(?<=^/openai/deployments/)[^/]+")
_FILTERED = "prompt_filter_results"


class AzureChat(OpenAIChat):
    """Chat completions of an Azure OpenAI deployment."""

    name: ClassVar[str] = "azure_chat"
    provider: ClassVar[Provider] = Provider.AZURE_OPENAI
    gen_ai_provider: ClassVar[str] = "azure.ai.openai"

    def matches(self, path: str) -> bool:
        return _speaks(path, "chat/completions")

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        query = super().query(_asking(body, path), path, query_string, headers)
        # An answer on the user's own data changes with that data.
        return replace(query, server_state=bool(body.get("data_sources")))

    def with_model(self, body: Json, path: str, model: str) -> tuple[Json, str]:
        return _with_model(body, path, model)

    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        extras = answer.extras.get("body", {})
        if _FILTERED in extras:
            nobody = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            yield sse(nobody | {_FILTERED: extras[_FILTERED]})
            own = {**answer.extras, "body": rest(extras, frozenset({_FILTERED}))}
            answer = replace(answer, extras=own)
        yield from super().render_stream(answer, query, pieces)

    def error(self, status: int, message: str) -> Json:
        return _error(status, message)


class AzureEmbeddings(OpenAIEmbeddings):
    """Embeddings of an Azure OpenAI deployment."""

    name: ClassVar[str] = "azure_embeddings"
    provider: ClassVar[Provider] = Provider.AZURE_OPENAI
    gen_ai_provider: ClassVar[str] = "azure.ai.openai"

    def matches(self, path: str) -> bool:
        return _speaks(path, "embeddings")

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        return super().query(_asking(body, path), path, query_string, headers)

    def with_model(self, body: Json, path: str, model: str) -> tuple[Json, str]:
        return _with_model(body, path, model)

    def error(self, status: int, message: str) -> Json:
        return _error(status, message)


def _speaks(path: str, operation: str) -> bool:
    return path == f"/openai/v1/{operation}" or bool(re.fullmatch(f"/openai/deployments/[^/]+/{operation}", path))


def _asking(body: Json, path: str) -> Json:
    """The request with the model that its path names, if it names one."""
    deployment = _DEPLOYMENT.search(path)
    return body | {"model": unquote(deployment[0])} if deployment else body


def _with_model(body: Json, path: str, model: str) -> tuple[Json, str]:
    """The model goes where the request has it; a deployment's path decides even if the body names a model too."""
    if not _DEPLOYMENT.search(path):
        return {**body, "model": model}, path
    renamed = {**body, "model": model} if "model" in body else body
    return renamed, _DEPLOYMENT.sub(lambda _: quote(model, safe=""), path)


def _error(status: int, message: str) -> Json:
    return {"error": {"code": str(status), "message": message}}


AZURE_CHAT = AzureChat()
AZURE_EMBEDDINGS = AzureEmbeddings()
