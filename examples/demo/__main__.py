"""`python -m examples.demo`: what a sidecar does for an app, in half a minute."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os

import aiohttp
import uvloop
from rich.console import Console

from cachedistill_sidecar.cli.admin_port import AdminPort
from cachedistill_sidecar.cli.replay.accounts import Accounts
from cachedistill_sidecar.cli.replay.command import table
from cachedistill_sidecar.cli.replay.sending import Reply, send, send_all
from cachedistill_sidecar.cli.replay.tally import Tally
from cachedistill_sidecar.decision import Decision, Reason
from cachedistill_sidecar.telemetry.names import Attribute
from examples.demo.board import Board
from examples.demo.budget import Budget
from examples.demo.judge import Judge
from examples.demo.questions import DAYS, Questions, call, read_questions
from examples.demo.scene import PACE, VERIFY_PERMILLE, Scene, real_provider, scene
from examples.demo.trace_tree import most_telling, tree

CONNECTIONS = 6
BURST = 8
# Another model than the replay's, so that the burst leaves nothing behind for it.
BURST_MODEL = "gpt-4o"


async def demo(console: Console, *, real: bool) -> None:
    """The demo from its first line to its last."""
    questions = read_questions()
    _introduce(console, questions, real)
    async with scene(questions, real=real) as running:
        console.print(f"Ready: the sidecar listens at {running.sidecar.url}, with an empty cache.\n")
        await _burst(console, questions, running)
        tally, judge, budget = await _replay(console, questions, running)
        await _account(console, tally, judge, budget, running)
        _look_alikes(console, judge)
        _trace(console, running)
    console.print(
        "\nNext: start a sidecar of your own, and point your SDKs at it. The code of your app stays as it is.\n"
        "  cachedistill run\n"
        "  export OPENAI_BASE_URL=http://127.0.0.1:8080/v1\n"
        "  export ANTHROPIC_BASE_URL=http://127.0.0.1:8080"
    )


def _introduce(console: Console, questions: Questions, real: bool) -> None:
    console.rule("CacheDistill demo", align="left")
    total, meanings = len(questions.asked), len(set(questions.groups.values()))
    console.print(
        f"{total} questions with {meanings} meanings, of {DAYS} days: repeated, asked in other words, and look-alikes "
        "that mean something else."
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


async def _replay(console: Console, questions: Questions, running: Scene) -> tuple[Tally, Judge, Budget]:
    console.rule("The questions, in their order", align="left")
    console.print(
        "Of the answers served by meaning, at most 20 in 1,000 may be wrong (the default). Until labels certify that, "
        "all but repeated questions go to the\nprovider; each of its answers tells whether the stored one that the "
        "sidecar had in mind would have been right."
    )
    tally, judge, budget = Tally(), Judge(questions, known=running.provider is not None), Budget(running.sidecar)
    accounts = Accounts(AdminPort(running.sidecar.admin_url))
    calls = [call(line, query, key=_key(running)) for line, query in enumerate(questions.asked, start=1)]
    with Board(console, tally, len(calls), budget.brief) as board:

        async def take(reply: Reply) -> None:
            tally.add(reply.outcome)
            judge.take(reply)
            budget.look(len(tally.outcomes))
            board.update()
            await accounts.expect(reply.outcome.trace)

        await send_all(running.sidecar.url, calls, CONNECTIONS, take)
    await accounts.rest()
    console.print(table(tally))
    console.print()
    for sentence in accounts.sums.sentences():
        console.print(sentence)
    answered = sum(outcome.error is None for outcome in tally.outcomes)
    console.print(f"{answered} of {len(calls)} questions were answered.\n")
    return tally, judge, budget


async def _account(console: Console, tally: Tally, judge: Judge, budget: Budget, running: Scene) -> None:
    console.rule("What became of the error budget", align="left")
    await budget.settle()
    since = "never" if budget.certified_after is None else f"after {budget.certified_after} questions"
    console.print(f"First certified: {since}. Now: {budget.brief()}.")
    spans = running.spans.get_finished_spans()
    verified = sum(bool((span.attributes or {}).get(Attribute.VERIFYING)) for span in spans)
    console.print(budget.measured(verified))
    console.print(f"The default asks again for 50 in 1,000 hits, this demo for {VERIFY_PERMILLE}, since it is short.")
    hits = sum(row.count for row in tally.rows() if row.decision == Decision.SEMANTIC_HIT)
    if not judge.known:
        console.print("Wrong hits can't be counted: nobody knows the right answers of a real provider.\n")
        return
    share = f", {len(judge.wrong) / hits * 1000:.0f} permille" if hits else ""
    console.print(f"Counted by this demo, which knows the meanings: {len(judge.wrong)} of {hits} were wrong{share}.")
    for query, stored in judge.wrong:
        console.print(f'  "{query}" got the answer to "{stored}"')
    console.print()


def _look_alikes(console: Console, judge: Judge) -> None:
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
