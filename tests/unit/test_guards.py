"""Guards hold back what contradicts by its wording, until labels of just that show that it doesn't matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.acceptance import Budgeted, Verdict
from cachedistill_sidecar.policy.error_budget import Evidence, Model, learn
from cachedistill_sidecar.policy.labels import Label
from tests.taught import missed

NOW = 1_800_000_000.0
ASKED = "wake me up at 7 tomorrow"
KNOWN = [
    Neighbour(f"e{place}", "alarm", text, 0.97 - place / 50, f"p{place}", at=NOW)
    for place, text in enumerate(("wake me up at 6 tomorrow", "please wake me up at 8", "set an alarm for 9"))
]
PLAIN = [replace(each, text=each.text.translate({ord(digit): "7" for digit in "689"})) for each in KNOWN]
TURNED = [Neighbour("e5", "off", "don't wake me up at 7 tomorrow", 0.97, "p5", at=NOW)]
PERMILLE = 50


def labelled(verdict: Verdict, right: bool, forecast: float) -> Label:
    return replace(missed(verdict, right, NOW), probability=forecast)


def taught(*lessons: tuple[list[Neighbour], int, int]) -> Model:
    """A model after neighbours that came out right and wrong so many times, as had been forecast, taking turns."""
    blank = Budgeted(learn(Evidence(), []), PERMILLE)
    labels = []
    for known, right, wrong in lessons:
        verdict, steps, every = blank.judge(ASKED, known, NOW), count(), (right + wrong) // max(wrong, 1)
        fates = [not (wrong and step % every == 0) for step in range(right + wrong)]
        labels += [(next(steps) / len(fates), labelled(verdict, fate, right / (right + wrong))) for fate in fates]
    return learn(Evidence([label for _, label in sorted(labels, key=lambda pair: pair[0])]), [PERMILLE])


def test_other_numbers_are_held_back_however_probable() -> None:
    model = taught((PLAIN, 900, 1))
    assert model.standing(PERMILLE).certified
    assert model.standing(PERMILLE).lifted == ()
    verdict = Budgeted(model, PERMILLE).judge(ASKED, KNOWN, NOW)
    assert (verdict.accepted, verdict.reason) == (False, Reason.GUARD_NUMBER)


def test_a_guard_that_held_back_right_answers_only_is_lifted_by_their_labels() -> None:
    model = taught((PLAIN, 900, 1), (KNOWN, 200, 1))
    assert model.standing(PERMILLE).lifted == (Reason.GUARD_NUMBER,)
    assert Budgeted(model, PERMILLE).judge(ASKED, KNOWN, NOW).accepted


def test_a_lifted_guard_still_holds_back_what_one_neighbour_alone_says() -> None:
    model = taught((PLAIN, 900, 1), (KNOWN, 200, 1))
    alone = Budgeted(model, PERMILLE).judge(ASKED, [replace(KNOWN[0], similarity=0.999)], NOW)
    assert not alone.accepted
    assert alone.reason is Reason.GUARD_NUMBER


def test_labels_of_neighbours_that_stood_alone_lift_nothing() -> None:
    assert taught((PLAIN, 900, 1), (KNOWN[:2], 300, 1)).standing(PERMILLE).lifted == ()


def test_the_other_guards_stay() -> None:
    model = taught((PLAIN, 900, 1), (KNOWN, 200, 1))
    verdict = Budgeted(model, PERMILLE).judge(ASKED, TURNED, NOW)
    assert not verdict.accepted
    assert Reason.GUARD_NEGATION not in model.standing(PERMILLE).lifted


@pytest.mark.parametrize(("right", "wrong"), [(30, 0), (200, 40), (0, 200)])
def test_few_labels_or_wrong_ones_leave_it(right: int, wrong: int) -> None:
    model = taught((PLAIN, 900, 1), (KNOWN, right, wrong))
    assert Reason.GUARD_NUMBER not in model.standing(PERMILLE).lifted
    assert not Budgeted(model, PERMILLE).judge(ASKED, KNOWN, NOW).accepted


def test_a_stricter_budget_asks_for_more_labels() -> None:
    model = taught((PLAIN, 900, 1), (KNOWN, 200, 1))
    assert model.standing(5).lifted == ()
