"""`cachedistill route`."""

from __future__ import annotations

import json
from pathlib import Path

from cachedistill_sidecar.cli.default_route import default_route
from tests.component.cli.command_line import (
    cachedistill,
    one_sentence,
)
from tests.upstream import Upstream


def test_a_good_route_document_is_summed_up(route_file: Path, provider: Upstream) -> None:
    result = cachedistill("route", "check", route_file)
    assert result.returncode == 0
    assert result.stdout.startswith("ok: default/test\n")
    assert "(by meaning, at most 500 permille wrong); fallbacks openai, anthropic, azureopenai, ollama" in result.stdout
    assert f"fallback openai: OpenAI at {provider.url}; the app's own key" in result.stdout


def test_a_password_in_a_redis_url_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "route.json"
    file.write_text(default_route("redis://me:secret@redis.example:6379/0").model_dump_json(by_alias=True))
    shown = cachedistill("route", "check", file).stdout
    assert "redis://redis.example:6379/0" in shown
    assert "secret" not in shown


def test_every_wrong_field_is_named_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "route.json"
    file.write_text('{"name": "x", "rules": [{"name": "all", "fallbacks": "cloud"}], "extra": 1}')
    for command in (("route", "check", file), ("run", "--port", "0", "--admin-port", "0", "--route", file)):
        lines = one_sentence(cachedistill(*command)).splitlines()
        fields = ("rules.0.fallbacks: ", "fallbacks: ", "extra: ")
        assert [field in line for field, line in zip(fields, lines, strict=True)] == [True, True, True]


def test_a_missing_route_document_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    for command in (("route", "check", missing), ("run", "--port", "0", "--admin-port", "0", "--route", missing)):
        assert one_sentence(cachedistill(*command)) == f"Error: {missing}: No such file or directory\n"


def test_the_schema_tells_the_fields_in_the_documents_own_spelling() -> None:
    schema = json.loads(cachedistill("route", "schema").stdout)
    assert "failurePolicy" in schema["properties"]
    assert "maxErrorPermille" in schema["$defs"]["Semantic"]["properties"]
