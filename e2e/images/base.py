"""The image that the others are built on, where no registry is at hand: Debian with Python, made by mmdebstrap."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from e2e.images.buildah import Buildah, ImageError
from e2e.machine import command

REGISTRY = "cachedistill.test"
"""What all names begin with. No such registry exists: nothing can be pulled by mistake."""
_SUITE = "bookworm"
# The last three are what the modules of the tests' Redis are linked with.
_PACKAGES = ("ca-certificates", "python3", "python3-venv", "libgomp1", "libssl3", "libstdc++6")
# As in Debian's slim images.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def base(buildah: Buildah) -> str:
    """Its name; made at the first call, in half a minute. Raises ImageError."""
    recipe = "\n".join((_SUITE, *_PACKAGES, *_LEFT_OUT))
    name = f"{REGISTRY}/base:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not buildah.has(name):
        print("== image base: Debian with Python, about 40 s, once", flush=True)
        with tempfile.TemporaryDirectory(dir=buildah.folder) as folder:
            root = Path(folder) / "root.tar"
            _bootstrap(root)
            buildah.from_root(name, root)
    return name


def _bootstrap(root: Path) -> None:
    options = [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
    options += ["--variant=apt", f"--include={','.join(_PACKAGES)}", "--quiet"]
    done = subprocess.run(
        [command("mmdebstrap"), *options, _SUITE, str(root)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImageError(f"mmdebstrap failed: {done.stderr.strip()[-1000:]}")
