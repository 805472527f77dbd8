"""What the wording of two queries says about whether they ask the same, as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.policy.lexicon import KINDS
from cachedistill_sidecar.policy.wording_features import NAMES, compare, features, traits

WORDS = st.sampled_from(
    "how do i can my landlord sue me move from Lyon to Geneva if unless all some 3 kg pounds not better worse than the "
    "open close `x += 1` at least monthly in winter was will must 打开 关闭 nicht avec by paid is are who what".split()
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join))


def feature(name: str, query: str, candidate: str) -> float:
    return features(query, candidate)[NAMES.index(name)]


SPEAKS_AGAINST = [
    ("number", "Can I take 2 tablets?", "Can I take 4 tablets?"),
    ("identifier", "What does error E1042 mean?", "What does error E1024 mean?"),
    ("reversed", "Which plans include calls?", "Which plans don't include calls?"),
    ("reversed", "How do I open an account?", "How do I close an account?"),
    ("reversed", "Is tea better than coffee?", "Is coffee better than tea?"),
    ("reversed", "怎么打开通知?", "怎么关闭通知?"),
    ("reversed", "¿Qué pasa si pago?", "¿Qué pasa si no pago?"),
    ("direction", "How do I convert PDF to Word?", "How do I convert Word to PDF?"),
    ("exchanged", "Can my landlord sue me?", "Can I sue my landlord?"),
    ("exchanged", "Do wolves hunt bears?", "Do bears hunt wolves?"),
    ("exchanged", "Is the moon orbited by the earth?", "Does the moon orbit the earth?"),
    ("exchanged", "Which ferry goes from Corsica to Nice?", "Which ferry goes to Corsica from Nice?"),
    ("tense", "Who owned the club?", "Who will own the club?"),
    ("quantity", "Do I need at least three references?", "Do I need at most three references?"),
    ("quantity", "Delete all branches", "Delete only one branch"),
    ("mode", "Can I pay in cash?", "Must I pay in cash?"),
    ("condition", "Can I get a refund if it broke?", "Can I get a refund unless it broke?"),
    ("person", "How old am I?", "How old are you?"),
    ("occasion", "How cold is Oslo in winter?", "How cold is Oslo in summer?"),
    ("occasion", "What is the weekly limit?", "What is the monthly limit?"),
    ("unit", "How many ounces are in a litre?", "How many ounces are in a gallon?"),
    ("code", "Explain git reset --soft", "Explain git reset --hard"),
    ("rarest", "Which vaccine is best?", "Which antihistamine is best?"),
    ("extra", "Which vaccine is best?", "Which vaccine is best against yellow fever in toddlers?"),
    ("reordered", "Is red wine with blue cheese good?", "Is blue wine with red cheese good?"),
    ("substituted", "How do I peel a mango?", "How do I peel a tomato?"),
    ("inserted", "How do I cancel my order?", "How do I cancel my second order?"),
]
SAYS_NOTHING = [
    ("number", "Can I return it within 2 weeks?", "Can I return it within 14 days?"),
    ("identifier", "How do I pay with PayPal?", "Can I use PayPal to pay?"),
    ("identifier", "I need 2 TB of storage", "I need 2000 GB of storage"),
    ("reversed", "Why is it not allowed?", "Why is it forbidden?"),
    ("reversed", "Is tea better than coffee?", "Is coffee worse than tea?"),
    ("reversed", "Can't I cancel by phone?", "Can I cancel by phone?"),
    ("direction", "How do I convert PDF to Word?", "How can I convert a PDF file to Word?"),
    ("direction", "Can I go from Oslo to Bergen to Oslo?", "How do I go from Oslo to Bergen to Oslo?"),
    ("exchanged", "Is the pump better than the boiler?", "Is the boiler worse than the pump?"),
    ("exchanged", "Does the moon orbit the earth?", "Is the earth orbited by the moon?"),
    ("exchanged", "If I miss my flight, what do I pay?", "What do I pay if I miss my flight?"),
    ("exchanged", "By train, how do I get to Geneva from Lyon?", "How do I get from Lyon to Geneva by train?"),
    ("tense", "What did it cost?", "What was its price?"),
    ("quantity", "Do all pupils get one?", "Does every pupil get one?"),
    ("mode", "Do I have to sign?", "Must I sign?"),
    ("condition", "What if it rains?", "If it rains, what then?"),
    ("person", "Where is my parcel?", "Where can I find my parcel?"),
    ("occasion", "Is it open on Christmas?", "Is it open on Xmas?"),
    ("unit", "Is 20 km far?", "Is 20 kilometres far?"),
    ("unit", "Can I return it within 2 weeks?", "Can I return it within 14 days?"),
    ("code", "What does git stash do?", "Explain git stash"),
    ("rarest", "How do I cancel my order?", "How would I cancel orders?"),
    ("rarest", "How do I delete a photo?", "How do I remove a picture?"),
    ("extra", "How do I delete a photo?", "Please, how can I erase my pictures?"),
    ("reordered", "How do I sort a list?", "How can I sort this list?"),
    ("substituted", "How do I delete a photo?", "How do I remove a photo?"),
]


@pytest.mark.parametrize(("name", "query", "candidate"), SPEAKS_AGAINST)
def test_another_wording_with_another_meaning_is_seen(name: str, query: str, candidate: str) -> None:
    assert feature(name, query, candidate) >= 0.5


@pytest.mark.parametrize(("name", "query", "candidate"), SAYS_NOTHING)
def test_another_wording_with_the_same_meaning_is_let_be(name: str, query: str, candidate: str) -> None:
    assert feature(name, query, candidate) == 0


def test_what_one_side_alone_says_counts_half() -> None:
    assert feature("quantity", "Are berries edible?", "Are all berries edible?") == 0.5
    assert feature("quantity", "Are some berries edible?", "Are all berries edible?") == 1


def test_shared_words_and_letters_count_as_shares() -> None:
    assert feature("overlap", "red fish", "red fish") == 1
    assert feature("overlap", "red fish", "blue fish") == pytest.approx(1 / 3)
    assert feature("trigrams", "mango", "mange") == pytest.approx(2 / 3)


def test_a_character_counts_as_a_word_where_no_blanks_are_set() -> None:
    assert feature("overlap", "我可以退货吗", "我可以换货吗") == pytest.approx(5 / 7)


def test_a_common_word_is_less_rare_than_an_uncommon_one() -> None:
    common = feature("rarest", "Where is the shop?", "Where is the shop today?")
    assert 0 < common < feature("rarest", "Where is the shop?", "Where is the antiquarian shop?")


@given(TEXTS, TEXTS)
def test_features_are_symmetric_and_lie_in_0_to_1(query: str, candidate: str) -> None:
    found = features(query, candidate)
    assert len(found) == len(NAMES)
    assert all(0 <= value <= 1 for value in found)
    assert found == features(candidate, query)


@given(TEXTS)
def test_a_text_differs_from_itself_in_nothing(text: str) -> None:
    agreeing = {"overlap", "trigrams"}
    assert features(text, text) == tuple(float(name in agreeing) for name in NAMES)


@given(TEXTS, TEXTS)
def test_texts_that_were_read_before_compare_the_same(query: str, candidate: str) -> None:
    assert compare(traits(query), traits(candidate)) == features(query, candidate)


def test_the_classes_of_words_stand_where_their_names_do() -> None:
    at = NAMES.index(KINDS[0])
    assert NAMES[at : at + len(KINDS)] == KINDS


SYLLABLES = [f"{first}{second}{third}" for first in "bcdfghjklmnp" for second in "aeiou" for third in "bcdfghklmnprst"]
LISTS = [
    " ".join(f"the {first}{second}s" for first in SYLLABLES for second in SYLLABLES[::200]),
    " ".join(f"and the {first.title()}{second}" for first in SYLLABLES for second in SYLLABLES[::200]),
    " ".join(f"the {first}-{number}" for first in SYLLABLES for number in range(5)),
]
OTHERS = str.maketrans("bcdfghjklmnp", "w" * 12)


@pytest.mark.parametrize("listed", LISTS, ids=["nouns", "names", "codes"])
def test_a_list_of_thousands_is_compared_as_it_stands(listed: str) -> None:
    """Each word with each would take seconds, in the way of everybody else's requests."""
    assert feature("overlap", listed, " ".join(reversed(listed.split()))) == 1
    assert feature("overlap", listed, listed.translate(OTHERS)) < 0.1
    assert feature("identifier", listed, f"{listed} the xyz-1") == 1
    assert feature("identifier", listed, listed) == 0
