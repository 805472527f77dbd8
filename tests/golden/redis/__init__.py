"""SemanticCaches, and the manifests of their managed Redis: `<case>/cache.yaml` and `<case>/manifests.yaml`.

The manifests are written by `python -m tests.golden.redis`. Look at the difference before you commit it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cachedistill_operator.api.group import redis_of
from cachedistill_operator.api.semantic_cache import DeletionPolicy
from cachedistill_operator.render import index_job, redis_clients, redis_network, redis_storage, redis_users
from cachedistill_operator.render.cache import REDIS, Cache
from cachedistill_operator.render.cache_keys import SEAL_KEY, CacheKeys
from cachedistill_operator.render.redis_secret import secret
from cachedistill_operator.render.redis_server import stateful_set
from cachedistill_operator.settings import Settings

FOLDER = Path(__file__).parent
NOW = datetime(2026, 7, 1, tzinfo=UTC)
KEYS = CacheKeys("(sealing key)", "(encryption key)")
USERS = redis_users.Users("admins-password", "sidecars-password")


@dataclass(frozen=True, slots=True)
class Case:
    """One folder."""

    folder: Path

    @property
    def cache(self) -> Cache:
        """Its SemanticCache."""
        return Cache.of(_read(self.folder / "cache.yaml"))

    def told(self) -> str:
        """What manifests.yaml should hold."""
        return yaml.safe_dump_all(self.manifests(), sort_keys=False, width=120)

    def written(self) -> str:
        """What it holds."""
        return (self.folder / "manifests.yaml").read_text("utf8")

    def manifests(self) -> list[dict[str, Any]]:
        """All that is applied for a managed Redis; what is another one each time is named only."""
        cache = self.cache
        managed = cache.spec.redis.managed
        assert managed is not None
        acl = {redis_users.ACL_KEY: redis_users.acl_file(cache, USERS)}
        files = acl | ({"tls.crt": "(certificate)", "tls.key": "(key)"} if managed.tls else {})
        passwords = {redis_users.ADMIN_KEY: USERS.admin, redis_users.SIDECAR_KEY: USERS.sidecar, SEAL_KEY: KEYS.seal}
        stays = cache.spec.deletion_policy is DeletionPolicy.RETAIN and managed.storage is not None
        endpoint = f"{redis_network.host(cache, settings())}:6379"
        url = redis_users.url(redis_users.SIDECAR, USERS.sidecar, endpoint, tls=managed.tls)
        namespaces = [cache.key.namespace, "team-a"]
        route = {"metadata": {"name": "chat", "uid": "00000000-0000-0000-0000-000000000002"}}
        ca = "(authority)" if managed.tls else None
        keys = replace(KEYS, encryption=None) if cache.spec.encryption is None else KEYS
        return [
            secret(cache.metadata(redis_of(cache.key.name), REDIS, owned=not stays), files | passwords),
            stateful_set(cache, managed, redis_storage.wanted(managed), files, settings()),
            redis_network.service(cache),
            redis_network.disruption_budget(cache),
            redis_network.policy(cache, namespaces, settings()),
            *(redis_clients.client_secret(cache, namespace, [route], url, ca, keys) for namespace in namespaces),
            index_job.index_job(cache, cache.spec.embedding.model, with_ca=managed.tls, settings=settings()),
        ]


def cases() -> list[Case]:
    """All of them, by name."""
    return [Case(folder) for folder in sorted(FOLDER.iterdir()) if (folder / "cache.yaml").exists()]


def case(name: str) -> Case:
    """The one of that name."""
    return Case(FOLDER / name)


def settings() -> Settings:
    """The settings that all cases are rendered with."""
    return Settings.model_validate(_read(FOLDER / "settings.yaml"))


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf8"))
