"""A route document says what is wrong with it: each field by name, with what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from cachedistill_sidecar.route import Route, model_at
from cachedistill_sidecar.route_document import Fallback, Provider, Redis, RouteDocument, RouteError
from cachedistill_sidecar.route_parsing import parse

Json = dict[str, Any]
GOOD: Json = {
    "name": "chat",
    "caches": [{"name": "support", "redis": {"url": "redis://r:6379"}}],
    "rules": [{"name": "all", "cache": {"ref": "support"}, "fallbacks": ["cloud"]}],
    "fallbacks": [{"name": "cloud", "endpoint": {"url": "https://api.openai.com", "dialect": "OpenAI"}}],
}


def changed(path: str, value: Any) -> Json:
    """The good document with the field at a dotted path set."""
    document: Any = orjson.loads(orjson.dumps(GOOD))
    place = document
    *parents, last = path.split(".")
    for name in parents:
        place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
    place[int(last) if last.isdigit() else last] = value
    return dict(document)


def problems(document: Json) -> str:
    with pytest.raises(RouteError) as error:
        parse(orjson.dumps(document))
    return str(error.value)


def test_a_document_with_the_least_that_it_takes_is_read() -> None:
    document = parse(orjson.dumps(GOOD))
    assert document.fallbacks[0].endpoint.dialect is Provider.OPENAI
    assert document.caches[0].ttl_seconds == 86400


def test_a_document_survives_being_written_and_read() -> None:
    document = parse(orjson.dumps(GOOD))
    assert parse(document.model_dump_json(by_alias=True, exclude_none=True)) == document


WRONG: list[tuple[str, Any, list[str]]] = [
    ("bogus", 1, ["bogus: is not a field"]),
    ("caches.0.ttl", 5, ["caches.0.ttl: is not a field"]),
    ("apiVersion", "v2", ["apiVersion", "route.cachedistill.dev/v1"]),
    ("name", "No Spaces", ["name", "pattern"]),
    ("rules", [], ["rules", "at least 1"]),
    ("fallbacks.0.endpoint.dialect", "Gemini", ["dialect", "'OpenAI', 'Anthropic', 'AzureOpenAI' or 'Ollama'"]),
    ("fallbacks.0.endpoint.url", "api.openai.com", ["url", "https://api.openai.com"]),
    ("fallbacks.0.endpoint.url", "https://h/?x=1", ["url", "without query"]),
    ("fallbacks.0.price", {"inputPerMillion": 2.5, "outputPerMillion": "1"}, ["inputPerMillion", "string"]),
    ("fallbacks.0.energy", {"inputJoulesPerToken": "1"}, ["energy", "inputJoulesPerToken and outputJoulesPerToken"]),
    ("fallbacks.0.timeouts.connectSeconds", 0, ["connectSeconds", "greater than or equal to 1"]),
    ("fallbacks.0.retry.attempts", "2", ["attempts", "integer"]),
    ("caches.0.scope", "Everybody", ["scope", "'Namespace', 'Tenant' or 'User'"]),
    ("caches.0.scope", "Tenant", ["caches.0", "tenantHeader must be set"]),
    ("caches.0.scope", "User", ["caches.0", "userHeader must be set"]),
    ("caches.0.redis", {"url": "http://r"}, ["url", "redis://"]),
    ("caches.0.redis", {}, ["redis", "exactly one of url and urlFile"]),
    ("caches.0.redis", {"url": "redis://r", "urlFile": "/f"}, ["redis", "exactly one of url and urlFile"]),
    ("rules.0.cache.ref", "other", ["rules.all.cache.ref", "'other'", "['support']"]),
    ("rules.0.fallbacks", ["other"], ["rules.all.fallbacks", "'other'", "['cloud']"]),
    ("rules.0.cache.conversations", "Always", ["conversations", "'Off', 'FirstTurn' or 'SameHistory'"]),
    ("rules.0.cache.semantic", {"maxErrorPermille": 501}, ["maxErrorPermille", "500"]),
    ("rules.0.cache.semantic", {"verifyPermille": -1}, ["verifyPermille", "0"]),
    ("rules.0.cache.semantic", {"similarityPermille": 900}, ["similarityPermille", "is not a field"]),
    ("rules.0.cache.semantic", {"judge": {"fallback": "cloud", "requestsPerHour": 0}}, ["requestsPerHour", "1"]),
    (
        "rules.0.cache.semantic",
        {"judge": {"fallback": "other"}},
        ["rules.all.cache.semantic.judge.fallback", "'other'", "['cloud']"],
    ),
    ("fallbacks", GOOD["fallbacks"] * 2, ["fallbacks", "'cloud' is there twice"]),
    ("caches", GOOD["caches"] * 2, ["caches", "'support' is there twice"]),
    ("telemetry", {"endpoint": "collector:4317"}, ["telemetry.endpoint", "^https?://"]),
]


@pytest.mark.parametrize("dialect", ["AzureOpenAI", "Ollama"])
def test_a_judge_speaks_openai_or_anthropic(dialect: str) -> None:
    document = changed("rules.0.cache.semantic", {"judge": {"fallback": "cloud"}})
    assert parse(orjson.dumps(document)).rules[0].cache is not None
    document["fallbacks"][0]["endpoint"]["dialect"] = dialect
    sentence = problems(document)
    assert all(word in sentence for word in ("judge.fallback", "'cloud'", f"speaks {dialect}", "OpenAI or Anthropic"))


@pytest.mark.parametrize(("path", "value", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_field_is_named_with_what_it_takes(path: str, value: Any, words: list[str]) -> None:
    sentence = problems(changed(path, value))
    assert all(word in sentence for word in words), sentence


def test_all_that_is_wrong_is_told_at_once() -> None:
    sentence = problems(changed("bogus", 1) | {"carbon": {"gramsPerKilowattHour": -1}})
    assert len(sentence.splitlines()) == 2


def test_what_is_no_json_is_told_where() -> None:
    with pytest.raises(RouteError, match="line 1 column"):
        parse(b'{"name": }')


def test_the_url_of_a_redis_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://:secret@r:6379\n")
    assert Redis(url_file=str(file)).resolve() == "redis://:secret@r:6379"
    file.write_text("secret")
    with pytest.raises(RouteError, match=r"redis\.urlFile: must be"):
        Redis(url_file=str(file)).resolve()
    with pytest.raises(RouteError, match=r"redis\.urlFile"):
        Redis(url_file=str(tmp_path / "gone")).resolve()


def test_the_first_name_that_matches_is_a_models_name_at_a_fallback() -> None:
    fallback = Fallback.model_validate(
        GOOD["fallbacks"][0] | {"models": [{"from": "gpt-4o*", "to": "one"}, {"from": "*", "to": "two"}]}
    )
    assert [model_at(fallback, name) for name in ("gpt-4o", "gpt-4o-mini", "o1")] == ["one", "one", "two"]


def test_only_fallbacks_that_speak_the_dialect_are_asked_in_the_rules_order() -> None:
    def speaking(name: str, dialect: str) -> Json:
        return {"name": name, "endpoint": {"url": "http://h", "dialect": dialect}}

    fallbacks = [speaking("a", "OpenAI"), speaking("b", "Anthropic"), speaking("c", "OpenAI")]
    rule = {"name": "all", "fallbacks": ["c", "b", "a"]}
    route = Route(RouteDocument.model_validate(GOOD | {"fallbacks": fallbacks, "rules": [rule]}))
    taken = route.rule("/v1/chat/completions", "gpt-4o", {})
    assert [each.name for each in route.fallbacks(taken, Provider.OPENAI)] == ["c", "a"]
    assert [each.name for each in route.fallbacks(taken, Provider.ANTHROPIC)] == ["b"]
    assert [each.name for each in route.fallbacks(None, Provider.OPENAI)] == ["a", "c"]


def test_a_glob_matches_the_whole_name_and_its_case() -> None:
    match = {"models": ["gpt-4o"]}
    route = Route(RouteDocument.model_validate(GOOD | {"rules": [GOOD["rules"][0] | {"match": match}]}))
    assert [route.rule("/", name, {}) is not None for name in ("gpt-4o", "gpt-4o-mini", "GPT-4o")] == [
        True,
        False,
        False,
    ]
