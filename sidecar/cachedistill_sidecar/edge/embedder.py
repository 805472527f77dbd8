"""Text to a unit vector, by an ONNX sentence encoder on the CPU.

Works with the folder that `local/models.py` builds and with any other that has model.onnx and tokenizer.json, as
sentence-transformers and optimum export them. Numerical packages are imported when a model is loaded, not before:
a sidecar without an embedder doesn't pay for them.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

WAITING = 64  # queries; more than that wait longer than a fallback's first token would take
CACHED = 1024  # vectors; 1.5 MB at 384 dimensions
DEFAULT_WINDOW = 256  # tokens, for a model that doesn't tell
CHARACTERS_PER_TOKEN = 16  # prose has 4 to 5, so a text with more of them than that per token of the window is too long
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class ModelUnavailable(RuntimeError):
    """The embedder can't be loaded; the message says what is wrong with the folder or the installation."""


class Overloaded(RuntimeError):
    """Too many queries wait for the embedder already: go on without it."""


class Embedder:
    """A loaded model with one worker thread, which embeds one text at a time in the order of arrival.

    Not in batches: on CPUs they cost more than they save. Measured with questions of 15 tokens sorted by length, one
    thread: 485 texts a second singly, 457 in batches of 4, 343 of 16, 136 of 64. So nobody waits for a companion, and
    a text has the same vector whatever else is going on.

    Attributes: `digest` (hex) names the embedding space, vectors of different digests don't compare; `dimensions` of
    a vector; `window`, the longest text in tokens.
    """

    def __init__(self, session: Any, tokenizer: Any, *, digest: str, window: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = {each.name for each in session.get_inputs()}
        self._output = _output_name(session)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._waiting = 0
        self._cache: OrderedDict[bytes, Vector] = OrderedDict()
        self.digest = digest
        self.window = window
        self.dimensions = len(self._infer([0]))

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> Self:
        """Loads model.onnx and tokenizer.json. Raises ModelUnavailable.

        One thread by default: with two, texts of up to 32 tokens come 0 to 25 % sooner for twice the CPU time.
        """
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as missing:
            raise ModelUnavailable(
                f"The embedder needs the package {missing.name}: run `pip install 'cachedistill[sidecar]'`."
            ) from missing
        for part in ("model.onnx", "tokenizer.json"):
            if not (folder / part).is_file():
                raise ModelUnavailable(f"{folder} is no embedder: it has no {part}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            window = _window(folder, tokenizer)
            tokenizer.no_truncation()
            tokenizer.no_padding()
            model = str(folder / "model.onnx")
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            return cls(session, tokenizer, digest=_digest(folder), window=window)
        except ModelUnavailable:
            raise
        except Exception as error:  # both packages raise bare Exceptions and a dozen classes of their own
            raise ModelUnavailable(f"The embedder in {folder} can't be loaded: {error}") from error

    def tokenize(self, text: str) -> list[int] | None:
        """Token ids with the model's special tokens; None when there are more than `window`. Cheap for huge texts."""
        if len(text) > self.window * CHARACTERS_PER_TOKEN:
            return None
        # A JSON string may hold half a surrogate pair, which no tokenizer takes.
        ids: list[int] = self._tokenizer.encode(text.encode("utf-8", "replace").decode()).ids
        return ids if len(ids) <= self.window else None

    async def embed(self, text: str) -> "Vector | None":
        """The text's vector, float32 [dimensions] of unit norm, read-only; None when it's longer than the window.

        Raises Overloaded when WAITING others wait. Cancelling takes the text out of the queue.
        """
        if len(text) > self.window * CHARACTERS_PER_TOKEN:
            return None
        key = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        if self._waiting >= WAITING:
            raise Overloaded(f"{self._waiting} texts wait for the embedder.")
        self._waiting += 1
        try:
            vector = await asyncio.get_running_loop().run_in_executor(self._worker, self._embed, text)
        finally:
            self._waiting -= 1
        if vector is not None:
            self._cache[key] = vector
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return vector

    def close(self) -> None:
        """Answers what is queued, then ends the worker thread."""
        self._worker.shutdown(wait=True)

    def _embed(self, text: str) -> "Vector | None":
        ids = self.tokenize(text)
        return None if ids is None else self._infer(ids)

    def _infer(self, ids: list[int]) -> "Vector":
        import numpy as np

        tokens = np.array([ids], np.int64)
        feeds = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        output = self._session.run([self._output], {name: feeds[name] for name in self._inputs})[0][0]
        pooled = output.mean(axis=0) if output.ndim == 2 else output  # token vectors [S, D], or one [D]
        vector: Vector = (pooled / max(float(np.linalg.norm(pooled)), 1e-12)).astype(np.float32)
        vector.setflags(write=False)
        return vector


def _output_name(session: Any) -> str:
    """The pooled output where there is one (sentence-transformers names it so), else the first. Checks the inputs."""
    if unknown := {each.name for each in session.get_inputs()} - _INPUTS:
        raise ModelUnavailable(f"The model is no sentence encoder: it wants {', '.join(sorted(unknown))}.")
    names: list[str] = [each.name for each in session.get_outputs()]
    return "sentence_embedding" if "sentence_embedding" in names else names[0]


def _window(folder: Path, tokenizer: Any) -> int:
    described = folder / "embedder.json"
    if described.is_file():
        return int(json.loads(described.read_text())["window"])
    return int(tokenizer.truncation["max_length"]) if tokenizer.truncation else DEFAULT_WINDOW


def _digest(folder: Path) -> str:
    """SHA-256 over model.onnx, then tokenizer.json (20 ms for 24 MB). embedder.json, where it is, must agree."""
    digest = hashlib.sha256()
    for part in ("model.onnx", "tokenizer.json"):
        with (folder / part).open("rb") as file:
            while chunk := file.read(1 << 18):
                digest.update(chunk)
    described = folder / "embedder.json"
    if described.is_file() and json.loads(described.read_text())["digest"] != digest.hexdigest():
        raise ModelUnavailable(
            f"The model in {folder} is damaged: its digest differs from embedder.json. Delete the folder."
        )
    return digest.hexdigest()
