"""`cachedistill index` builds and lists; what is wrong is one sentence."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from redis import Redis

from cachedistill_sidecar.local.models import DEFAULT, MINILM
from tests.component.cli.command_line import QUESTION, Process, cachedistill, learn, one_sentence


@pytest.fixture
def url_file(tmp_path: Path, redis_url: str) -> Path:
    file = tmp_path / "url"
    file.write_text(f"{redis_url}\n")
    return file


def test_a_build_tells_its_progress_and_ends_with_the_index(
    process: Process, redis_url: str, shared_cache: str, url_file: Path, model: str
) -> None:
    learn(redis_url, f"{process.url}/v1", QUESTION, model)
    options = ("--cache", shared_cache, "--redis-url-file", url_file)
    result = cachedistill("index", "build", *options, "--model", MINILM)
    assert result.returncode == 0, result.stderr
    assert "embedded" in result.stderr
    told = orjson.loads(result.stdout)
    assert (told["model"], told["dimensions"]) == (MINILM, 384)
    assert told["documents"] >= told["embedded"] >= 1
    with Redis.from_url(redis_url) as client:
        registered = orjson.loads(client.hget(f"cachedistill:{shared_cache}:indexes", MINILM))
    assert registered == {name: told[name] for name in ("index", "digest", "dimensions", "documents")}
    listed = [orjson.loads(line) for line in cachedistill("index", "list", *options).stdout.splitlines()]
    assert {each["index"]: each["model"] for each in listed}[told["index"]] == MINILM
    assert [each["model"] for each in listed].count(None) == 1


@pytest.mark.parametrize(
    ("url", "model", "told"),
    [
        ("http://r", DEFAULT, "must be one of redis://"),
        ("redis://127.0.0.1:1", DEFAULT, "127.0.0.1:1"),
        ("redis+cluster://127.0.0.1:1", DEFAULT, "Cluster"),
        ("redis+sentinel://127.0.0.1:1/entries", DEFAULT, "No master found for 'entries'"),
        (None, "no-such-model", "Unknown embedder 'no-such-model'"),
    ],
)
def test_what_is_wrong_is_one_sentence(url_file: Path, url: str | None, model: str, told: str) -> None:
    if url is not None:
        url_file.write_text(url)
    result = cachedistill("index", "build", "--cache", "none", "--redis-url-file", url_file, "--model", model)
    assert told in one_sentence(result)
    assert result.stdout == ""


def test_a_missing_url_file_and_a_wrong_name_are_told(tmp_path: Path, url_file: Path) -> None:
    missing = cachedistill("index", "list", "--cache", "answers", "--redis-url-file", tmp_path / "none")
    assert "No such file" in one_sentence(missing)
    wrong = cachedistill("index", "list", "--cache", "An Answer", "--redis-url-file", url_file)
    assert "--cache: must be" in one_sentence(wrong)
