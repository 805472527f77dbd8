"""Which images there are, and out of which files each is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from e2e.binaries import tool
from e2e.images.base import REGISTRY

REPOSITORY = Path(__file__).parents[2]
_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its Dockerfile, and the files that it copies, in the folder that is its context."""

    name: str
    dockerfile: Path
    inputs: tuple[str, ...]
    find_context: Callable[[], Path]

    def tag(self, base: str) -> str:
        """REGISTRY/NAME:DIGEST, where the digest is one over all that goes in."""
        digest = hashlib.sha256(base.encode() + self.dockerfile.read_bytes())
        context = self.find_context()
        for path in self._files(context):
            digest.update(str(path.relative_to(context)).encode() + b"\0" + path.read_bytes() + b"\0")
        return f"{REGISTRY}/{self.name}:{digest.hexdigest()[:12]}"

    def _files(self, context: Path) -> Iterator[Path]:
        for entry in self.inputs:
            found = context / entry
            for path in sorted(found.rglob("*")) if found.is_dir() else [found]:
                if path.is_file() and not _IGNORED & set(path.parts):
                    yield path


def _of_the_repository(name: str, dockerfile: str, *inputs: str) -> Image:
    return Image(name, REPOSITORY / dockerfile, inputs, lambda: REPOSITORY)


def _of_a_binary(name: str, binary: str) -> Image:
    return Image(name, REPOSITORY / f"e2e/images/{name}/Dockerfile", (binary,), lambda: tool(binary).parent)


_PACKAGE = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "charts/cachedistill",
    "operator/cachedistill_operator",
    "sidecar/cachedistill_sidecar",
)
IMAGES = {
    image.name: image
    for image in (
        _of_a_binary("pause", "pause"),
        _of_the_repository(
            "operator", "operator/Dockerfile", "requirements/build.txt", "requirements/operator.txt", *_PACKAGE
        ),
        _of_the_repository(
            "sidecar", "sidecar/Dockerfile", "requirements/build.txt", "requirements/sidecar.txt", *_PACKAGE
        ),
        _of_the_repository(
            "redis", "e2e/images/redis/Dockerfile", "requirements/dev.txt", "e2e/images/redis/entrypoint.py"
        ),
        _of_the_repository(
            "app",
            "e2e/images/app/Dockerfile",
            "e2e/images/app/requirements.txt",
            "tests/__init__.py",
            "tests/upstream",
            "e2e/__init__.py",
            "e2e/apps",
        ),
        _of_a_binary("collector", "otelcol"),
    )
}
