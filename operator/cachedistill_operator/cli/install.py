"""`cachedistill install`: looks whether the cluster can take it, then runs helm."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cachedistill_operator.cluster.client import Client

NAMESPACE = "cachedistill-system"
RELEASE = "cachedistill"
OLDEST = (1, 30)
# What an installation creates, beside objects in its own namespace.
_NEEDED = (
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is well, and a sentence."""

    well: bool
    sentence: str


@click.command()
@click.option("-n", "--namespace", default=NAMESPACE, show_default=True, help="Where the operator runs.")
@click.option("-f", "--values", multiple=True, type=click.Path(exists=True, dir_okay=False), help="As helm's.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="As helm's.")
@click.option("--chart", type=click.Path(exists=True, path_type=Path), help="Another chart than the one inside.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
def install(namespace: str, values: tuple[str, ...], sets: tuple[str, ...], chart: Path | None, dry_run: bool) -> None:
    """Install or upgrade the operator in the cluster of the current kubeconfig.

    First it looks whether the cluster is new enough and you may do it; then it runs `helm upgrade --install` with the
    chart that belongs to this version, and waits until the operator is ready.
    """
    helm = shutil.which("helm")
    if helm is None:
        raise click.ClickException("helm is needed, and not on the PATH: see https://helm.sh/docs/intro/install/")
    import asyncio

    findings = asyncio.run(_preflight())
    for finding in findings:
        click.echo(f"{'ok' if finding.well else 'NO':>4}  {finding.sentence}")
    if not all(finding.well for finding in findings):
        raise click.ClickException("The cluster can't take it as it is; nothing was changed.")
    command = [helm, "upgrade", "--install", RELEASE, str(chart or own_chart()), "--namespace", namespace]
    command += ["--create-namespace", *(part for path in values for part in ("--values", path))]
    command += [part for each in sets for part in ("--set", each)]
    if dry_run:
        _show(_run([*command, "--dry-run=server"]))
        return
    click.echo("      running helm; it waits until the operator is ready")
    click.echo(_run([*command, "--wait", "--timeout", "5m"]))


def own_chart() -> Path:
    """The chart of this version: inside the installed package, or in the repository that it is run from."""
    package = Path(__file__).parents[1]
    for place in (package / "chart", package.parents[1] / "charts" / "cachedistill"):
        if (place / "Chart.yaml").is_file():
            return place
    raise click.ClickException("The chart is not part of this installation: name it with --chart.")


async def _preflight() -> list[Finding]:
    from kubernetes.aio.config import ConfigException

    from cachedistill_operator.cluster.client import ApiError, Client

    try:
        async with await Client.connect("cli") as client:
            return [await _version(client), *[await _allowed(client, *each) for each in _NEEDED]]
    except (ConfigException, OSError, ApiError) as error:
        raise click.ClickException(f"The cluster can't be reached: {error}") from error


async def _version(client: Client) -> Finding:
    told = await client.version()
    have = (int(told["major"]), int(told["minor"].rstrip("+")))
    needed = ".".join(map(str, OLDEST))
    return Finding(have >= OLDEST, f"Kubernetes {told['gitVersion']}, {needed} or later is needed")


async def _allowed(client: Client, group: str, resource: str) -> Finding:
    attributes = {"group": group, "resource": resource, "verb": "create"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.review("authorization.k8s.io/v1", "selfsubjectaccessreviews", body)
    return Finding(bool(answer["status"]["allowed"]), f"you may create {resource}.{group}")


def _run(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise click.ClickException(f"helm ended with code {result.returncode}:\n{result.stderr.strip()}")
    return result.stdout


def _show(rendered: str) -> None:
    """What helm would make, a line an object."""
    _, _, text = rendered.partition("MANIFEST:")
    manifests, _, _ = text.partition("\nNOTES:")
    click.echo("Would make:")
    for manifest in _documents(manifests):
        meta = manifest["metadata"]
        place = f"{meta['namespace']}/" if "namespace" in meta else ""
        click.echo(f"      {manifest['kind']} {place}{meta['name']}")
    click.echo("Nothing was changed (--dry-run).")


def _documents(manifests: str) -> Iterator[dict[str, Any]]:
    import yaml

    # CRDs are among them, and too large for the pure-Python parser to be quick with.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    yield from (each for each in yaml.load_all(manifests, Loader=loader) if each)
