"""The labelled data: sets of queries, pairs of queries, pairs of conversations."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int32]

_REPOSITORY = Path(__file__).resolve().parents[2]
_OUT_OF_SCOPE = "oos"


class DataMissing(RuntimeError):
    """A file of the data is not there; the message names it."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Queries and the group each is in: those of one group have the same right answer.

    `groups` int32 [n], numbered from 0 without gaps. Of a group with one member no other query can be answered.
    """

    name: str
    texts: tuple[str, ...]
    groups: Indices

    def part(self, picked: NDArray[np.integer[Any]]) -> LabelledSet:
        """These queries alone, in this order, groups numbered anew."""
        return LabelledSet(self.name, tuple(self.texts[at] for at in picked), numbered(self.groups[picked]))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two queries and whether one answer is right for both."""

    known: str
    asked: str
    same: bool


@dataclass(frozen=True, slots=True)
class ConversationPair:
    """Two conversations in OpenAI's chat format and whether one answer is right for both last messages."""

    known: list[dict[str, Any]]
    asked: list[dict[str, Any]]
    same: bool


def data_home() -> Path:
    """$CACHEDISTILL_DATA, else ../shared/data beside the repository."""
    configured = os.environ.get("CACHEDISTILL_DATA")
    return Path(configured) if configured else _REPOSITORY.parent / "shared" / "data"


def banking77(home: Path) -> LabelledSet:
    """BANKING77: 13,083 customers' questions in 77 intents; train, then test."""
    rows = []
    for part in ("train.csv", "test.csv"):
        with _there(home / "banking77" / part).open(newline="", encoding="utf-8") as file:
            rows += [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return _labelled("banking77", rows)


def clinc150(home: Path) -> LabelledSet:
    """CLINC150: 22,500 requests in 150 intents, and 1,200 out of scope, each of which is a group of its own."""
    parts = json.loads(_there(home / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    rows = [(text, intent) for part in parts.values() for text, intent in part]
    return _labelled("clinc150", rows)


def pairs(home: Path) -> list[Pair]:
    """fow_cache's 600 pairs of queries."""
    rows = _lines(home / "fow_cache" / "pairs.jsonl")
    return [Pair(row["a"], row["b"], row["same_answer"]) for row in rows]


def conversations(home: Path) -> list[ConversationPair]:
    """fow_cache's 240 pairs of conversations."""
    rows: list[dict[str, Any]] = []
    for folder in ("conv-parts", "conv-long"):
        for file in ("billing.jsonl", "retail.jsonl", "services.jsonl"):
            rows += _lines(home / "fow_cache" / folder / file)
    return [ConversationPair(row["a"], row["b"], row["same_answer"]) for row in rows]


def numbered(labels: NDArray[Any]) -> Indices:
    """Labels as numbers from 0 without gaps, in their order."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def _labelled(name: str, rows: Sequence[tuple[str, str]]) -> LabelledSet:
    """Intents are numbered by name; behind them, each query that is out of scope."""
    names = {intent: number for number, intent in enumerate(sorted({row[1] for row in rows} - {_OUT_OF_SCOPE}))}
    groups = np.array([names.get(intent, len(names) + at) for at, (_, intent) in enumerate(rows)])
    return LabelledSet(name, tuple(text for text, _ in rows), numbered(groups))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _there(path).read_text(encoding="utf-8").splitlines() if line]


def _there(path: Path) -> Path:
    if not path.is_file():
        raise DataMissing(f"{path} is missing. CACHEDISTILL_DATA names the folder of the data.")
    return path
