"""Each step of the ladder: what it settles, and what it leaves to the next."""

from __future__ import annotations

import time

import pytest

from cachedistill_sidecar.policy.judgement.ladder import judge
from cachedistill_sidecar.policy.judgement.opinion import Judgement, Opinion, Step

SAME, DIFFERENT, UNDECIDED = Opinion.SAME, Opinion.DIFFERENT, Opinion.UNDECIDED


def never(left: str, right: str) -> float | None:
    raise AssertionError("this is settled without embeddings")


def told(left: str, right: str, question: str = "?", cosine: float | None = None) -> Judgement:
    return judge(question, left, right, never if cosine is None else lambda *_: cosine)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Berlin", "  berlin.\n"),
        ("Open **Settings**.", "open settings"),
        ("\u201cYes\u201d", '"Yes"'),
        ("\uff21 \ufb01ne day", "A fine day"),
        ("# Steps\n- Open it\n- Close it", "Steps\n1. Open it\n2. Close it"),
        ("", ""),
    ],
)
def test_case_blanks_and_markdown_make_no_other_answer(left: str, right: str) -> None:
    assert told(left, right) == Judgement(SAME, Step.EQUAL)


@pytest.mark.parametrize(
    ("left", "right", "opinion"),
    [
        ('{"a": 1, "b": [true, null]}', '{"b": [true, null], "a": 1.0}', SAME),
        ('{"a": "Rome"}', '```json\n{"a": "rome"}\n```', SAME),
        ('Here it is:\n```json\n{"a": 1}\n```', '{"a": 1}', SAME),
        ('{"a": 1}', '{"a": 2}', DIFFERENT),
        ('{"a": 1}', '{"a": true}', DIFFERENT),
        ('{"a": 1}', '{"a": "1"}', DIFFERENT),
        ('{"a": 1}', '{"a": 1, "b": 2}', DIFFERENT),
        ("[1, 2]", "[2, 1]", DIFFERENT),
        ("[1, 2]", "[1, 2, 3]", DIFFERENT),
        ('{"a": "Rome"}', '{"a": "Paris"}', DIFFERENT),
    ],
)
def test_json_is_compared_by_content(left: str, right: str, opinion: Opinion) -> None:
    assert told(left, right) == Judgement(opinion, Step.DATA)


def test_json_too_deep_to_compare_is_undecided() -> None:
    deep = "[" * 450 + "{}" + "]" * 450
    assert told(f"[{deep}, 1]", f"[{deep}, 2]").opinion in {DIFFERENT, UNDECIDED}


def test_json_that_only_illustrates_a_text_is_not_the_answer() -> None:
    text = "word " * 40
    assert told(f'{text}\n```json\n{{"a": 1}}\n```', '{"a": 1}', cosine=0.5).step is not Step.DATA


@pytest.mark.parametrize(
    ("left", "right", "opinion"),
    [
        ("I'm sorry, but I can't help with that.", "Mix flour and water.", DIFFERENT),
        ("I'm sorry, but I can't help with that.", "Unfortunately, I am not able to discuss this.", SAME),
        ("Es tut mir leid, dabei kann ich nicht helfen.", "42", DIFFERENT),
        ("I don't have access to your account.", "Your balance is 40 euros.", DIFFERENT),
    ],
)
def test_a_refusal_is_no_answer(left: str, right: str, opinion: Opinion) -> None:
    assert told(left, right) == Judgement(opinion, Step.REFUSAL)


@pytest.mark.parametrize(
    ("left", "right", "opinion"),
    [
        ("```python\nx = 1  # one\n```", "```python\nx=1\n```", SAME),
        ("```python\nx = 1\n```", "```python\nx = 2\n```", DIFFERENT),
        ("```python\nif a:\n    b()\n    c()\n```", "```python\nif a:\n    b()\nc()\n```", DIFFERENT),
        ("```js\nf(); /* it */\n```", "```js\nf() ;\n```", SAME),
        ("```sql\nSELECT a FROM t -- all\n```", "```sql\nselect a\nfrom t\n```", SAME),
        ("```sql\nSELECT 'A'\n```", "```sql\nSELECT 'a'\n```", DIFFERENT),
        ("```\na\n```\n```\nb\n```", "```\na\n```\n```\nc\n```", UNDECIDED),
    ],
)
def test_code_is_compared_by_its_words_and_marks(left: str, right: str, opinion: Opinion) -> None:
    assert told(left, right) == Judgement(opinion, Step.CODE)


def test_the_same_code_is_not_the_same_answer_when_one_says_not_to_run_it() -> None:
    left, right = "You should run this:\n```\nmake\n```", "You should not run this:\n```\nmake\n```"
    assert told(left, right, cosine=0.95) == Judgement(UNDECIDED, Step.CODE)


def test_code_may_stand_in_the_text_instead() -> None:
    assert told("```bash\nls -lS\n```", "ls -lS") == Judgement(SAME, Step.EQUAL)


@pytest.mark.parametrize(
    ("question", "left", "right", "opinion"),
    [
        ("How far?", "5 km", "5 kilometers", SAME),
        ("How far?", "5 km", "6 km", DIFFERENT),
        ("How far?", "5 km", "5 miles", DIFFERENT),
        ("Is it?", "Yes.", "Yes, it is.", SAME),
        ("Is it?", "Yes, it is open today.", "No, it is closed today.", DIFFERENT),
        ("Which? A) red B) blue", "B", "B) blue", SAME),
        ("Which? A) red B) blue", "blue", "(B)", SAME),
        ("Which? A) red B) blue", "B", "A", DIFFERENT),
        ("Classify.", "billing", "Label: billing", SAME),
        ("Classify.", "billing_problem", "Billing problem", SAME),
        ("Classify.", "spam", "not spam", DIFFERENT),
        ("Classify.", "billing", "shipping", DIFFERENT),
        ("Who?", "Ada and Grace", "Grace, Ada", SAME),
        ("Capital?", "Rome", "The capital is Rome.", SAME),
        ("How much is 3 * 4?", "3 * 4 = 12", "It is three times four: 3 x 4 = 12.", SAME),
        ("How much is 3 * 4?", "So 3 * 4 = 12", "So 3 * 4 = 14", DIFFERENT),
    ],
)
def test_closed_answers_agree_or_do_not(question: str, left: str, right: str, opinion: Opinion) -> None:
    assert told(left, right, question) == Judgement(opinion, Step.CLOSED)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("You can return it to us within 14 days.", "You can return it to us within 30 days."),
        ("Tickets for this show are refundable until noon.", "Tickets for this show are not refundable until noon."),
        (
            "You find the form in the app. You can return it to us within 14 days. We pay the postage.",
            "You find the form in the app. You can return it to us within 30 days. We pay the postage.",
        ),
        ("Please restart the server named web-1 first.", "Please restart the server named web-2 first."),
    ],
)
def test_sentences_that_exclude_each_other_make_another_answer_however_alike(left: str, right: str) -> None:
    assert told(left, right, cosine=0.99) == Judgement(DIFFERENT, Step.CONTRADICTION)


LEFT = "Open the settings of your phone, then choose the network and enter the password."
RIGHT = "In your phone's settings there is a list of networks; pick yours and type its password."


def test_a_cosine_out_of_the_band_settles_it() -> None:
    assert told(LEFT, RIGHT, cosine=0.9) == Judgement(SAME, Step.COSINE)
    assert told(LEFT, RIGHT, cosine=0.2) == Judgement(DIFFERENT, Step.COSINE)


def test_in_the_band_sentences_are_compared_each_with_each() -> None:
    left, right = f"{LEFT} Wait until it is connected.", f"Wait for the connection at the end. {RIGHT}"
    likeness = {True: 0.9, False: 0.1}

    def same_subject(one: str, other: str) -> float:
        return 0.7 if one == left else likeness[("ait" in one) == ("ait" in other)]

    def half(one: str, other: str) -> float:
        return 0.55 if one == left else 0.1 if "ait" in one else likeness["ait" not in other]

    assert judge("?", left, right, same_subject) == Judgement(SAME, Step.SENTENCES)
    assert judge("?", left, right, half).opinion is not SAME


def test_texts_too_long_for_the_embedder_are_left_open() -> None:
    left, right = (" ".join(f"{text} {word} it is." for word in "abcdef") for text in (LEFT, RIGHT))
    assert judge("?", left, right, lambda *_: None).opinion is not SAME


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("猫は魚を食べます。そして眠ります。いつもです。", "今日は雨が降るので、傘を持って行きましょう。"),
        ("Откройте настройки и выберите сеть, затем введите пароль.", "Завтра в городе будет дождь, возьмите зонт."),
        ("שלום לכם", "مرحبا بكم"),
        ("\U0001f600\U0001f601", "\ud800"),
        ("\0", ""),
    ],
)
def test_no_language_is_too_much(left: str, right: str) -> None:
    assert told(left, right, cosine=0.1).opinion is not SAME


@pytest.mark.parametrize(
    "text",
    ["1 of 1 ", "1+", "i'm sorry, ", "[", "/* ", "- ", "A) ", "unfortunately ", "*_", "answer: ", "no not yes, "],
)
@pytest.mark.parametrize("fence", ["", "```js\n"])
def test_time_grows_no_faster_than_long_answers_do(text: str, fence: str) -> None:
    def spent(size: int) -> float:
        one = fence + (text * size)[:size]
        before = time.process_time()
        judge("A) red B) blue", one, f"{one[:-9]}b2", lambda *_: 0.7)
        return time.process_time() - before

    # Five times the length; where time grows with its square, 25 times as much.
    assert spent(400_000) <= 15 * max(spent(80_000), spent(7_900), 0.02)


def test_very_long_answers_are_left_open_unless_they_are_equal() -> None:
    long = "It is so. " * 2_000
    assert told(long, f" {long}") == Judgement(SAME, Step.EQUAL)
    assert told(long, f"{long} Or is it?").opinion is UNDECIDED
