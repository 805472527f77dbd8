"""Passwords are made once, and Redis gets their digests."""

from __future__ import annotations

import itertools
from hashlib import sha256

from cachedistill_operator.render import redis_users
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.redis_secret import secret, values
from tests import model_routes

CACHE = Cache.of(model_routes.cache())


def test_passwords_that_are_there_stay() -> None:
    known = {redis_users.ADMIN_KEY: "a", redis_users.SIDECAR_KEY: "b"}
    assert redis_users.complete(known, lambda: "new") == redis_users.Users("a", "b")


def test_what_is_missing_is_generated_each_anew() -> None:
    numbers = itertools.count()
    assert redis_users.complete({}, lambda: str(next(numbers))) == redis_users.Users("0", "1")


def test_redis_reads_digests_and_lets_nobody_in_without_a_password() -> None:
    lines = redis_users.acl_file(CACHE, redis_users.Users("one", "two")).splitlines()
    assert lines[0] == "user default off resetpass -@all"
    assert f"#{sha256(b'one').hexdigest()}" in lines[1]
    assert not any(word in " ".join(lines) for word in (">one", ">two", "nopass"))


def test_the_sidecars_user_is_kept_to_its_caches_keys() -> None:
    sidecar = redis_users.acl_file(CACHE, redis_users.Users("one", "two")).splitlines()[2]
    patterns = [word for word in sidecar.split() if word.startswith(("~", "%", "allkeys"))]
    assert patterns == ["~cachedistill:shop.support:*"]
    assert "-@all" in sidecar.split()
    assert "+@all" not in sidecar.split()


def test_a_password_in_a_url_is_encoded() -> None:
    url = redis_users.url("sidecar", "a/b@c", "redis.shop.svc:6379", tls=True)
    assert url == "rediss://sidecar:a%2Fb%40c@redis.shop.svc:6379/0"


def test_a_secret_reads_as_it_was_written() -> None:
    assert values(secret({"name": "x"}, {"b": "ü", "a": "1"})) == {"a": "1", "b": "ü"}
    assert values(None) == {}
