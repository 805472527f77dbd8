import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from cachedistill_sidecar.edge import embedder as module
from cachedistill_sidecar.edge.embedder import Embedder, ModelUnavailable, Overloaded

WORDS = ["[UNK]", "red", "green", "blue", "left", "right"]
TABLE = np.random.default_rng(7).normal(size=(len(WORDS), 8)).astype(np.float32)


def write_model(folder: Path, *, output: str = "last_hidden_state", types: bool = False, pooled: bool = False) -> None:
    """A model of one table: a text's token vectors are its words' rows, plus 1 wherever token_type_ids isn't 0."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    nodes.append(helper.make_node("Cast", ["token_type_ids" if types else "attention_mask"], ["cast"], to=1))
    nodes.append(helper.make_node("Unsqueeze", ["cast", "two"], ["column"]))
    nodes.append(helper.make_node("Add" if types else "Mul", ["rows", "column"], [output]))
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["B", "S", 8])]
    if pooled:
        nodes.append(helper.make_node("ReduceMax", [output, "one"], ["sentence_embedding"], keepdims=0))
        outputs.append(helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["B", 8]))
    names = ["input_ids", "token_type_ids" if types else "attention_mask"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "S"]) for name in names]
    constants: dict[str, np.ndarray] = {"table": TABLE, "two": np.array([2], np.int64), "one": np.array([1], np.int64)}
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "model.onnx"
    )


def write_tokenizer(folder: Path, window: int | None = 12) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if window:
        tokenizer.enable_truncation(window)
        tokenizer.enable_padding(length=window)
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path)
    write_tokenizer(tmp_path)
    return tmp_path


@pytest.fixture
def embedder(folder: Path) -> Iterator[Embedder]:
    loaded = Embedder.load(folder)
    yield loaded
    loaded.close()


class Gate:
    """A session that waits before each run until it's opened, and remembers the lengths it has seen."""

    def __init__(self, embedder: Embedder) -> None:
        self.session = embedder._session
        self.opened = threading.Event()
        self.lengths: list[int] = []
        embedder._session = self

    def run(self, outputs: list[str], feeds: dict[str, Any]) -> Any:
        assert self.opened.wait(10)
        self.lengths.append(feeds["input_ids"].shape[1])
        return self.session.run(outputs, feeds)


def unit(vector: np.ndarray) -> np.ndarray:
    normalised: np.ndarray = vector / np.linalg.norm(vector)
    return normalised


async def test_a_vector_is_the_normalised_mean_of_its_tokens(embedder: Embedder) -> None:
    vector = await embedder.embed("red blue blue")
    assert vector is not None
    assert vector.dtype == np.float32
    assert embedder.dimensions == len(vector) == 8
    np.testing.assert_allclose(vector, unit(TABLE[[1, 3, 3]].mean(0)), rtol=1e-5)


async def test_a_pooled_output_is_taken_as_it_is(folder: Path) -> None:
    write_model(folder, pooled=True)
    vector = await Embedder.load(folder).embed("red blue")
    assert vector is not None
    np.testing.assert_allclose(vector, unit(TABLE[[1, 3]].max(0)), rtol=1e-5)


async def test_token_types_are_all_zero_for_models_that_want_them(folder: Path) -> None:
    write_model(folder, types=True)
    vector = await Embedder.load(folder).embed("red blue")
    assert vector is not None
    np.testing.assert_allclose(vector, unit(TABLE[[1, 3]].mean(0)), rtol=1e-5)


async def test_a_text_longer_than_the_window_has_no_vector(embedder: Embedder) -> None:
    assert embedder.window == 12
    assert await embedder.embed("red " * 12) is not None
    assert await embedder.embed("red " * 13) is None
    assert embedder.tokenize("red " * 12) == [1] * 12
    assert embedder.tokenize("red " * 13) is None


async def test_a_huge_text_is_refused_without_being_tokenized(embedder: Embedder) -> None:
    embedder._tokenizer = None
    assert embedder.tokenize("a" * 10_000_000) is None
    assert await embedder.embed("a" * 10_000_000) is None


def test_a_model_that_tells_no_window_has_the_default_one(folder: Path) -> None:
    write_tokenizer(folder, window=None)
    assert Embedder.load(folder).window == module.DEFAULT_WINDOW


async def test_half_a_surrogate_pair_is_embedded_like_any_unknown_character(embedder: Embedder) -> None:
    assert await embedder.embed("red \ud83d") is not None


async def test_concurrent_texts_have_the_very_vectors_they_have_alone(folder: Path) -> None:
    texts = [" ".join(WORDS[1 + (i * k) % 5] for k in range(1, 2 + i % 9)) for i in range(60)]
    alone = Embedder.load(folder)
    singly = [await alone.embed(text) for text in texts]
    together = await asyncio.gather(*map(Embedder.load(folder).embed, texts))
    for one, other in zip(singly, together, strict=True):
        assert one is not None
        np.testing.assert_array_equal(one, other)


async def test_a_cancelled_text_leaves_the_queue_and_the_others_in_it(embedder: Embedder) -> None:
    gate = Gate(embedder)
    first = asyncio.create_task(embedder.embed("red"))
    cancelled = asyncio.create_task(embedder.embed("red green"))
    last = asyncio.create_task(embedder.embed("red green blue"))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    assert await first is not None
    assert await last is not None
    assert cancelled.cancelled()
    assert gate.lengths == [1, 3]


async def test_a_running_text_that_is_cancelled_doesnt_stop_the_next(embedder: Embedder) -> None:
    gate = Gate(embedder)
    running = asyncio.create_task(embedder.embed("red"))
    await asyncio.sleep(0.01)
    running.cancel()
    gate.opened.set()
    assert await embedder.embed("blue") is not None


async def test_beyond_the_longest_queue_texts_are_refused_until_it_shrinks(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    gate = Gate(embedder)
    queued = [asyncio.create_task(embedder.embed(word)) for word in WORDS[1:4]]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await embedder.embed("left")
    gate.opened.set()
    await asyncio.gather(*queued)
    assert await embedder.embed("left") is not None


async def test_a_known_text_is_answered_from_memory_even_under_overload(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = await embedder.embed("red")
    monkeypatch.setattr(module, "WAITING", 0)
    assert await embedder.embed("red") is vector


async def test_memory_forgets_the_text_unused_for_longest(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED", 2)
    gate = Gate(embedder)
    gate.opened.set()
    for text in ("red", "red green", "red", "red green blue", "red", "red green"):
        await embedder.embed(text)
    assert gate.lengths == [1, 2, 3, 2]


async def test_a_vector_cant_be_changed_by_its_users(embedder: Embedder) -> None:
    vector = await embedder.embed("red")
    assert vector is not None
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


async def test_closing_answers_what_is_queued(embedder: Embedder) -> None:
    gate = Gate(embedder)
    running, queued = (asyncio.create_task(embedder.embed(text)) for text in ("red", "red green"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(embedder.close))
    await asyncio.sleep(0.01)
    gate.opened.set()
    assert await running is not None
    assert await queued is not None
    await closing


def test_the_digest_names_model_and_tokenizer(folder: Path) -> None:
    first = Embedder.load(folder).digest
    assert first == Embedder.load(folder).digest
    write_tokenizer(folder, window=9)
    second = Embedder.load(folder).digest
    write_model(folder, pooled=True)
    third = Embedder.load(folder).digest
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("part", ["model.onnx", "tokenizer.json"])
def test_a_missing_part_is_named(folder: Path, part: str) -> None:
    (folder / part).unlink()
    with pytest.raises(ModelUnavailable, match=f"it has no {part}"):
        Embedder.load(folder)


@pytest.mark.parametrize("part", ["model.onnx", "tokenizer.json"])
def test_a_broken_part_is_a_model_unavailable(folder: Path, part: str) -> None:
    (folder / part).write_bytes(b"nonsense")
    with pytest.raises(ModelUnavailable, match="can't be loaded"):
        Embedder.load(folder)


def test_a_model_that_differs_from_its_description_is_refused(folder: Path) -> None:
    (folder / "embedder.json").write_text(json.dumps({"window": 12, "digest": "0" * 64}))
    with pytest.raises(ModelUnavailable, match="damaged"):
        Embedder.load(folder)


def test_a_model_for_something_else_is_refused_with_what_it_wants(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    model.graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["B"]))
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelUnavailable, match="pixel_values"):
        Embedder.load(folder)


def test_importing_the_module_imports_no_numerical_package() -> None:
    heavy = "{'numpy', 'onnxruntime', 'tokenizers'}"
    program = f"import sys, cachedistill_sidecar.edge.embedder; print({heavy} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
