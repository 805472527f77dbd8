"""What interception is told. Apart from the rest, which needs packages that only an intercepting sidecar loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Interception:
    """`hosts` in lower case; `authority` is the folder with tls.crt and tls.key; apps are given `bundle` as roots."""

    hosts: frozenset[str]
    authority: Path
    bundle: Path
    port: int = 443
