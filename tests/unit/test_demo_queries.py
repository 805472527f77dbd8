"""The demo's figures rest on its queries, so here is what these promise.

A line of `queries.jsonl` is `{"query", "group", "kind"}`, in the order of arrival. Two lines deserve the same answer
exactly if they share a group, so a hit that crosses groups is a wrong hit. The kinds:

- `first`: opens its group, so no cheap tier can know the answer yet.
- `repeat`: a string that came before, to the letter.
- `paraphrase`: a new wording in a group that came before.
- `lookalike`: a new wording that closely resembles an earlier line of another group.
- `other`: must not be answered from a cache: bound to the moment (groups `live-*`) or a request for code (`code-*`).
"""

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

DEMO = Path(__file__).parents[2] / "examples" / "demo"

# Share of letters in common, in order. The least similar pair has .71. Without its twin, a lookalike's next best stays
# below .68 in all cases but two, so that a lookalike which arrives before its twin is found.
RESEMBLANCE = 0.68


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    query: str = Field(min_length=3, max_length=200)
    group: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    kind: Literal["first", "repeat", "paraphrase", "lookalike", "other"]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    text = (DEMO / "queries.jsonl").read_text(encoding="utf-8")
    return [Line.model_validate_json(row) for row in text.splitlines()]


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    return TypeAdapter(dict[str, str]).validate_json((DEMO / "answers.json").read_bytes())


def plain(text: str) -> str:
    """The words alone: what is left when case, punctuation and blanks don't count."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def resemblance(a: str, b: str) -> float:
    return SequenceMatcher(None, a.casefold(), b.casefold(), autojunk=False).ratio()


def test_the_list_is_as_long_and_as_varied_as_promised(lines: list[Line]) -> None:
    kinds = Counter(line.kind for line in lines)
    assert 280 <= len(lines) <= 340
    assert len({line.group for line in lines}) >= 55
    assert kinds["lookalike"] >= 40
    assert 0.2 <= kinds["repeat"] / len(lines) <= 0.3
    assert kinds["other"] >= 5


def test_every_group_has_an_answer_and_every_answer_a_group(lines: list[Line], answers: dict[str, str]) -> None:
    assert {line.group for line in lines} == set(answers)


def test_answers_differ_from_each_other(answers: dict[str, str]) -> None:
    assert all(plain(answer) for answer in answers.values())
    assert len({plain(answer) for answer in answers.values()}) == len(answers)


def test_a_wording_belongs_to_one_group(lines: list[Line]) -> None:
    owner: dict[str, str] = {}
    for line in lines:
        assert owner.setdefault(plain(line.query), line.group) == line.group, line.query


def test_a_line_is_a_repeat_exactly_if_its_string_came_before(lines: list[Line]) -> None:
    seen: dict[str, str] = {}
    for line in lines:
        assert (line.kind == "repeat") == (line.query in seen), line.query
        assert seen.setdefault(line.query, line.group) == line.group, line.query


def test_a_first_opens_its_group_and_a_paraphrase_follows_in_it(lines: list[Line]) -> None:
    opened: set[str] = set()
    for line in lines:
        if line.kind == "first":
            assert line.group not in opened, line.query
        if line.kind in ("repeat", "paraphrase"):
            assert line.group in opened, line.query
        opened.add(line.group)


def test_a_lookalike_resembles_an_earlier_line_of_another_group(lines: list[Line]) -> None:
    for place, line in enumerate(lines):
        if line.kind == "lookalike":
            foreign = {earlier.query for earlier in lines[:place] if earlier.group != line.group}
            assert max(resemblance(line.query, query) for query in foreign) >= RESEMBLANCE, line.query


def test_what_a_cache_must_not_answer_is_told_by_its_group(lines: list[Line]) -> None:
    for line in lines:
        assert (line.kind == "other") == line.group.startswith(("live-", "code-")), line.query


def test_groups_are_interleaved(lines: list[Line]) -> None:
    assert sum(a.group == b.group for a, b in pairwise(lines)) < len(lines) / 10
