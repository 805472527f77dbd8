"""Whose answers are judged: with whose credential, and about which model's words, a fallback is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cachedistill_sidecar.route_document import Provider


@dataclass(frozen=True, slots=True)
class Asker:
    """The headers of the exchange whose answers are compared, the provider they are meant for, and its model."""

    headers: Mapping[str, str]
    provider: Provider
    model: str
