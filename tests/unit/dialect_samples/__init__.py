"""Requests and answers as the providers' documents show them, one sample a dialect and kind of answer."""

from __future__ import annotations

from tests.unit.dialect_samples.anthropic import ANTHROPIC
from tests.unit.dialect_samples.ollama import OLLAMA_CHAT, OLLAMA_GENERATE
from tests.unit.dialect_samples.openai import AZURE_CHAT, AZURE_EMBEDDINGS, OPENAI_CHAT, OPENAI_EMBEDDINGS
from tests.unit.dialect_samples.responses import RESPONSES
from tests.unit.dialect_samples.sample import Json, Sample

STREAMED = (OPENAI_CHAT, AZURE_CHAT, RESPONSES, ANTHROPIC, OLLAMA_CHAT, OLLAMA_GENERATE)
SAMPLES = (*STREAMED, OPENAI_EMBEDDINGS, AZURE_EMBEDDINGS)


def answers(samples: tuple[Sample, ...]) -> list[tuple[Sample, str]]:
    """Every sample with every name of its answers, for parametrized tests."""
    return [(sample, name) for sample in samples for name in sample.answers]


def called(value: object) -> str:
    """How a sample is named in a test's report."""
    return value.dialect.name if isinstance(value, Sample) else str(value)


__all__ = [
    "ANTHROPIC",
    "AZURE_CHAT",
    "AZURE_EMBEDDINGS",
    "OLLAMA_CHAT",
    "OLLAMA_GENERATE",
    "OPENAI_CHAT",
    "OPENAI_EMBEDDINGS",
    "RESPONSES",
    "SAMPLES",
    "STREAMED",
    "Json",
    "Sample",
    "answers",
    "called",
]
