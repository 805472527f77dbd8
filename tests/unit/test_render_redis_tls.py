"""A managed Redis' certificate: renewed in time, and never so that a client meets an authority it hasn't heard of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cachedistill_operator.certificates.authority import serves
from cachedistill_operator.render.redis_tls import Tls, renew

NAMES = ["support-redis.shop.svc.cluster.local", "support-redis"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def kept(tls: Tls, now: datetime) -> dict[str, str]:
    """What the Secret holds."""
    return tls.files() | tls.kept(now)


def trusted(tls: Tls, now: datetime) -> bool:
    """Whether clients trust what is shown."""
    roots = [f"-----BEGIN{pem}" for pem in tls.trust(now).split("-----BEGIN") if pem]
    return any(serves(tls.shown, root, NAMES, now) for root in roots)


def test_a_first_certificate_is_trusted_by_its_own_authority() -> None:
    assert trusted(renew({}, NAMES, NOW), NOW)


def test_nothing_changes_while_nothing_is_due() -> None:
    first = renew({}, NAMES, NOW)
    assert renew(kept(first, NOW), NAMES, NOW + timedelta(days=200)) == first


def test_a_certificate_is_renewed_at_two_thirds_of_its_life_by_the_same_authority() -> None:
    first = renew({}, NAMES, NOW)
    later = NOW + timedelta(days=250)
    second = renew(kept(first, NOW), NAMES, later)
    assert second.shown != first.shown
    assert second.authority == first.authority
    assert trusted(second, later)


def test_other_names_need_another_certificate() -> None:
    first = renew({}, NAMES[:1], NOW)
    assert trusted(renew(kept(first, NOW), NAMES, NOW), NOW)


def test_clients_hear_of_a_new_authority_before_something_is_shown_that_it_signed() -> None:
    now, tls = NOW, renew({}, NAMES, NOW)
    authorities = {tls.authority.certificate}
    while now < NOW + timedelta(days=20 * 365):
        now += timedelta(days=20)
        before, tls = tls, renew(kept(tls, now), NAMES, now)
        # A client that read the bundle last time still trusts what is shown now.
        old = [f"-----BEGIN{pem}" for pem in before.trust(now).split("-----BEGIN") if pem]
        assert any(serves(tls.shown, root, NAMES, now) for root in old)
        authorities.add(tls.authority.certificate)
    assert len(authorities) >= 5


def test_a_secret_with_rubbish_in_it_is_made_good() -> None:
    assert trusted(renew({"tls.crt": "?", "tls.key": "", "ca.key": "?", "ca-issuer.crt": "x"}, NAMES, NOW), NOW)


def test_when_both_are_due_the_authority_comes_first() -> None:
    first = renew({}, NAMES, NOW)
    issued = NOW + timedelta(days=1000)
    second = renew(kept(first, NOW), NAMES, issued)
    late = issued + timedelta(days=250)
    third = renew(kept(second, issued), NAMES, late)
    assert third.authority != second.authority
    assert third.shown == second.shown
    fourth = renew(kept(third, late), NAMES, late)
    assert fourth.shown != second.shown
    assert trusted(fourth, late)
