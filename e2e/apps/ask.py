"""`python -m e2e.apps.ask`: asks an LLM by an official SDK, which finds its base URL by itself.

Prints one JSON line a call: answer, decision and reason out of the headers, milliseconds, or error.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-3-5-haiku-latest"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.apps.ask", description=__doc__)
    parser.add_argument("questions", nargs="+")
    parser.add_argument("--sdk", choices=MODELS, default="openai")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--base-url", help="as an app has it that hard-codes it; absent: the SDK's own choice")
    parser.add_argument("--seconds", type=float, default=0.0, help="go on asking for so long")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two calls")
    return parser.parse_args()


def openai(given: argparse.Namespace) -> Any:
    """A function that asks by OpenAI's SDK."""
    from openai import OpenAI

    client = OpenAI(api_key="sk-test", base_url=given.base_url, max_retries=0, timeout=30)

    def ask(question: str) -> tuple[str, Any]:
        messages: Any = [{"role": "user", "content": question}]
        completions = client.chat.completions.with_raw_response
        raw: Any = completions.create(model=MODELS["openai"], messages=messages, stream=given.stream)
        if not given.stream:
            return raw.parse().choices[0].message.content, raw.headers
        chunks = [chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices]
        return "".join(chunks), raw.headers

    return ask


def anthropic(given: argparse.Namespace) -> Any:
    """A function that asks by Anthropic's SDK."""
    from anthropic import Anthropic

    client = Anthropic(api_key="sk-test", base_url=given.base_url, max_retries=0, timeout=30)

    def ask(question: str) -> tuple[str, Any]:
        messages: Any = [{"role": "user", "content": question}]
        create = client.messages.with_raw_response.create
        raw: Any = create(model=MODELS["anthropic"], max_tokens=200, messages=messages, stream=given.stream)
        if not given.stream:
            return raw.parse().content[0].text, raw.headers
        texts = [event.delta.text for event in raw.parse() if event.type == "content_block_delta"]
        return "".join(texts), raw.headers

    return ask


def main() -> None:
    given = arguments()
    ask = {"openai": openai, "anthropic": anthropic}[given.sdk](given)
    until = time.monotonic() + given.seconds
    while True:
        for question in given.questions:
            print(json.dumps(told(ask, question)), flush=True)
            time.sleep(given.pause)
        if time.monotonic() >= until:
            return


def told(ask: Any, question: str) -> dict[str, Any]:
    """One call, as a record."""
    begun = time.perf_counter()
    try:
        answer, headers = ask(question)
    except Exception as error:
        return {"question": question, "error": f"{type(error).__name__}: {error}"}
    return {
        "question": question,
        "answer": answer,
        "decision": headers.get("x-cachedistill-decision"),
        "reason": headers.get("x-cachedistill-reason"),
        "trace": headers.get("x-cachedistill-trace"),
        "ms": round((time.perf_counter() - begun) * 1000, 2),
    }


if __name__ == "__main__":
    main()
