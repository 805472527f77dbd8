"""Whatever comes in, a dialect understands it or says that it doesn't; nothing else is ever raised."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachedistill_sidecar.dialects import NotUnderstood
from tests.unit.dialect_samples import SAMPLES, STREAMED, Json, Sample, answers, called

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BITE = st.tuples(st.randoms(use_true_random=False), ANY)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with every key into it."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in keys for place in [(value, key), *places(inner)]]


def bitten(body: Json, dice: random.Random, new: Any) -> Json:
    """A copy in which one value, anywhere, is missing or something else."""
    copy: Json = orjson.loads(orjson.dumps(body))
    container, key = dice.choice(places(copy))
    if dice.random() < 0.2:
        del container[key]
    else:
        container[key] = new
    return copy


def judge(sample: Sample, body: Json) -> None:
    """Read an answer; if it is understood, it can be rendered and put together again."""
    try:
        answer = sample.dialect.answer(body)
    except NotUnderstood:
        return
    orjson.dumps(sample.dialect.render(answer, sample.query()))
    if sample in STREAMED:
        list(sample.dialect.render_stream(answer, sample.query(), [answer.text]))


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
@given(body=st.dictionaries(st.text(max_size=8), ANY, max_size=4), bite=BITE)
def test_any_request_is_a_query_or_not_understood(sample: Sample, body: Json, bite: tuple[random.Random, Any]) -> None:
    for request in (body, sample.request | body, bitten(sample.request | sample.transport, *bite)):
        try:
            sample.dialect.query(request, sample.path, "", {})
        except NotUnderstood:
            continue


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
@given(body=st.dictionaries(st.text(max_size=8), ANY, max_size=4))
def test_any_body_is_an_answer_or_not_understood(sample: Sample, body: Json) -> None:
    judge(sample, body)


@pytest.mark.parametrize(("sample", "name"), answers(SAMPLES), ids=called)
@settings(max_examples=40)
@given(bite=BITE)
def test_an_answer_with_one_thing_wrong_is_understood_or_not(
    sample: Sample, name: str, bite: tuple[random.Random, Any]
) -> None:
    judge(sample, bitten(sample.answers[name], *bite))


@pytest.mark.parametrize("sample", STREAMED, ids=called)
@given(data=st.binary(max_size=20) | ANY.map(orjson.dumps))
def test_any_event_is_taken_or_not_understood(sample: Sample, data: bytes) -> None:
    try:
        sample.dialect.stream_parser().feed(data)
    except NotUnderstood:
        return


@pytest.mark.parametrize(("sample", "name"), answers(STREAMED), ids=called)
@settings(max_examples=40)
@given(bites=st.lists(BITE, min_size=1, max_size=3))
def test_a_stream_with_things_wrong_is_understood_or_not(
    sample: Sample, name: str, bites: list[tuple[random.Random, Any]]
) -> None:
    answer = sample.dialect.answer(sample.answers[name])
    stream = b"".join(sample.dialect.render_stream(answer, sample.query(), [answer.text]))
    events = [orjson.loads(event) for event in sample.dialect.decoder().feed(stream) if event != b"[DONE]"]
    for dice, new in bites:
        index = dice.randrange(len(events))
        events[index] = bitten(events[index], dice, new) if places(events[index]) else new
    parser = sample.dialect.stream_parser()
    try:
        for event in [*map(orjson.dumps, events), b"[DONE]"]:
            parser.feed(event)
    except NotUnderstood:
        return
    if parser.answer is not None:
        judge(sample, sample.dialect.render(parser.answer, sample.query()))


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
def test_a_request_nested_too_deep_is_not_understood(sample: Sample) -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(NotUnderstood):
        sample.query(metadata_of_ours=deep)
