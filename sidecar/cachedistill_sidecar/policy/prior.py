"""What is believed before a deployment has labels of its own: weights fitted on openly licensed queries.

`prior.json` is written by `python -m bench.prior`, which tells what it is fitted on.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files

import numpy as np
import orjson

from cachedistill_sidecar.policy.calibrator import Calibrator, Prior
from cachedistill_sidecar.policy.neighbourhood import NAMES


class PriorDamaged(RuntimeError):
    """The shipped prior is not what was fitted; the message says how."""


@lru_cache(maxsize=1)
def shipped() -> Prior:
    """The prior of this version. Raises PriorDamaged."""
    document = orjson.loads(files(__package__).joinpath("prior.json").read_bytes())
    if digest(document["features"], document["information"]) != document["digest"]:
        raise PriorDamaged("prior.json differs from its digest: install the package anew")
    if [name for name, *_ in document["features"]] != list(NAMES):
        raise PriorDamaged("prior.json is of other features: run `python -m bench.prior`")
    weights, centre, scale = np.array([numbers for _, *numbers in document["features"]]).T
    return Prior(Calibrator(weights, centre, scale), np.array(document["information"]))


def digest(features: list[list[str | float]], information: list[list[float]]) -> str:
    """SHA-256 over the features' names, weights, centres and scales, and the information."""
    return hashlib.sha256(orjson.dumps([features, information])).hexdigest()
