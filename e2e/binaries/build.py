"""Build tools once per machine, under a name made of everything that shapes them."""

from __future__ import annotations

import fcntl
import hashlib
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from e2e.binaries import go
from e2e.binaries.catalogue import TOOLS, Module
from e2e.machine import Unavailable, home


@cache
def tool(name: str) -> Path:
    """The path of a tool out of the catalogue, built now if it isn't there. Raises Unavailable."""
    module = TOOLS[name]
    compiler, version = go.find()
    target = home() / "bin" / f"{module.name}-{_key(module, version)}" / name
    if not target.is_file():
        with _alone():
            if not target.is_file():
                _build(module, name, compiler, target)
    return target


def _key(module: Module, version: str) -> str:
    parts = [path.read_bytes() for path in sorted(module.folder.iterdir())]
    parts += [module.linker_flags.encode(), version.encode(), platform.machine().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextmanager
def _alone() -> Iterator[None]:
    """Two builds at once would only halve each other's pace. The kernel drops the lock of a build that was killed."""
    path = home() / "bin" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("== waiting for another build", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(module: Module, name: str, compiler: Path, target: Path) -> None:
    first = not target.parent.is_dir()
    expectation = f" (the module's first: up to {module.minutes:g} minutes, once)" if first else ""
    print(f"== building {name}{expectation}", flush=True)
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_name(f".{name}.part")  # renamed when complete: an interrupted build leaves no tool
    started = time.monotonic()
    command: list[str | Path] = [compiler, "build", "-trimpath", "-buildvcs=false", "-ldflags", module.linker_flags]
    command += ["-o", unfinished, module.packages[name]]
    done = subprocess.run(command, cwd=module.folder, env=go.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"Building {name} failed:\n{done.stderr.strip()[-2000:]}")
    unfinished.rename(target)
    print(f"   {time.monotonic() - started:.0f} s", flush=True)
