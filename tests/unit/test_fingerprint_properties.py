"""Fingerprints of whatever requests: equal exactly when the provider would have to give the same answer."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.exchange import Query
from tests.unit.dialect_samples import (
    ANTHROPIC,
    AZURE_CHAT,
    OLLAMA_CHAT,
    OPENAI_CHAT,
    RESPONSES,
    SAMPLES,
    STREAMED,
    Json,
    Sample,
    called,
)

# Orders of fields and kinds of numbers count here: 1, 1.0 and true are different values of JSON.
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -0.0]) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)
# No provider has fields of such names, today.
NAME = st.sampled_from("abc").map("x-{}".format)
TURN = st.tuples(st.sampled_from(["user", "assistant"]), st.text("ab ", min_size=1, max_size=3))
TEXT = st.text(min_size=1, max_size=20).filter(lambda text: not text.isspace())

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=called)
every_chat = pytest.mark.parametrize("sample", [OPENAI_CHAT, AZURE_CHAT, RESPONSES, ANTHROPIC, OLLAMA_CHAT], ids=called)


def literal(value: Any) -> Any:
    """A value that equals another one exactly when they are the same JSON value."""
    if isinstance(value, dict):
        return {name: literal(inner) for name, inner in value.items()}
    return [literal(inner) for inner in value] if isinstance(value, list) else repr(value)


def shuffled(value: Any, dice: random.Random) -> Any:
    """The same JSON value with the fields of all its objects in another order."""
    if isinstance(value, list):
        return [shuffled(inner, dice) for inner in value]
    if not isinstance(value, dict):
        return value
    return {name: shuffled(value[name], dice) for name in dice.sample(list(value), len(value))}


def asked(sample: Sample, turns: list[tuple[str, str]], last: str) -> Query:
    """A conversation whose last turn is the user's."""
    messages = [{"role": role, "content": text} for role, text in (*turns, ("user", last))]
    return sample.query(**{"input" if sample is RESPONSES else "messages": messages})


@every_sample
@given(left=st.dictionaries(NAME, VALUE, max_size=2), right=st.dictionaries(NAME, VALUE, max_size=2))
def test_fields_that_nobody_knows_yet_are_told_apart(sample: Sample, left: Json, right: Json) -> None:
    same = literal(left) == literal(right)
    assert (sample.query(**left).shape == sample.query(**right).shape) == same


@every_sample
@given(more=st.dictionaries(NAME, VALUE, max_size=2), dice=st.randoms(use_true_random=False))
def test_neither_order_nor_blanks_of_a_body_count(sample: Sample, more: Json, dice: random.Random) -> None:
    body = sample.request | sample.transport | more
    again: Json = orjson.loads(orjson.dumps(shuffled(body, dice), option=orjson.OPT_INDENT_2))
    one, other = (
        sample.dialect.query(each, sample.path, sample.query_string, sample.headers) for each in (body, again)
    )
    assert (one.shape, one.text, one.model) == (other.shape, other.text, other.model)


@every_sample
@given(data=st.data())
def test_any_of_the_fields_that_only_concern_the_way_may_be_there(sample: Sample, data: st.DataObject) -> None:
    some = data.draw(st.sets(st.sampled_from(sorted(sample.transport)))) if sample.transport else set()
    query = sample.query(**{name: sample.transport[name] for name in some})
    assert (query.shape, query.text) == (sample.query().shape, sample.query().text)


@every_chat
@given(left=st.lists(TURN, max_size=3), right=st.lists(TURN, max_size=3))
def test_histories_are_equal_exactly_when_all_turns_with_their_roles_are(
    sample: Sample, left: list[tuple[str, str]], right: list[tuple[str, str]]
) -> None:
    assert (asked(sample, left, "Why?").shape == asked(sample, right, "Why?").shape) == (left == right)


@every_chat
@given(turns=st.lists(TURN, max_size=3), dice=st.randoms(use_true_random=False))
def test_what_moves_from_one_turn_to_the_next_counts(
    sample: Sample, turns: list[tuple[str, str]], dice: random.Random
) -> None:
    """The whole text stays the same; only the borders of the turns are elsewhere."""
    texts = [text for _, text in (*turns, ("user", "Why is that so?"))]
    whole, cuts = "".join(texts), sorted(dice.choices(range(len("".join(texts))), k=len(turns)))
    moved = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    again = [(role, text) for (role, _), text in zip(turns, moved, strict=False)]
    one, other = asked(sample, turns, texts[-1]), asked(sample, again, moved[-1])
    assert ((one.shape, one.text) == (other.shape, other.text)) == (texts == moved)


@pytest.mark.parametrize("sample", STREAMED, ids=called)
@given(text=TEXT, other=TEXT)
def test_the_last_text_alone_never_changes_the_shape(sample: Sample, text: str, other: str) -> None:
    one, two = (sample.query(**{last_field(sample): last_value(sample, each)}) for each in (text, other))
    assert (one.text, two.text) == (text, other)
    assert one.shape == two.shape


def last_field(sample: Sample) -> str:
    """Where a request has its text, or its turns."""
    return next(name for name in ("messages", "input", "prompt") if name in sample.request)


def last_value(sample: Sample, text: str) -> Any:
    """A single turn of that text, as the field takes it."""
    return [{"role": "user", "content": text}] if last_field(sample) == "messages" else text
