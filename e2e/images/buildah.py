"""buildah, which makes images out of Dockerfiles without a daemon; all that it keeps is in one folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e import machine
from e2e.machine import command

_INDEX = ("PIP_INDEX_URL", "PIP_CERT")
"""What a build takes over from this machine's environment, as arguments: nothing of it stays in the image."""

_MOST_LAYERS = 200
"""Each build of a changed source leaves some behind; 150 took 5 GB. With more than these, all that are unused go."""


class ImageError(RuntimeError):
    """An image can't be built; the message is what the build said."""


@dataclass(frozen=True, slots=True)
class Buildah:
    """Builds in chroots, which takes root but no namespaces of its own."""

    folder: Path

    def build(self, name: str, dockerfile: Path, context: Path, arguments: Mapping[str, str]) -> None:
        """Build an image; what an earlier build made of the same lines and files is used again."""
        wanted = dict(arguments) | {key: os.environ[key] for key in _INDEX if key in os.environ}
        if len(self._run("images", "--all", "--quiet").split()) > _MOST_LAYERS:
            self._run("rmi", "--prune")
        options = ["--layers", "--force-rm", "--pull-never", "--network=host", *self._mounts()]
        options += [f"--build-arg={key}={value}" for key, value in wanted.items()]
        self._run("bud", *options, f"--file={dockerfile}", f"--tag={name}", str(context))

    def from_root(self, name: str, root: Path) -> None:
        """An image out of a root file system in a tar archive."""
        container = self._run("from", "scratch")
        try:
            self._run("add", "--quiet", container, str(root), "/")
            self._run("commit", "--quiet", container, name)
        finally:
            self._run("rm", container)

    def archive(self, name: str, path: Path) -> None:
        """Write an image to an archive of docker's format, which every runtime and `kind load` reads."""
        unfinished = path.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        self._run("push", "--quiet", name, f"docker-archive:{unfinished}:{name}")
        unfinished.rename(path)

    def has(self, name: str) -> bool:
        """Whether an image is there."""
        return name in self._run("images", "--format", "{{.Name}}:{{.Tag}}").split()

    def forget(self, name: str) -> None:
        """Remove an image, if it's there; layers that others use stay."""
        if self.has(name):
            self._run("rmi", name)

    def _mounts(self) -> list[str]:
        pip_cache = Path.home() / ".cache" / "pip"
        pip_cache.mkdir(parents=True, exist_ok=True)
        mounts = [f"--volume={pip_cache}:/root/.cache/pip"]
        certificates = Path("/etc/ssl/certs")
        if certificates.is_dir():  # they may hold a certificate of this network's own
            mounts.append(f"--volume={certificates}:{certificates}:ro")
        if (configuration := Path("/etc/pip.conf")).is_file():
            mounts.append(f"--volume={configuration}:{configuration}:ro")
        return mounts

    def _run(self, action: str, *arguments: str) -> str:
        machine.need_root("Building images")
        program = [command("buildah"), f"--root={self.folder}/storage", f"--runroot={self.folder}/running"]
        environment = os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
        done = subprocess.run(
            [*program, action, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-3000:]
            raise ImageError(f"buildah {action} {arguments[-1]} failed:\n{said}")
        return done.stdout.strip()
