"""What a reconcile stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cachedistill_operator.api.group import Key
from cachedistill_operator.cluster.applied import Applied
from cachedistill_operator.cluster.client import Client
from cachedistill_operator.cluster.watched import Watched
from cachedistill_operator.reconcile.redis_connections import Connections
from cachedistill_operator.reconcile.status import Statuses
from cachedistill_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Ground:
    """The cluster, what is known of it, and how to ask for another look at a resource (its kind and key)."""

    client: Client
    applied: Applied
    watched: Watched
    settings: Settings
    statuses: Statuses
    now: Callable[[], datetime]
    requeue: Callable[[str, Key], None]
    redis: Connections = field(default_factory=Connections)
