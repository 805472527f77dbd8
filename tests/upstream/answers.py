"""What the upstream says: the answer of a meaning group, or a sentence that text, system prompt and model decide."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from random import Random

import orjson

from tests.upstream.exchange import Choice, Ending, Prompt, Reply, ToolUse
from tests.upstream.failures import Failure
from tests.upstream.schema import fill

VOCABULARY = (
    "after again along always among answer apple autumn basket because before below beside better between bird "
    "bread bridge bright bring build calm carry castle chair change circle clear cloud coast corner country cross "
    "dance daylight deep early earth east easy evening every field figure fire follow forest found fresh friend "
    "garden gentle glass gold grain grass great green ground grow half hand happy heavy high hill hold home honest "
    "house island keep kind lake large late leaf letter light line listen little long market meadow measure middle "
    "morning mountain music narrow near night north number ocean often open orange order other paper path people "
    "piece place plain plant point quick quiet rain reach ready river road round salt sand season second seed shape "
    "silver simple slow small soft sound south stone story strong summer table tall those thread through today town "
    "travel tree under valley village voice walk warm water weather west where white wide wind window winter wonder"
)
WORDS = VOCABULARY.split()
SENTENCE_WORDS = 30
HUGE_BYTES = 20_000_000
HUGE_PIECE = 65_536
TRUNCATED_TOKENS = 4


def normalise(text: str) -> str:
    """The form under which a query is looked up: one space between words, no case."""
    return " ".join(text.split()).casefold()


def digest(*parts: str) -> str:
    """32 hexadecimal digits of the parts."""
    return hashlib.blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def tokens(words: int) -> int:
    """Tokens of so many words: four for every three, rounded up."""
    return -(-words * 4 // 3)


class Meanings:
    """Which queries mean the same, and what their answer is.

    `groups` maps a query to a group id and `answers` a group id to its answer; a group without an answer gets a
    sentence of its own. An unknown query is its own group: its digest.
    """

    def __init__(self, groups: Mapping[str, str] | None = None, answers: Mapping[str, str] | None = None) -> None:
        self._groups = {normalise(query): group for query, group in (groups or {}).items()}
        self._answers = dict(answers or {})

    def group_of(self, text: str) -> str:
        query = normalise(text)
        return self._groups.get(query) or digest(query)

    def answer(self, prompt: Prompt, index: int = 0) -> str:
        """The text of choice `index`; choices differ unless the group's answer is known."""
        group = self.group_of(prompt.text)
        text = self._answers.get(group) or sentence(digest(prompt.model, prompt.system, group, str(index)))
        if prompt.images:
            text += f" I can see {prompt.images} image{'s' if prompt.images > 1 else ''}."
        return text


def sentence(seed: str) -> str:
    """A sentence of plain words that depends on the seed (hexadecimal) alone."""
    words = Random(int(seed, 16)).choices(WORDS, k=SENTENCE_WORDS)
    return f"{' '.join(words).capitalize()}."


def reply(meanings: Meanings, prompt: Prompt, failure: Failure, *, n: int, created: int, chunk_words: int) -> Reply:
    """The whole answer to a prompt, shaped by the failures that concern what is said and not how it is sent.

    `n` is the number of the call; together with the prompt it makes the reply's id.
    """
    choices = tuple(_choice(meanings, prompt, failure, index, chunk_words) for index in range(prompt.n))
    id = f"{digest(prompt.model, prompt.system, prompt.text)[:20]}{n:06x}"
    return Reply(id, created, prompt, choices, tokens(prompt.words))


def _choice(meanings: Meanings, prompt: Prompt, failure: Failure, index: int, chunk_words: int) -> Choice:
    if tool := _tool_use(prompt, index):
        text = orjson.dumps(tool.arguments).decode()
        return Choice(index, "", _cut(text, 12), "tool", tokens(len(text.split()) + 2), tool)
    if failure.mode == "huge":
        text = "0123456789abcde " * (HUGE_BYTES // 16)
        return Choice(index, text, _cut(text, HUGE_PIECE), "stop", HUGE_BYTES // 12)
    if prompt.schema is not None:
        text = orjson.dumps(fill(prompt.schema, _seed(prompt, index))).decode()
    else:
        text = meanings.answer(prompt, index)
    ending: Ending = "stop"
    limit = TRUNCATED_TOKENS if failure.mode == "truncated" else prompt.max_tokens
    if failure.mode == "filtered":
        text, ending = " ".join(text.split()[:3]), "filtered"
    elif limit is not None and tokens(len(text.split())) > limit:
        text, ending = " ".join(text.split()[: max(1, limit * 3 // 4)]), "length"
    elif failure.mode == "truncated":
        text, ending = text[: len(text) // 2], "length"
    return Choice(index, text, pieces(text, chunk_words), ending, tokens(len(text.split())))


def _tool_use(prompt: Prompt, index: int) -> ToolUse | None:
    asked = prompt.wanted == "forced" or "use the tool" in prompt.text.casefold()
    if not prompt.tools or prompt.wanted == "none" or prompt.after_tool or not asked:
        return None
    tool = prompt.tools[0]
    return ToolUse(tool.name, dict(fill({"type": "object", **tool.schema}, _seed(prompt, index))))


def _seed(prompt: Prompt, index: int) -> int:
    return int(digest(prompt.model, prompt.system, normalise(prompt.text), str(index)), 16)


def pieces(text: str, words: int) -> tuple[str, ...]:
    """The text cut after every so many words; a space belongs to the word that follows it, as tokens do."""
    parts = text.split(" ")
    groups = [" ".join(parts[start : start + words]) for start in range(0, len(parts), words)]
    return tuple(part if start == 0 else f" {part}" for start, part in enumerate(groups))


def _cut(text: str, length: int) -> tuple[str, ...]:
    return tuple(text[start : start + length] for start in range(0, len(text), length))
