"""Providers' wire formats: each parses requests and answers into neutral ones, and renders answers back."""

from __future__ import annotations

from cachedistill_sidecar.dialects.anthropic import ANTHROPIC_MESSAGES
from cachedistill_sidecar.dialects.azure import AZURE_CHAT, AZURE_EMBEDDINGS
from cachedistill_sidecar.dialects.base import Dialect, Head, NotUnderstood
from cachedistill_sidecar.dialects.ollama import OLLAMA_CHAT, OLLAMA_GENERATE
from cachedistill_sidecar.dialects.openai_chat import OPENAI_CHAT
from cachedistill_sidecar.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from cachedistill_sidecar.dialects.openai_responses import OPENAI_RESPONSES
from cachedistill_sidecar.route_document import Provider

DIALECTS: tuple[Dialect, ...] = (
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    OPENAI_EMBEDDINGS,
    ANTHROPIC_MESSAGES,
    AZURE_CHAT,
    AZURE_EMBEDDINGS,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
)


def dialect_of(method: str, path: str) -> Dialect | None:
    """The dialect that a request speaks, told by its path; None for everything that is only sent on."""
    if method != "POST":
        return None
    return next((dialect for dialect in DIALECTS if dialect.matches(path)), None)


def provider_of(path: str, headers: Head) -> Provider:
    """Whose API a request without a dialect belongs to (`/v1/models`, files, batches ...)."""
    if path.startswith("/openai/"):
        return Provider.AZURE_OPENAI
    if path.startswith("/api/"):
        return Provider.OLLAMA
    if "anthropic-version" in headers or path.startswith("/v1/messages"):
        return Provider.ANTHROPIC
    return Provider.OPENAI


__all__ = ["DIALECTS", "Dialect", "Head", "NotUnderstood", "dialect_of", "provider_of"]
