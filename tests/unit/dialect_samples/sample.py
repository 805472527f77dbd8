"""What a sample is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cachedistill_sidecar.dialects import DIALECTS, Dialect
from cachedistill_sidecar.exchange import Query

Json = dict[str, Any]
BY_NAME = {dialect.name: dialect for dialect in DIALECTS}


@dataclass(frozen=True, slots=True)
class Sample:
    """A request in a dialect, and the bodies that may answer it."""

    dialect: Dialect
    path: str
    request: Json
    answers: dict[str, Json]
    query_string: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    transport: Json = field(default_factory=dict)
    """Fields that a request may carry without asking for another answer."""

    def query(self, **changes: Any) -> Query:
        """The query of the request with some fields changed."""
        return self.dialect.query(self.request | changes, self.path, self.query_string, self.headers)
