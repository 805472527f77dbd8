"""Where `cachedistill run` finds the models that a route names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cachedistill_sidecar.edge.embedder import ModelUnavailable

FOLDER = "CACHEDISTILL_MODELS"


class ModelFinder:
    """From the name in `embedding.model` to a folder: $CACHEDISTILL_MODELS/NAME, else prepared on this machine.

    Images bring their models in that folder, so that nothing is downloaded in a cluster.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()

    def __call__(self, name: str) -> Path:
        """Blocks while a model is prepared. Raises ModelUnavailable or ValueError."""
        folder = os.environ.get(FOLDER)
        # A name, never a path: Path("/models") / "/elsewhere" would be /elsewhere.
        if folder and Path(name).name == name and (Path(folder) / name).is_dir():
            return Path(folder) / name
        from cachedistill_sidecar.local.models import ModelPreparationError, prepare_embedder

        if name not in self._told:
            self._told.add(name)
            self._say(
                f"Embedder: {name} (a built-in one is downloaded and built at the first time; that takes a while)."
            )
        try:
            return prepare_embedder(name)
        except ModelPreparationError as error:
            raise ModelUnavailable(str(error)) from error
