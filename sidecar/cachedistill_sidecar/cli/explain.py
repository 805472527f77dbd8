"""`cachedistill explain`: one decision in words, or the last ones as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from cachedistill_sidecar.decision import Decision, Reason

_PARTS = 8  # of the features, those that weigh most

Record = dict[str, Any]
"""A decision as the admin port gives it."""

_COLUMNS = "{at:<12}  {trace:<32}  {decision:<12}  {reason:<20}  {model:<24}  {similarity:>10}  {ms:>9}"


@click.command()
@click.argument("trace", metavar="[ID]", required=False)
@click.option("--admin-url", default="http://127.0.0.1:9090", show_default=True, help="The sidecar's admin port.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(1, 1000), help="Without ID: how many.")
def explain(trace: str | None, admin_url: str, count: int) -> None:
    """Tell why a request was answered as it was.

    ID is the answer's x-cachedistill-trace header. Without it, the last decisions are listed.
    """
    from cachedistill_sidecar.cli.admin_port import AdminPort

    admin = AdminPort(admin_url)
    if trace is None:
        records = admin.last(count)
        click.echo("\n".join(table(records)) if records else f"{admin.url} has seen no request yet.")
        return
    found = admin.of_trace(trace)
    if not found:
        raise click.ClickException(
            f"{admin.url} knows no decision {trace}: it remembers the last 1000, and the id is the answer's "
            "x-cachedistill-trace header."
        )
    click.echo("\n\n".join("\n".join(_words(record)) for record in found))


def table(records: list[Record]) -> Iterator[str]:
    """One line a decision, the newest first."""
    titles = ("at", "trace", "decision", "reason", "model", "similarity", "ms")
    yield _COLUMNS.format(**{title: title for title in titles})
    for record in records:
        nearest = record["candidates"][0]["similarity"] if record["candidates"] else None
        cells = {name: _plain(record[name]) for name in ("trace", "decision", "reason", "model")}
        similarity = "" if nearest is None else f"{nearest:.4f}"
        at = record["at"].partition("T")[2][:12]
        yield _COLUMNS.format(**cells, at=at, similarity=similarity, ms=f"{record['ms']:.1f}")


def _words(record: Record) -> Iterator[str]:
    yield f"{record['decision']}: {record['reason']}"
    yield f"  {record['meaning'][:1].upper() + record['meaning'][1:]}."
    yield f"  trace     {record['trace']}, at {record['at']}"
    if record["error"]:
        yield f"  error     {_plain(record['error'])}"
    asked = f"{record['dialect']}, model {_plain(record['model'])}" if record["dialect"] else "no dialect of an LLM"
    yield f"  request   {asked}; status {record['status']}"
    rule = f", rule {record['rule']}" if record["rule"] else ", no rule"
    yield f"  route     {record['route']}{rule}{_named(record, 'cache')}{_named(record, 'fallback')}"
    yield from _compared(record)
    yield f"  time      {_time(record)}"
    yield from _spent(record["ledger"])
    if record["decision"] in (Decision.EXACT_HIT, Decision.SEMANTIC_HIT) and record["entry"]:
        yield f"  entry     {record['entry']} (was it wrong? DELETE /cachedistill/entries/{record['entry']})"


def _compared(record: Record) -> Iterator[str]:
    if record["probability"] is not None:
        cutoff = "nothing is certified yet" if record["cutoff"] is None else f"served from {record['cutoff']:.3f} on"
        yield f"  right     with probability {record['probability']:.3f}; {cutoff}"
        yield f"  budget    {record['budget']} wrong in a thousand; group {record['group'][:12]}"
    for part in record.get("parts", [])[:_PARTS]:
        yield f"            {part['contribution']:+8.3f}  {part['name']} = {part['value']:.3f}"
    if record["verification"] is not None:
        yield f"  verified  {record['verification']}"
    for place, each in enumerate(record["candidates"]):
        blocked = each["blocked_by"]
        fate = "served" if blocked is None else f"blocked by {blocked}: {_blocked(blocked)}"
        yield f"  {'nearest ' if place == 0 else '        '}  {each['similarity']:.4f}  {each['entry'][:12]}  {fate}"


def _blocked(reason: str) -> str:
    meanings = {known.value: known.meaning for known in Reason}
    return meanings.get(reason, "unknown to this version").removeprefix("the most similar stored request ")


def _named(record: Record, part: str) -> str:
    return f", {part} {record[part]}" if record[part] else ""


def _time(record: Record) -> str:
    steps = record["steps_ms"]
    rest = max(0.0, record["ms"] - sum(steps.values()))
    parts = [*(f"{name} {took:.1f}" for name, took in steps.items()), f"the rest {rest:.1f}"]
    return f"{record['ms']:.1f} ms: {', '.join(parts)}"


def _spent(ledger: Record | None) -> Iterator[str]:
    if ledger is None:
        return
    money, unit = (ledger["cost_actual"], ledger["cost_baseline"]), ledger["currency"]
    joules = ledger["energy_actual_joules"], ledger["energy_baseline_joules"]
    grams = ledger["carbon_actual_grams"], ledger["carbon_actual_grams"] + ledger["carbon_avoided_grams"]
    estimated = " (estimates)" if ledger["estimated"] else ""
    yield f"  money     {money[0]:.6f} {unit}, the fallback alone {money[1]:.6f} {unit}{estimated}"
    yield f"  energy    {joules[0] / 3600:.6f} Wh, the fallback alone {joules[1] / 3600:.6f} Wh"
    yield f"  carbon    {grams[0]:.6f} g CO2, the fallback alone {grams[1]:.6f} g CO2"


def _plain(text: str) -> str:
    """What came from an app, without what would steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
