"""Images as archives: built when an input changed, else found."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from e2e import machine
from e2e.images.base import REGISTRY, base
from e2e.images.buildah import Buildah
from e2e.images.catalogue import IMAGES


@dataclass(frozen=True, slots=True)
class Built:
    """An image that is there: its name with a tag, and its archive."""

    name: str
    archive: Path


@cache
def built(image: str) -> Built:
    """An image of the catalogue, built now if need be: minutes at the first time. Raises Unavailable or ImageError."""
    folder = machine.home() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    buildah = Buildah(folder)
    with _alone(folder):
        base_name = base(buildah)
        name = IMAGES[image].tag(base_name)
        archive = folder / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
        if not archive.is_file():
            _build(buildah, image, name, base_name, archive)
    return Built(name, archive)


def kept() -> set[str]:
    """The names of the images that have archives: an older image's archive goes when a newer one is built."""
    archives = (machine.home() / "images").glob("*.tar")
    return {f"{REGISTRY}/{archive.stem.replace('-', ':')}" for archive in archives}


def _build(buildah: Buildah, image: str, name: str, base_name: str, archive: Path) -> None:
    print(f"== image {image}", flush=True)
    started = time.monotonic()
    recipe = IMAGES[image]
    buildah.build(name, recipe.dockerfile, recipe.find_context(), {"BASE": base_name})
    for earlier in archive.parent.glob(f"{image}-*.tar"):
        earlier.unlink()
        buildah.forget(f"{REGISTRY}/{earlier.stem.replace('-', ':')}")
    buildah.archive(name, archive)
    print(f"   {time.monotonic() - started:.0f} s, {archive.stat().st_size / 1e6:.0f} MB", flush=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """buildah's storage takes one writer at a time; the kernel drops the lock of a build that was killed."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
