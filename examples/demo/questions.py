"""What is asked in the demo, and what the right answer would be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from cachedistill_sidecar.cli.replay.log import Call

MODEL = "gpt-4o-mini"
DAYS = 5
_FOLDER = Path(__file__).parent
_ENDS = (".", "?", "!")


@dataclass(frozen=True, slots=True)
class Questions:
    """`asked`: queries in the order of arrival; `groups`: query to meaning; `answers`: meaning to its right answer."""

    asked: tuple[str, ...]
    groups: Mapping[str, str]
    answers: Mapping[str, str]


def read_questions() -> Questions:
    """The questions and answers that lie beside this file, as other people ask them again in the days after."""
    lines = [orjson.loads(line) for line in (_FOLDER / "queries.jsonl").read_bytes().splitlines()]
    answers = orjson.loads((_FOLDER / "answers.json").read_bytes())
    first_day = [(line["query"], line["group"]) for line in lines]
    days = [first_day, *(list(_day_after(first_day, number)) for number in range(1, DAYS))]
    asked = [each for day in days for each in day]
    return Questions(tuple(query for query, _ in asked), dict(asked), answers)


def call(line: int, query: str, *, model: str = MODEL, key: str) -> Call:
    """One question as a request of the OpenAI SDK."""
    body = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": query}]}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}", "x-cachedistill-debug": "1"}
    return Call(line, "/v1/chat/completions", orjson.dumps(body), headers)


def _day_after(first_day: list[tuple[str, str]], number: int) -> Iterator[tuple[str, str]]:
    """The same in another order; whoever asks has another manner, the same for all who ask the very same thing."""
    at = {query: place for place, (query, _) in enumerate(first_day)}
    for query, group in random.Random(number).sample(first_day, len(first_day)):
        yield _MANNERS[(at[query] + number) % len(_MANNERS)](query), group


def _ended(query: str) -> str:
    return query if query.endswith(_ENDS) else f"{query}."


def _hasty(query: str) -> str:
    """Without the mark at its end, and without a capital at its beginning."""
    return (query[0].lower() + query[1:]).rstrip("".join(_ENDS) + " ")


_MANNERS: tuple[Callable[[str], str], ...] = (
    lambda query: f"Hi! {query}",
    lambda query: f"{_ended(query)} Thanks!",
    lambda query: f"Quick question: {query}",
    _hasty,
    lambda query: f"Hello, {query[0].lower() + query[1:]}",
    lambda query: f"{_ended(query)} Many thanks in advance.",
)
