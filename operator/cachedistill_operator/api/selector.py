"""Label selectors: whether labels match one, and its form in a query."""

from __future__ import annotations

from collections.abc import Mapping

from cachedistill_operator.api.base import LabelSelector, Requirement


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all that the selector names holds. As in Kubernetes, NotIn holds too where the label isn't there."""
    return all(_holds(requirement, labels) for requirement in _requirements(selector))


def text(selector: LabelSelector) -> str:
    """The selector as the `labelSelector` of a LIST."""
    return ",".join(sorted(_texts(selector)))


def same(one: LabelSelector, other: LabelSelector) -> bool:
    """Whether both say the same, in whatever order or form."""
    return _texts(one) == _texts(other)


def _requirements(selector: LabelSelector) -> list[Requirement]:
    equal = [Requirement(key=key, operator="In", values=(value,)) for key, value in selector.match_labels.items()]
    return [*equal, *selector.match_expressions]


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _texts(selector: LabelSelector) -> set[str]:
    return {_text(requirement) for requirement in _requirements(selector)}


def _text(requirement: Requirement) -> str:
    match requirement.operator:
        case "Exists":
            return requirement.key
        case "DoesNotExist":
            return f"!{requirement.key}"
        case operator:
            values = ",".join(sorted(set(requirement.values)))
            return f"{requirement.key} {operator.lower()} ({values})"
