"""The managed Redis' two users: the operator's own, and the one of sidecars and index Jobs.

Passwords are made once and stay: they live in the Secret beside the data, and nothing but deleting that Secret changes
them. Redis gets digests of them only (ACL SETUSER, https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from cachedistill_operator.render.cache import Cache

ADMIN, SIDECAR = "admin", "sidecar"
ADMIN_KEY, SIDECAR_KEY, ACL_KEY = "admin-password", "sidecar-password", "users.acl"

SIDECAR_RULES = (
    "resetkeys resetchannels -@all ~{prefix}* "
    "+ping +hello +auth +client|setinfo +mget +set +del +exists +expire +pexpire +pttl "
    "+hset +hget +hgetall +hdel +hincrby +hincrbyfloat +incr +xadd +xrange +multi +exec "
    "+ft._list +ft.info +ft.create +ft.search +ft.aggregate +ft.cursor +ft.dropindex"
)
"""What the sidecars' user may do: the commands of the path and of an index build, on its cache's keys. By command: the
categories @read and @write bring others along, such as RENAME, SORT and RANDOMKEY."""


@dataclass(frozen=True, slots=True)
class Users:
    """The two passwords."""

    admin: str
    sidecar: str


def complete(known: Mapping[str, str], generate: Callable[[], str]) -> Users:
    """The passwords that a Secret holds; those that it lacks are generated."""
    return Users(known.get(ADMIN_KEY) or generate(), known.get(SIDECAR_KEY) or generate())


def acl_file(cache: Cache, users: Users) -> str:
    """Redis' users.acl: nobody gets in without a password."""
    rules = {
        "default": "off resetpass -@all",
        ADMIN: f"on #{_digest(users.admin)} ~* &* +@all",
        SIDECAR: f"on #{_digest(users.sidecar)} {SIDECAR_RULES.format(prefix=cache.prefix)}",
    }
    return "".join(f"user {name} {rule}\n" for name, rule in rules.items())


def url(user: str, password: str, endpoint: str, *, tls: bool) -> str:
    """The URL by which a user reaches Redis at host:port."""
    return f"{'rediss' if tls else 'redis'}://{user}:{quote(password, safe='')}@{endpoint}/0"


def _digest(password: str) -> str:
    return sha256(password.encode()).hexdigest()
