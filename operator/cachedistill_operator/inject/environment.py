"""Environment mode: the base-URL variables of the SDKs, and what a proxy must be told.

What a container's `env` names is never changed, but for additions to NO_PROXY. What `envFrom` brings can't be seen
here, and a variable in `env` wins over it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cachedistill_operator.api import group
from cachedistill_operator.api.model_route import Sdk

BASE = f"http://127.0.0.1:{group.DATA_PORT}"
LOCAL = ("127.0.0.1", "localhost")


class _Variables(NamedTuple):
    """Of one provider: the variables that are set, to what, and those which say that the app has made its choice."""

    names: tuple[str, ...]
    url: str
    own: tuple[str, ...] = ()


# OPENAI_API_BASE: LangChain looks there first, and LiteLLM and LlamaIndex look nowhere else. If the app sets one
# of a provider's variables, the others stay unset too: different clients would go different ways.
_TABLE = {
    Sdk.OPENAI: _Variables(("OPENAI_BASE_URL", "OPENAI_API_BASE"), f"{BASE}/v1"),
    Sdk.ANTHROPIC: _Variables(("ANTHROPIC_BASE_URL",), BASE, ("ANTHROPIC_API_URL", "ANTHROPIC_API_BASE")),
    Sdk.AZURE_OPENAI: _Variables(("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"), BASE, ("AZURE_ENDPOINT",)),
    Sdk.OLLAMA: _Variables(("OLLAMA_HOST", "OLLAMA_API_BASE"), BASE),
}

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_PROXY_NAMES = frozenset(case for name in _PROXIES for case in (name, name.lower()))
_EXCEPTIONS = ("NO_PROXY", "no_proxy")


def set_base_urls(container: dict[str, Any], providers: Iterable[Sdk]) -> list[str]:
    """Name the sidecar to the SDKs in a container. What is left alone because the app decides itself is told."""
    warnings = []
    names = _names(container)
    for provider in providers:
        variables = _TABLE[provider]
        if all(name in names and _value(container, name) == variables.url for name in variables.names):
            continue
        own = sorted(names & {*variables.names, *variables.own})
        if provider is Sdk.OPENAI and not own:
            # openai-node's AzureOpenAI({endpoint}) throws when OPENAI_BASE_URL is set: "mutually exclusive".
            own = sorted(each for each in names if each.startswith("AZURE_") or each == "OPENAI_API_VERSION")
        if own:
            warnings.append(
                f"container {container['name']}: its calls to {provider} stay as they are: it sets {own[0]}"
            )
            continue
        _add(container, [{"name": name, "value": variables.url} for name in variables.names])
    return warnings


def spare_proxy(container: dict[str, Any], hosts: Iterable[str]) -> list[str]:
    """Where a container uses a proxy, add hosts to its exceptions: no proxy reaches another pod's loopback."""
    if not _names(container) & _PROXY_NAMES:
        return []
    found = {each["name"]: each for each in container["env"] if each["name"] in _EXCEPTIONS}
    hidden = [name for name, each in found.items() if "valueFrom" in each]
    if hidden:
        return [f"container {container['name']}: {hidden[0]} comes from elsewhere; it must name {', '.join(hosts)}"]
    for name in _EXCEPTIONS:
        # Clients differ in which spelling they read first: a new one says what the other has said so far.
        if name not in found:
            said = next((each.get("value") or "" for each in found.values()), "")
            found[name] = {"name": name, "value": said}
            _add(container, [found[name]])
        listed = [part.strip() for part in (found[name].get("value") or "").split(",") if part.strip()]
        missing = [host for host in hosts if host not in listed]
        if missing:
            found[name]["value"] = ",".join([*listed, *missing])
    return []


def proxy_of(containers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The proxy variables of the first container that has some: the sidecar goes out the same way as the app.

    Not those that are made of other variables, `$(NAME)`: the sidecar doesn't have these.
    """
    wanted = _PROXY_NAMES | set(_EXCEPTIONS)
    for container in containers:
        if _names(container) & _PROXY_NAMES:
            env = [each for each in container["env"] if each["name"] in wanted]
            return [dict(each) for each in env if "$(" not in (each.get("value") or "")]
    return []


def set_unless_own(container: dict[str, Any], name: str, value: str) -> str | None:
    """Set a variable; told is where the app has set it to something else."""
    if name not in _names(container):
        _add(container, [{"name": name, "value": value}])
        return None
    if _value(container, name) == value:
        return None
    return name


def _names(container: dict[str, Any]) -> set[str]:
    return {each["name"] for each in container.get("env") or []}


def _value(container: dict[str, Any], name: str) -> str | None:
    # The last one counts where a name stands twice.
    values = [each.get("value") for each in container.get("env") or [] if each["name"] == name]
    return values[-1] if values else None


def _add(container: dict[str, Any], variables: list[dict[str, Any]]) -> None:
    container["env"] = [*(container.get("env") or []), *variables]
