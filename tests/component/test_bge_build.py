"""The graph of the default embedder: what is put behind the published one."""

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local import bge
from cachedistill_sidecar.local.models import BGE, cache_home, fetch_weights, prepare_embedder
from tests.sentences import OTHERS, SENTENCES


@pytest.fixture(scope="module")
def folder() -> Path:
    return prepare_embedder(BGE)


@pytest.fixture(scope="module")
def published() -> Path:
    """The graph as it was downloaded."""
    return fetch_weights(BGE, cache_home()) / "bge-small-en-v1.5-q.onnx"


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Iterator[Embedder]:
    loaded = Embedder.load(folder)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def centre() -> np.ndarray:
    return np.array(json.loads(files(bge.__package__).joinpath(bge.CENTRE).read_text()), np.float32)


def first_tokens(published: Path, rows: list[list[int]]) -> np.ndarray:
    """The published graph's vector of each row's first token, of unit norm."""
    session = onnxruntime.InferenceSession(published, providers=["CPUExecutionProvider"])
    pooled = []
    for row in rows:
        ids = np.array([row], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        [vectors] = session.run(None, feeds)
        assert vectors.shape == (1, len(row), bge.DIMENSIONS)
        pooled.append(vectors[0, 0] / np.linalg.norm(vectors[0, 0]))
    return np.array(pooled)


async def test_a_vector_is_that_of_the_first_token_less_the_centre(
    embedder: Embedder, published: Path, centre: np.ndarray
) -> None:
    sentences = SENTENCES[::5]
    rows = [tokens for sentence in sentences if (tokens := embedder.tokenize(sentence))]
    shifted = first_tokens(published, rows) - centre
    expected = shifted / np.linalg.norm(shifted, axis=1, keepdims=True)
    vectors = np.array([await embedder.embed(each) for each in sentences])
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


async def test_sentences_of_different_things_have_little_in_common(embedder: Embedder, published: Path) -> None:
    def likeness(vectors: np.ndarray) -> float:
        return float((vectors @ vectors.T)[np.triu_indices(len(OTHERS), 1)].mean())

    rows = [tokens for sentence in OTHERS if (tokens := embedder.tokenize(sentence))]
    assert likeness(first_tokens(published, rows)) > 0.4
    assert likeness(np.array([await embedder.embed(sentence) for sentence in OTHERS])) < 0.2


def test_the_file_is_the_same_whenever_it_is_built(published: Path, folder: Path) -> None:
    built = bge.build(published).SerializeToString(deterministic=True)
    assert hashlib.sha256(built).digest() == hashlib.sha256((folder / "model.onnx").read_bytes()).digest()
