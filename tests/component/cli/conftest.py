"""A provider, a sidecar in front of it, and a way to run others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachedistill_sidecar.local.models import cache_home
from tests.component.cli.command_line import (
    PARAPHRASES,
    QUESTION,
    Environment,
    Process,
    Run,
    certified,
    own_environment,
)
from tests.routes import route_document
from tests.running import Running
from tests.taught import teach_route
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with Running(lambda: Upstream(groups=dict.fromkeys((QUESTION, *PARAPHRASES), "reset"))) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, embedder_folder: Path) -> Path:
    """A $CACHEDISTILL_HOME of the test's own, with the embedder that is there already."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "models").symlink_to(cache_home() / "models")
    return folder


@pytest.fixture
def environment(home: Path) -> Environment:
    return own_environment(home)


@pytest.fixture
def run(environment: Environment) -> Iterator[Run]:
    started: list[Process] = []

    def start(*arguments: str | Path, **variables: str) -> Process:
        started.append(Process([str(each) for each in arguments], environment | variables))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def route_file(tmp_path: Path, provider: Upstream, redis_url: str, cache_name: str, embedder_folder: Path) -> Path:
    file = tmp_path / "route.json"
    document = route_document(provider.url, redis_url=redis_url, cache=cache_name)
    teach_route(document, embedder_folder)
    file.write_text(document.model_dump_json(by_alias=True))
    return file


@pytest.fixture(scope="module")
def shared_cache(request: pytest.FixtureRequest) -> str:
    """The cache of `process`: one a module, for what others have taught in it would count, too."""
    return str(request.module.__name__).rpartition("test_")[2].replace("_", "-")


@pytest.fixture(scope="module")
def process(
    provider: Upstream,
    redis_url: str,
    shared_cache: str,
    embedder_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Process]:
    """A sidecar that tests share and that serves by meaning; they keep apart by asking for another model each."""
    file = tmp_path_factory.mktemp("cli") / "route.json"
    document = route_document(provider.url, redis_url=redis_url, cache=shared_cache)
    teach_route(document, embedder_folder)
    file.write_text(document.model_dump_json(by_alias=True))
    process = Process(["--route", str(file)], own_environment(cache_home()))
    try:
        certified(process.admin_url)
        yield process
    finally:
        process.close()


@pytest.fixture
def model() -> str:
    """A model of the test's own, with the price of gpt-4o-mini."""
    return f"gpt-4o-mini-20{uuid.uuid4().hex}"
