"""Which index sidecars use, which is built, and when an old one goes."""

from __future__ import annotations

from cachedistill_operator.render.redis_index import GRACE_SECONDS, Indexes, plan

NOW = 1_000_000.0


def indexes(registered: dict[str, str], *there: str, **retired: float) -> Indexes:
    return Indexes(registered, frozenset(there) | set(registered.values()), retired)


def test_a_new_cache_has_its_index_built_and_used_under_the_wanted_model_at_once() -> None:
    planned = plan("A", None, indexes({}), NOW, settled=True)
    assert (planned.model, planned.index, planned.build) == ("A", None, True)


def test_a_complete_index_is_left_in_peace() -> None:
    planned = plan("A", "A", indexes({"A": "a"}), NOW, settled=True)
    assert planned == type(planned)("A", "a")


def test_the_old_index_serves_until_the_new_one_is_complete() -> None:
    planned = plan("B", "A", indexes({"A": "a"}, "b"), NOW, settled=True)
    assert (planned.model, planned.index, planned.build) == ("A", "a", True)
    assert not planned.retire
    assert not planned.drop


def test_the_switch_retires_the_old_index_and_drops_nothing_yet() -> None:
    planned = plan("B", "A", indexes({"A": "a", "B": "b"}), NOW, settled=True)
    assert (planned.model, planned.index, planned.build) == ("B", "b", False)
    assert (planned.retire, planned.unregister, planned.drop, planned.waits) == (("a",), ("A",), (), True)


def test_a_retired_index_goes_after_the_grace_when_all_sidecars_have_switched() -> None:
    world = indexes({"B": "b"}, "a", a=NOW - GRACE_SECONDS)
    assert plan("B", "B", world, NOW, settled=True).drop == ("a",)
    assert plan("B", "B", world, NOW, settled=False).drop == ()
    assert plan("B", "B", world, NOW - 1, settled=True).drop == ()


def test_a_retired_index_is_not_marked_again() -> None:
    planned = plan("B", "B", indexes({"B": "b"}, "a", a=NOW - 1), NOW, settled=True)
    assert (planned.retire, planned.waits) == ((), True)


def test_going_back_to_a_retired_embedding_builds_it_anew_and_keeps_what_is_there() -> None:
    # What was stored since is missing in it: it is complete no more.
    going_back = plan("A", "B", indexes({"B": "b"}, "a", a=NOW - 2 * GRACE_SECONDS), NOW, settled=True)
    assert (going_back.model, going_back.build, going_back.drop) == ("B", True, ())
    back = plan("A", "B", indexes({"A": "a", "B": "b"}, a=NOW - 2 * GRACE_SECONDS), NOW, settled=True)
    assert (back.model, back.revive, back.retire, back.drop) == ("A", ("a",), ("b",), ())


def test_a_redis_that_has_lost_everything_has_its_index_built_again() -> None:
    planned = plan("A", "A", indexes({}), NOW, settled=True)
    assert (planned.model, planned.index, planned.build) == ("A", None, True)
