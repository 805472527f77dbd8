"""One trace, drawn as a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from rich.text import Text
from rich.tree import Tree

from cachedistill_sidecar.decision import Decision
from cachedistill_sidecar.telemetry.names import Attribute

_SHOWN = (
    Attribute.DECISION,
    Attribute.REASON,
    Attribute.SIMILARITY,
    Attribute.PROBABILITY,
    Attribute.CUTOFF,
    Attribute.ENTRY_AGE,
    Attribute.COST_ACTUAL,
    Attribute.COST_BASELINE,
    Attribute.ENERGY_ACTUAL,
    Attribute.ENERGY_BASELINE,
)


def most_telling(spans: Iterable[ReadableSpan]) -> ReadableSpan | None:
    """The root of the semantic hit for which most candidates had been looked at."""
    hits = [span for span in spans if _attribute(span, Attribute.DECISION) == Decision.SEMANTIC_HIT]
    return max(hits, key=lambda span: len(span.events), default=None)


def tree(root: ReadableSpan, spans: Sequence[ReadableSpan]) -> Tree:
    """The root with its main attributes and events, then its children in order."""
    drawn = Tree(Text(_title(root)))
    for name in _SHOWN:
        value = _attribute(root, name)
        if value is not None:
            drawn.add(Text(f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"))
    for event in root.events:
        facts = {name.removeprefix("cachedistill."): value for name, value in (event.attributes or {}).items()}
        drawn.add(Text(f"event {event.name}: " + ", ".join(f"{name} {_short(value)}" for name, value in facts.items())))
    children = [span for span in spans if span.parent is not None and span.parent.span_id == _id(root)]
    for child in sorted(children, key=lambda span: span.start_time or 0):
        drawn.add(Text(_title(child)))
    return drawn


def _title(span: ReadableSpan) -> str:
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    return f"{span.name}  {milliseconds:.1f} ms  ({span.kind.name})"


def _attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


def _id(span: ReadableSpan) -> int | None:
    return span.context.span_id if span.context is not None else None


def _short(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
