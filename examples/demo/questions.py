"""What is asked in the demo, and what the right answer would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from cachedistill_sidecar.cli.replay.log import Call

MODEL = "gpt-4o-mini"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Questions:
    """`asked`: queries in the order of arrival; `groups`: query to meaning; `answers`: meaning to its right answer."""

    asked: tuple[str, ...]
    groups: Mapping[str, str]
    answers: Mapping[str, str]


def read_questions() -> Questions:
    """The questions and answers that lie beside this file."""
    lines = [orjson.loads(line) for line in (_FOLDER / "queries.jsonl").read_bytes().splitlines()]
    answers = orjson.loads((_FOLDER / "answers.json").read_bytes())
    groups = {line["query"]: line["group"] for line in lines}
    return Questions(tuple(line["query"] for line in lines), groups, answers)


def call(line: int, query: str, *, model: str = MODEL, key: str) -> Call:
    """One question as a request of the OpenAI SDK."""
    body = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": query}]}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}", "x-cachedistill-debug": "1"}
    return Call(line, "/v1/chat/completions", orjson.dumps(body), headers)
