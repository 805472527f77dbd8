"""A ModelRoute, read and resolved as far as what is known of the cluster goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from cachedistill_operator.api.group import Key
from cachedistill_operator.api.model_route import ModelRouteSpec
from cachedistill_operator.render import route_document, route_references
from cachedistill_operator.render.route_references import Missing, UsableCache
from cachedistill_operator.settings import Settings


class InvalidRoute(ValueError):
    """A ModelRoute that no route document can be made of; the message names the first wrong field."""


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """`content` is the route document; `missing` are the caches that rules name in vain."""

    key: Key
    resource: dict[str, Any]
    spec: ModelRouteSpec
    caches: Mapping[Key, UsableCache]
    missing: tuple[Missing, ...]
    content: str

    @classmethod
    def of(
        cls,
        key: Key,
        resource: dict[str, Any],
        caches: Mapping[Key, Mapping[str, Any]],
        labels: Mapping[str, str],
        settings: Settings,
    ) -> Self:
        """`labels` are those of the route's namespace. Raises InvalidRoute."""
        try:
            spec = ModelRouteSpec.model_validate(resource["spec"])
            usable, missing = route_references.caches(key, spec, caches, labels)
            content = route_document.text(route_document.document(key, spec, usable, settings))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise InvalidRoute(f"{'.'.join(map(str, detail['loc'])) or 'spec'}: {detail['msg']}") from error
        except ValueError as error:
            raise InvalidRoute(str(error)) from error
        return cls(key, resource, spec, usable, tuple(missing), content)

    @property
    def digest(self) -> str:
        """The route document's."""
        return route_document.digest(self.content)

    @property
    def status(self) -> dict[str, Any]:
        """The resource's, as it was last seen."""
        status: dict[str, Any] = self.resource.get("status") or {}
        return status
