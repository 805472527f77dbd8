"""What the docs name is there: pages, anchors, commands, make targets, fields of route documents, reasons."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
import pytest

from cachedistill_sidecar.cli import cachedistill
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.route_parsing import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_BLOCK = re.compile(r"^ *```(?P<language>\w*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


@every_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = _INLINE.sub("", _BLOCK.sub("", page.read_text("utf8")))
    links = [found["target"] for found in _LINK.finditer(text)]
    assert [link for link in links if "://" not in link and not _resolves(page, link)] == []


@every_page
def test_every_json_block_parses_and_every_route_document_is_one(page: Path) -> None:
    for document in _json_blocks(page.read_text("utf8")):
        if "rules" in document:
            parse(orjson.dumps(document))


@every_page
def test_every_command_exists_and_takes_its_options(page: Path) -> None:
    for words in _commands(page.read_text("utf8")):
        _understand(words)


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf8"), re.MULTILINE))
    asked = {line.split()[1] for line in _code(page.read_text("utf8")) if re.match(r"make [a-z]", line)}
    assert asked - targets == set()


def test_every_reason_has_its_line_in_the_troubleshooting_page() -> None:
    page = (ROOT / "docs" / "how-to" / "troubleshoot-by-reason.md").read_text("utf8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {str(reason) for reason in Reason}


def test_every_page_is_linked_from_the_first_one() -> None:
    first = ROOT / "docs" / "README.md"
    linked = {(first.parent / found["target"]).resolve() for found in _LINK.finditer(first.read_text("utf8"))}
    assert [page for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in {*linked, first}] == []


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """GitHub's: in lower case, without punctuation, hyphens for blanks."""
    headings = _HEADING.findall(_BLOCK.sub("", page.read_text("utf8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _json_blocks(text: str) -> Iterator[Any]:
    for block in _BLOCK.finditer(text):
        if block["language"] == "json":
            yield orjson.loads(block["body"])


def _code(text: str) -> Iterator[str]:
    """Lines of shell blocks, with continued lines joined, and inline code."""
    for block in _BLOCK.finditer(text):
        if not block["language"]:
            yield from (line.strip() for line in block["body"].replace("\\\n", " ").splitlines())
    yield from _INLINE.findall(_BLOCK.sub("", text))


def _commands(text: str) -> Iterator[list[str]]:
    """The words of each `cachedistill ...`, without the variables set before it."""
    for line in _code(text):
        if re.match(rf"(?:{_ASSIGNMENT.pattern} )*cachedistill [a-z-]", line):
            words = shlex.split(line)
            yield words[words.index("cachedistill") + 1 :]


def _understand(words: list[str]) -> None:
    """Parse as click would; raises UsageError for a command or an option that isn't there. Nothing is run."""
    command: click.Command = cachedistill
    context = click.Context(command, info_name="cachedistill")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"no such command: {words[0]}")
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    command.make_parser(context).parse_args(args=list(words))
