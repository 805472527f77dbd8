"""What both kinds are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from cachedistill_sidecar.route_document import Part

__all__ = [
    "NAMED",
    "UNIQUE",
    "Bytes",
    "Condition",
    "Conditions",
    "LabelSelector",
    "Name",
    "Part",
    "Quantity",
    "Resources",
    "SecretKey",
    "cel",
]

NAMED: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
"""For a list whose members are known by their names: the API server refuses a name that is there twice."""
UNIQUE: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""For a list whose members differ: the API server refuses a second one."""


def cel(*rules: tuple[str, str] | tuple[str, str, str]) -> dict[str, Any]:
    """Rules that the API server checks, for `json_schema_extra`: a CEL expression, what is allowed, and the path of
    the field that is to blame (such as `.rules`) when that is not the object itself."""
    return {
        "x-kubernetes-validations": [
            {"rule": rule, "message": message} | ({"fieldPath": field[0]} if field else {})
            for rule, message, *field in rules
        ]
    }


def _text(value: object) -> object:
    """YAML reads `cpu: 2` as a number; Kubernetes takes it as a quantity, so do we."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
_QUANTITY = r"^[0-9]+(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_BYTES = r"^[1-9][0-9]*(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$"


def _int_or_string(pattern: str, example: str, least: int) -> FieldInfo:
    """The API server ignores the pattern of what has no one type: a rule says it once more."""
    rule = cel((f"string(self).matches('{pattern}')".replace("\\", "\\\\"), f"must be a quantity such as {example}"))
    extra = rule | {"x-kubernetes-int-or-string": True, "minimum": least}
    return cast(FieldInfo, Field(min_length=1, max_length=32, pattern=pattern, json_schema_extra=extra))


Quantity: TypeAlias = Annotated[str, BeforeValidator(_text), _int_or_string(_QUANTITY, "500m or 2Gi", 0)]
Bytes: TypeAlias = Annotated[str, BeforeValidator(_text), _int_or_string(_BYTES, "8Gi", 1)]
"""A quantity of bytes above zero, such as 8Gi."""
_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
LabelValue = Annotated[str, Field(max_length=63, pattern=rf"^({_LABEL})?$")]
LabelKey = Annotated[str, Field(max_length=317, pattern=rf"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{_LABEL}$")]
ResourceName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9./]*[a-z0-9])?$")]


class SecretKey(Part):
    """A key of a Secret in the resource's own namespace."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)] = Field(
        description="the Secret"
    )
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        description="its key"
    )


class Requirement(Part):
    """One expression of a label selector."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                "values must be set when operator is In or NotIn, only then",
            )
        )
    )

    key: LabelKey = Field(description="a label's name")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="how the label's value compares")
    values: tuple[LabelValue, ...] = Field(
        (), strict=False, max_length=32, description="what In and NotIn compare with"
    )


class LabelSelector(Part):
    """A label selector as Kubernetes has it; all that is named must hold."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, max_length=16, description="labels and their values"
    )
    match_expressions: tuple[Requirement, ...] = Field(
        (), strict=False, max_length=16, description="conditions on labels"
    )


class Resources(Part):
    """Compute resources of a container."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || "
                "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
                "requests must not be above limits",
            )
        )
    )

    requests: dict[ResourceName, Quantity] = Field(
        default_factory=dict, max_length=8, description="what is set aside, such as cpu and memory"
    )
    limits: dict[ResourceName, Quantity] = Field(
        default_factory=dict, max_length=8, description="what may be used at most"
    )


class Condition(Part):
    """A condition of a status, as Kubernetes has it (KEP-1623)."""

    type: Annotated[str, Field(max_length=316)] = Field(description="what it is about")
    status: Literal["True", "False", "Unknown"] = Field(description="whether it holds")
    observed_generation: Annotated[int, Field(ge=0)] = Field(description="the metadata.generation that was looked at")
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] = Field(
        description="since when status is as it is"
    )
    reason: Annotated[str, Field(min_length=1, max_length=1024)] = Field(description="why, in one word")
    message: Annotated[str, Field(max_length=32768)] = Field(description="why, in sentences")


Conditions: TypeAlias = Annotated[
    tuple[Condition, ...],
    Field(
        strict=False,
        max_length=16,
        description="how it is, in single statements",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
