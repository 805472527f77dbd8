"""Reading a route document, and saying in sentences what is wrong with it."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import ValidationError

from cachedistill_sidecar.route_document import RouteDocument, RouteError


def parse(text: str | bytes) -> RouteDocument:
    """Read a route document. Raises RouteError naming every wrong field."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RouteError(f"not JSON: {error}") from error
    try:
        return RouteDocument.model_validate(document)
    except ValidationError as error:
        raise RouteError("\n".join(_sentence(detail) for detail in _own(error.errors()))) from error


def _own(errors: list[Any]) -> list[Any]:
    """The errors without those that follow from others: pydantic also calls a list too short whose parts are wrong."""
    places = [detail["loc"] for detail in errors]
    return [
        detail
        for detail in errors
        if detail["type"] != "too_short"
        or not any(len(place) > len(detail["loc"]) and place[: len(detail["loc"])] == detail["loc"] for place in places)
    ]


def _sentence(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "the document"
    if detail["type"] == "extra_forbidden":
        return f"{where}: is not a field"
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}"
