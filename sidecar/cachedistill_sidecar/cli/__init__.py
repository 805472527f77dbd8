"""The `cachedistill` command. Its modules import what is large inside their functions: `--help` needs only click."""

from __future__ import annotations

from importlib.metadata import entry_points

import click

from cachedistill_sidecar.cli.explain import explain
from cachedistill_sidecar.cli.index import index
from cachedistill_sidecar.cli.replay.command import replay
from cachedistill_sidecar.cli.route import route
from cachedistill_sidecar.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cachedistill")
def cachedistill() -> None:
    """A semantic cache, an edge model and an energy meter beside every app that calls an LLM."""


for _command in (run, route, explain, replay, index):
    cachedistill.add_command(_command)
# Commands of the other package of this distribution, which the sidecar doesn't know.
for _entry in entry_points(group="cachedistill.commands"):
    cachedistill.add_command(_entry.load())


def main() -> None:
    """Run the command; a package that isn't installed is one sentence, like every other error."""
    try:
        cachedistill(prog_name="cachedistill")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("cachedistill"):
            raise
        extra = "operator" if missing.name.partition(".")[0] in ("kubernetes", "yaml") else "local"
        command = f"pip install 'cachedistill[{extra}]'"
        click.echo(f"Error: this needs the package {missing.name}: run `{command}`.", err=True)
        raise SystemExit(1) from None
