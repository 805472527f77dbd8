"""`python -m examples.demo`: what a sidecar does for an app, in half a minute."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time

import aiohttp
import uvloop
from rich.console import Console

from cachedistill_sidecar.cli.admin_port import AdminPort
from cachedistill_sidecar.cli.replay.accounts import Accounts
from cachedistill_sidecar.cli.replay.command import table
from cachedistill_sidecar.cli.replay.sending import Reply, send, send_all
from cachedistill_sidecar.cli.replay.tally import Tally
from cachedistill_sidecar.decision import Decision, Reason
from examples.demo.board import Board
from examples.demo.judge import Judge
from examples.demo.questions import Questions, call, read_questions
from examples.demo.scene import BUDGET_PERMILLE, PACE, Scene, real_provider, scene
from examples.demo.trace_tree import most_telling, tree

CONNECTIONS = 4
BURST = 8
# Another model than the replay's, so that the burst leaves nothing behind for it.
BURST_MODEL = "gpt-4o"
REHEARSAL_MODEL = "gpt-4.1-mini"
# A model is fitted at most this long after its last label, on a machine that isn't busy.
_LEARNING_SECONDS = 12.0


async def demo(console: Console, *, real: bool) -> None:
    """The demo from its first line to its last."""
    questions = read_questions()
    _introduce(console, questions, real)
    async with scene(questions, real=real) as running:
        console.print(f"Ready: the sidecar listens at {running.sidecar.url}, with an empty cache.\n")
        await _burst(console, questions, running)
        await _rehearsal(console, questions, running)
        tally, judge = await _replay(console, questions, running)
        _judgement(console, tally, judge, running)
        _trace(console, running)
    console.print(
        "\nNext: start a sidecar of your own, and point your SDKs at it. The code of your app stays as it is.\n"
        "  cachedistill run\n"
        "  export OPENAI_BASE_URL=http://127.0.0.1:8080/v1\n"
        "  export ANTHROPIC_BASE_URL=http://127.0.0.1:8080"
    )


def _introduce(console: Console, questions: Questions, real: bool) -> None:
    console.rule("CacheDistill demo", align="left")
    total, meanings = len(questions.asked), len(questions.answers)
    console.print(
        f"{total} questions with {meanings} meanings: repeated, asked in other words, and look-alikes that mean "
        "something else."
    )
    emulated = f"emulated on this machine, {PACE.first_token_ms:.0f} ms to its first token"
    console.print(f"Provider: {real_provider() if real else emulated}.")
    console.print("Starting an embedded Redis, the embedder and the sidecar (the first time takes a while) ...")


async def _burst(console: Console, questions: Questions, running: Scene) -> None:
    """The same question from many at once, before anybody has the answer."""
    console.rule("The same question, at the same moment", align="left")
    same = call(0, questions.asked[0], model=BURST_MODEL, key=_key(running))
    async with aiohttp.ClientSession() as session:
        replies = await asyncio.gather(*(send(session, running.sidecar.url, same) for _ in range(BURST)))
    shared = sum(reply.outcome.reason == Reason.COALESCED for reply in replies)
    asked = sum(reply.outcome.decision == Decision.FALLBACK for reply in replies)
    console.print(f"{BURST} apps asked, {asked} call went to the provider, {shared} shared its answer.\n")


async def _rehearsal(console: Console, questions: Questions, running: Scene) -> None:
    """The questions once before, so that the sidecar has labels: whether a stored answer would have been right."""
    console.rule("What the sidecar learns from misses", align="left")
    console.print(
        f"Nothing is served by meaning before labels certify the error budget, {BUDGET_PERMILLE} permille here. So all "
        "questions are asked once before, of another model,\nwhose answers the replay can't be given. "
        "It is these very questions that the sidecar learns from: expect fewer hits by meaning for new ones."
    )

    async def take(_reply: Reply) -> None:
        """Nothing is counted: the replay is what is measured."""

    calls = [
        call(line, query, model=REHEARSAL_MODEL, key=_key(running))
        for line, query in enumerate(questions.asked, start=1)
    ]
    await send_all(running.sidecar.url, calls, CONNECTIONS, take)
    await running.sidecar.parts.background.drain(_LEARNING_SECONDS)
    [lesson] = running.sidecar.parts.lessons.values()
    assert lesson.learner is not None
    until = time.monotonic() + _LEARNING_SECONDS
    while True:
        [standing] = lesson.learner.standings().values()
        if standing.certified or time.monotonic() > until:
            break
        await asyncio.sleep(0.1)
    told = f"certified, cut-off {standing.cutoff:.3f}" if standing.cutoff is not None else "not certified"
    console.print(f"{standing.labels} labels: {told}.\n")


async def _replay(console: Console, questions: Questions, running: Scene) -> tuple[Tally, Judge]:
    console.rule("The questions, in their order", align="left")
    tally, judge = Tally(), Judge(questions)
    accounts = Accounts(AdminPort(running.sidecar.admin_url))
    calls = [call(line, query, key=_key(running)) for line, query in enumerate(questions.asked, start=1)]
    with Board(console, tally, len(calls)) as board:

        async def take(reply: Reply) -> None:
            tally.add(reply.outcome)
            judge.take(reply, known=running.provider is not None)
            board.update()
            await accounts.expect(reply.outcome.trace)

        await send_all(running.sidecar.url, calls, CONNECTIONS, take)
    await accounts.rest()
    console.print(table(tally))
    console.print()
    for sentence in accounts.sums.sentences():
        console.print(sentence)
    answered = sum(outcome.error is None for outcome in tally.outcomes)
    console.print(f"{answered} of {len(calls)} questions were answered.")
    return tally, judge


def _judgement(console: Console, tally: Tally, judge: Judge, running: Scene) -> None:
    hits = sum(row.count for row in tally.rows() if row.decision in (Decision.EXACT_HIT, Decision.SEMANTIC_HIT))
    if running.provider is None:
        console.print("Wrong hits can't be counted: nobody knows the right answers of a real provider.")
    else:
        console.print(f"Wrong hits: {len(judge.wrong)} of {hits}.")
        for query, stored in judge.wrong:
            console.print(f'  "{query}" got the answer to "{stored}"')
    console.print()
    console.rule("Look-alikes that were told apart", align="left")
    for each in judge.look_alikes():
        console.print(f'{each.similarity:.3f}  "{each.query}"\n       not  "{each.stored}" ({each.reason})')
    console.print()


def _trace(console: Console, running: Scene) -> None:
    console.rule("One trace", align="left")
    spans = running.spans.get_finished_spans()
    root = most_telling(spans)
    # Wrapped within the tree: a line that is cut off would lose why a candidate was blocked.
    shown = tree(root, spans) if root is not None else "No question was answered by meaning."
    console.print(shown, soft_wrap=False)


def _key(running: Scene) -> str:
    return "no-key" if running.provider is not None else os.environ["OPENAI_API_KEY"]


def main() -> None:
    """Read the command line and run the demo."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--real", action="store_true", help="ask OpenAI, with $OPENAI_API_KEY; costs a few cents")
    arguments = parser.parse_args()
    if arguments.real and not os.environ.get("OPENAI_API_KEY"):
        parser.error("--real needs OPENAI_API_KEY")
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(demo(Console(highlight=False, markup=False, soft_wrap=True), real=arguments.real))


if __name__ == "__main__":
    main()
