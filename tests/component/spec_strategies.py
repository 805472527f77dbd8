"""Specs of both kinds that keep all rules, for property tests: from the schema, and by hand where rules say more."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cachedistill_operator.api import crd

Spec = dict[str, Any]
Strategy = st.SearchStrategy[Any]

_quantities = st.sampled_from(["1", "500m", "2.5", "8Gi", "750M", 3])
_bytes = st.sampled_from(["1Gi", "2500M", 4096])


def semantic_cache_specs() -> st.SearchStrategy[Spec]:
    """Specs of a SemanticCache."""
    schema = crd.SEMANTIC_CACHE.schema()["properties"]["spec"]
    managed = _object(_properties(schema, "redis", "managed"), storage=_bytes, resources=_resources())
    external = _object(_properties(schema, "redis", "external"))
    selected = st.fixed_dictionaries({"from": st.just("Selector"), "selector": _selectors()})
    allowed = st.one_of(selected, st.fixed_dictionaries({"from": st.sampled_from(["Same", "All"])}))
    spec = _object(
        schema,
        redis=st.one_of(
            st.fixed_dictionaries({"managed": managed.map(_storage_first)}),
            st.fixed_dictionaries({"external": external}),
        ),
        allowedNamespaces=allowed,
        capacity=st.fixed_dictionaries({"maxBytes": _bytes}),
    )
    return spec.map(_scope_has_its_header).map(_capacity_of_managed)


def model_route_specs() -> st.SearchStrategy[Spec]:
    """Specs of a ModelRoute."""
    schema = crd.MODEL_ROUTE.schema()["properties"]["spec"]
    service = _object(_properties(schema, "fallbacks", "[]", "endpoint", "service"))
    address = st.one_of(
        st.fixed_dictionaries({"url": st.sampled_from(["https://api.openai.com", "http://vllm:8000/base"])}),
        st.fixed_dictionaries({"service": service}),
    )
    dialects = st.fixed_dictionaries({"dialect": st.sampled_from(["OpenAI", "Anthropic", "AzureOpenAI", "Ollama"])})
    joules = st.fixed_dictionaries(
        {"inputJoulesPerToken": st.just("0.1"), "outputJoulesPerToken": st.sampled_from(["1", "0.125"])}
    )
    fallback = _object(
        _properties(schema, "fallbacks", "[]"),
        name=st.sampled_from(["own", "cloud"]),
        endpoint=st.builds(lambda one, other: one | other, address, dialects),
        energy=st.one_of(joules, st.fixed_dictionaries({"profile": st.just("LLaMA-7B")})),
    )
    rule = _object(
        _properties(schema, "rules", "[]"),
        match=st.fixed_dictionaries({}, optional={"headers": st.just({"X-Team": "a*"}), "models": st.just(["gpt-*"])}),
    )
    transparent = st.fixed_dictionaries({"mode": st.just("Transparent"), "hosts": st.just(["api.openai.com"])})
    environment = st.fixed_dictionaries({}, optional={"providers": st.just(["Ollama", "OpenAI"])})
    spec = _object(
        schema,
        selector=_selectors(),
        interception=st.one_of(transparent, environment),
        rules=st.lists(rule, min_size=1, max_size=3, unique_by=lambda each: each["name"]),
        fallbacks=st.lists(fallback, min_size=1, max_size=2, unique_by=lambda each: each["name"]),
        sidecar=st.fixed_dictionaries({}, optional={"resources": _resources(), "logLevel": st.just("debug")}),
    )
    return spec.map(_rules_name_fallbacks).map(_judges_can_be_asked)


def _object(schema: Spec, **own: Strategy) -> Strategy:
    """Some of the optional fields, all of the required ones; `own` says how for fields that rules are about."""
    required = set(schema.get("required", ()))
    fields = {name: own[name] if name in own else _any(part) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if name in required},
        optional={name: field for name, field in fields.items() if name not in required},
    )


def _any(schema: Spec) -> Strategy:
    match schema:
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "object", "properties": _}:
            return _object(schema)
        case {"type": "object", "additionalProperties": values}:
            return st.dictionaries(st.just("app"), _any(values), max_size=1)
        case {"type": "array", "items": items}:
            unique = (lambda each: each) if "x-kubernetes-list-type" in schema else None
            most = min(3, schema["maxItems"])
            return st.lists(_any(items), min_size=schema.get("minItems", 0), max_size=most, unique_by=unique)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "integer"}:
            return st.integers(schema["minimum"], schema["maximum"])
        case {"x-kubernetes-int-or-string": True}:
            return _quantities
        case {"pattern": pattern}:
            few = st.from_regex(pattern.replace("\\d", "[0-9]").removesuffix("$") + r"\Z")
            return few.filter(lambda each: len(each) <= schema["maxLength"])
        case _:
            return st.text("abc-/.*", min_size=schema.get("minLength", 0), max_size=12)


def _properties(schema: Spec, *path: str) -> Spec:
    for step in path:
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    return schema


def _resources() -> Strategy:
    least, most = st.sampled_from([1, "500m", "1"]), st.sampled_from(["2", "1500m", 4])
    return st.fixed_dictionaries(
        {},
        optional={
            "requests": st.dictionaries(st.sampled_from(["cpu", "nvidia.com/gpu"]), least),
            "limits": st.dictionaries(st.sampled_from(["cpu", "nvidia.com/gpu"]), most),
        },
    )


def _selectors() -> Strategy:
    labels = st.fixed_dictionaries({"matchLabels": st.just({"app.kubernetes.io/name": "chat"})})
    listed = st.fixed_dictionaries(
        {
            "key": st.just("tier"),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=2),
        }
    )
    there = st.fixed_dictionaries({"key": st.just("tier"), "operator": st.sampled_from(["Exists", "DoesNotExist"])})
    expressions = st.lists(st.one_of(listed, there), min_size=1, max_size=2)
    return st.one_of(labels, st.fixed_dictionaries({"matchExpressions": expressions}))


def _storage_first(managed: Spec) -> Spec:
    return managed if "storage" in managed else {k: v for k, v in managed.items() if k != "storageClassName"}


def _scope_has_its_header(spec: Spec) -> Spec:
    return {"tenantHeader": "x-tenant", "userHeader": "x-user"} | spec


def _capacity_of_managed(spec: Spec) -> Spec:
    return spec if "managed" in spec["redis"] else {k: v for k, v in spec.items() if k != "capacity"}


def _rules_name_fallbacks(spec: Spec) -> Spec:
    names = [fallback["name"] for fallback in spec["fallbacks"]]
    return spec | {"rules": [rule | {"fallbacks": names} for rule in spec["rules"]]}


def _judges_can_be_asked(spec: Spec) -> Spec:
    able = [each["name"] for each in spec["fallbacks"] if each["endpoint"]["dialect"] in ("OpenAI", "Anthropic")]
    for rule in spec["rules"]:
        semantic = rule.get("cache", {}).get("semantic", {})
        judge = semantic.pop("judge", None)
        if judge is not None and able:
            semantic["judge"] = judge | {"fallback": able[0]}
    return spec
