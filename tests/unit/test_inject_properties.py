"""Whatever the pod: injection only adds, and adds once."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cachedistill_operator.inject import inject
from cachedistill_operator.webhook.patch import additions
from tests.golden import case, settings
from tests.patching import patched

_URLS = "OPENAI_BASE_URL OPENAI_API_BASE ANTHROPIC_BASE_URL AZURE_OPENAI_ENDPOINT OLLAMA_HOST OPENAI_API_VERSION"
_OTHERS = "HTTPS_PROXY http_proxy NO_PROXY no_proxy SSL_CERT_FILE NODE_EXTRA_CA_CERTS LOG_LEVEL"
_VALUES = st.sampled_from(["", "x", "a.example,b.example", "http://127.0.0.1:14080", "127.0.0.1, localhost"])
_SOURCES = st.just({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}})
_VARIABLES = st.builds(
    lambda name, source: {"name": name, **source},
    st.sampled_from((_URLS + " " + _OTHERS).split()),
    st.builds(lambda value: {"value": value}, _VALUES) | _SOURCES,
)
_CONTAINERS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-z]{1,4}", fullmatch=True) | st.just("istio-proxy"), "image": st.just("i")},
    optional={
        "env": st.none() | st.lists(_VARIABLES, max_size=5, unique_by=lambda each: each["name"]),
        "ports": st.lists(st.fixed_dictionaries({"containerPort": st.sampled_from([80, 443, 8080])}), max_size=2),
        "volumeMounts": st.lists(st.just({"name": "v", "mountPath": "/v"}), max_size=1),
    },
)
_ALIASES = st.fixed_dictionaries({"ip": st.just("10.0.0.1"), "hostnames": st.just(["api.anthropic.com", "a.example"])})
_CONTEXTS = st.fixed_dictionaries(
    {}, optional={"sysctls": st.lists(st.just({"name": "net.a", "value": "1"}), max_size=1), "fsGroup": st.just(1)}
)
_SPECS = st.fixed_dictionaries(
    {"containers": st.lists(_CONTAINERS, min_size=1, max_size=3, unique_by=lambda each: str(each["name"]))},
    optional={
        "initContainers": st.lists(_CONTAINERS.map(lambda each: {**each, "name": f"i-{each['name']}"}), max_size=2),
        "volumes": st.none() | st.lists(st.just({"name": "v", "emptyDir": {}}), max_size=1),
        "hostAliases": st.lists(_ALIASES, max_size=1),
        "securityContext": _CONTEXTS,
        "imagePullSecrets": st.lists(st.just({"name": "own"}), max_size=1),
    },
)
_PODS = st.builds(
    lambda spec, labels, annotations: {
        "metadata": {"labels": {**labels, "cachedistill.dev/inject": "enabled"}} | annotations,
        "spec": spec,
    },
    _SPECS,
    st.just({"app": "chat"}),
    st.sampled_from([{}, {"annotations": None}, {"annotations": {"a/b~c": "d"}}]),
)
_ROUTES = st.sampled_from([case(name).route for name in ("plain", "transparent", "every-provider")])


@given(_PODS, _ROUTES)
def test_what_the_user_set_stays_and_a_second_time_adds_nothing(pod: dict[str, Any], route: dict[str, Any]) -> None:
    before = copy.deepcopy(pod)
    injection = inject(pod, route, {}, settings())
    assert pod == before
    if injection.pod is None:
        assert injection.skip == "PortTaken"
        return
    _assert_kept(pod, injection.pod)
    assert patched(pod, additions(pod, injection.pod)) == injection.pod
    assert inject(injection.pod, route, {}, settings()).pod == injection.pod


def _assert_kept(old: Any, new: Any, path: str = "") -> None:
    if isinstance(old, dict):
        for key, value in old.items():
            if old.get("name") in ("NO_PROXY", "no_proxy") and key == "value":
                listed = [part.strip() for part in value.split(",") if part.strip()]
                assert new[key].split(",")[: len(listed)] == listed or new[key] == value, path
            elif value is not None:
                _assert_kept(value, new[key], f"{path}.{key}")
    elif isinstance(old, list):
        rest = iter(new)
        for value in old:
            name = value.get("name") if isinstance(value, dict) else None
            found = next(each for each in rest if (each == value if name is None else each.get("name") == name))
            _assert_kept(value, found, f"{path}[{name}]")
    else:
        assert old == new, path
