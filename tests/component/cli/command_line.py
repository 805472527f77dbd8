"""The command line as a user has it: processes, and SDKs that are pointed at them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from openai import AzureOpenAI, OpenAI
from redis import Redis

COMMAND = [sys.executable, "-m", "cachedistill_sidecar"]
PATIENCE = 60
QUESTION = "How do I reset my password?"
# Several, each of which is asked once: see `compared`.
PARAPHRASES = ("How can I reset my password?", "How do I reset the password?", "how to reset my password")
Environment = dict[str, str]
# No package index, and a proxy that nobody runs: a model can't be downloaded.
NO_DOWNLOADS = {"PIP_NO_INDEX": "1", "https_proxy": "http://127.0.0.1:1"}


class Process:
    """A running `cachedistill run`, from the moment that it says where it listens."""

    def __init__(self, arguments: list[str], environment: Environment) -> None:
        command = [*COMMAND, "run", "--port", "0", "--admin-port", "0", *arguments]
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(command, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.said: list[str] = []
        words = self.line("Listening at").replace("(", " ").replace(")", " ").split()
        self.url, self.admin_url = (word.rstrip(".") for word in words if word.startswith("http://"))

    def line(self, part: str) -> str:
        """The next line that holds `part`."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
            if part in line:
                return line
        raise AssertionError(f"ended without saying {part!r}, after {self.said}")

    def exported(self, name: str) -> str:
        """The value of the `export` line for a variable."""
        start = f"  export {name}="
        known = next((line for line in self.said if line.startswith(start)), None)
        return (known or self.line(start)).partition("=")[2].strip()

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def end(self) -> int:
        """The exit code."""
        return self._popen.wait(timeout=PATIENCE)

    def close(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
        self.end()
        self._reader.join()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)


Run = Callable[..., Process]


def cachedistill(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False)


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed as it should."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def own_environment(home: Path) -> Environment:
    ours = ("CACHEDISTILL_", "OPENAI_", "ANTHROPIC_", "AZURE_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    paths = [str(Path(__file__).parents[3] / "sidecar"), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"CACHEDISTILL_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}


def ask(base_url: str, text: str = QUESTION, model: str = "gpt-4o-mini") -> tuple[str, str, str]:
    """Decision, reason and trace of one answer to the OpenAI SDK."""
    client = OpenAI(base_url=base_url, api_key="test", max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[{"role": "user", "content": text}])
    decision, reason, trace = (raw.headers[f"x-cachedistill-{name}"] for name in ("decision", "reason", "trace"))
    return decision, reason, trace


def certified(admin_url: str) -> None:
    """Wait until a sidecar has read what is known and serves by meaning: it does so in the background."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with urllib.request.urlopen(f"{admin_url}/cachedistill/budget", timeout=PATIENCE) as answer:
            if all(each["certified"] for each in json.load(answer)):
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def learn(redis_url: str, base_url: str, text: str, model: str = "gpt-4o-mini") -> None:
    """Ask, and wait until the answer can be found by meaning: its vector is written after the client has it."""
    with Redis.from_url(redis_url) as client:
        before = set(client.scan_iter("cachedistill:*:v:*"))
        ask(base_url, text, model)
        deadline = time.monotonic() + PATIENCE
        while set(client.scan_iter("cachedistill:*:v:*")) == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def compared(base_url: str, texts: Iterable[str], model: str = "gpt-4o-mini") -> tuple[str, str, str]:
    """What came of the first text for which Redis answered in time: on a busy machine it may not."""
    for text in texts:
        decision, reason, trace = ask(base_url, text, model)
        if reason != "cache_unavailable":
            return decision, reason, trace
    raise AssertionError("Redis is not there")


def ask_azure(endpoint: str) -> tuple[str, str]:
    client = AzureOpenAI(azure_endpoint=endpoint, api_key="test", api_version="2024-10-21", max_retries=0)
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTION}]
    )
    return raw.headers["x-cachedistill-decision"], raw.headers["x-cachedistill-reason"]
