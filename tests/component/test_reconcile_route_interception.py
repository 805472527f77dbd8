"""The interception CA of a namespace's Transparent routes, against a real API server."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

from cryptography import x509

from cachedistill_operator.api.group import API_VERSION, INTERCEPTION_CA_SECRET, Key
from cachedistill_operator.certificates.authority import AUTHORITY_LIFE
from cachedistill_operator.reconcile import model_route
from cachedistill_operator.reconcile.interception import fingerprint
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_fixtures import stage as stage
from tests.component.route_stage import Stage
from tests.model_routes import pod, route


def transparent(name: str, *hosts: str, **spec: Any) -> dict[str, Any]:
    return route(name, labels={"app": name}, interception={"mode": "Transparent", "hosts": list(hosts)}, **spec)


async def certificate(stage: Stage) -> str:
    data = (await stage.get("Secret", INTERCEPTION_CA_SECRET))["data"]
    return base64.b64decode(data["tls.crt"]).decode()


def permitted(pem: str) -> list[str]:
    read = x509.load_pem_x509_certificate(pem.encode())
    subtrees = read.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    return [str(name.value) for name in subtrees or ()]


async def test_a_transparent_route_gets_a_ca_for_its_hosts_alone_and_names_it(stage: Stage) -> None:
    await stage.put(transparent("chat", "api.openai.com", "api.anthropic.com"))
    await stage.settle()
    pem = await certificate(stage)
    assert permitted(pem) == ["api.anthropic.com", "api.openai.com"]
    assert (await stage.status())["interceptionCa"] == fingerprint(pem)


async def test_an_environment_route_needs_no_ca(stage: Stage) -> None:
    await stage.put(route("chat"))
    await stage.settle()
    assert await stage.admin.get("v1", "Secret", INTERCEPTION_CA_SECRET, stage.namespace) is None
    assert "interceptionCa" not in await stage.status()


async def test_routes_of_a_namespace_that_are_looked_at_together_share_one_ca(stage: Stage) -> None:
    await stage.put(transparent("one", "api.openai.com"))
    await stage.put(transparent("two", "api.anthropic.com"))
    await stage.see()
    keys = [Key(stage.namespace, name) for name in ("one", "two")]
    await asyncio.gather(*(model_route.reconcile(key, stage.on) for key in keys))
    pem = await certificate(stage)
    assert permitted(pem) == ["api.anthropic.com", "api.openai.com"]
    assert {(await stage.status(name))["interceptionCa"] for name in ("one", "two")} == {fingerprint(pem)}


async def test_more_hosts_make_a_new_ca_and_fewer_do_not(stage: Stage) -> None:
    await stage.put(transparent("one", "api.openai.com"))
    await stage.settle("one")
    first = await certificate(stage)
    await stage.put(transparent("two", "api.anthropic.com"))
    await stage.settle("two")
    second = await certificate(stage)
    assert second != first
    # The other route's pods trust the old one: it must be looked at again.
    assert ("ModelRoute", Key(stage.namespace, "one")) in stage.requeued
    await stage.admin.delete(API_VERSION, "ModelRoute", "two", stage.namespace)
    await stage.look("two")
    await stage.settle("one")
    assert await certificate(stage) == second
    assert (await stage.status("one"))["interceptionCa"] == fingerprint(second)


async def test_a_ca_is_replaced_at_two_thirds_of_its_life_and_not_before(stage: Stage) -> None:
    await stage.put(transparent("chat", "api.openai.com"))
    await stage.settle()
    first = await certificate(stage)
    stage.clock[0] = AUTHORITY_LIFE * 0.65
    await stage.look()
    assert await certificate(stage) == first
    stage.clock[0] = AUTHORITY_LIFE * 0.67 + timedelta(hours=1)
    await stage.settle()
    assert await certificate(stage) != first
    assert (await stage.status())["interceptionCa"] == fingerprint(await certificate(stage))


async def test_a_ca_that_somebody_broke_is_made_anew(stage: Stage) -> None:
    await stage.put(transparent("chat", "api.openai.com"))
    await stage.settle()
    broken = {"data": {"tls.crt": base64.b64encode(b"no certificate").decode()}}
    await stage.admin.patch("v1", "Secret", INTERCEPTION_CA_SECRET, stage.namespace, broken)
    await stage.settle()
    assert permitted(await certificate(stage)) == ["api.openai.com"]


async def test_a_new_ca_makes_running_pods_outdated(stage: Stage) -> None:
    await stage.put(transparent("chat", "api.openai.com"))
    await stage.settle()
    live = await stage.get("ModelRoute", "chat", API_VERSION)
    await stage.run(stage.injected(pod(labels={"app": "chat"}), live))
    await stage.look()
    assert (await stage.status())["pods"] == {"matched": 1, "injected": 1, "outdated": 0}
    stage.clock[0] = AUTHORITY_LIFE * 0.7
    await stage.settle()
    assert (await stage.status())["pods"] == {"matched": 1, "injected": 1, "outdated": 1}


async def test_the_ca_goes_when_no_route_is_transparent_any_more(stage: Stage) -> None:
    await stage.put(transparent("chat", "api.openai.com"))
    await stage.settle()
    await stage.put(route("chat"))
    await stage.settle()
    assert await stage.admin.get("v1", "Secret", INTERCEPTION_CA_SECRET, stage.namespace) is None
    assert "interceptionCa" not in await stage.status()


async def test_a_new_ca_has_the_key_and_the_name_of_the_one_before(stage: Stage) -> None:
    await stage.put(transparent("chat", "api.openai.com"))
    await stage.settle()
    first = x509.load_pem_x509_certificate((await certificate(stage)).encode())
    await stage.put(transparent("chat", "api.openai.com", "api.anthropic.com"))
    await stage.settle()
    second = x509.load_pem_x509_certificate((await certificate(stage)).encode())
    assert first.serial_number != second.serial_number
    assert (first.subject, first.public_key()) == (second.subject, second.public_key())
