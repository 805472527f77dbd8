"""What two queries' wording gives away, and what asks for now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.policy.opposites import OPPOSITES
from cachedistill_sidecar.policy.polarity import NEGATIONS
from cachedistill_sidecar.policy.wording import conflict, time_bound

OTHER_NUMBERS = [
    ("Can I return it after 14 days?", "Can I return it after 40 days?"),
    ("I need 10 GB of storage", "I need 10 MB of storage"),
    ("How long is a run of 5 km?", "How long is a run of 5 miles?"),
    ("What is 15% of 200?", "What is 50% of 200?"),
    ("Does it work with Python 3.1?", "Does it work with Python 3.10?"),
    ("Is the 9:15 train on time?", "Is the 9:45 train on time?"),
    ("Can you call at 2pm?", "Can you call at 2am?"),
    ("What happened on 2024-01-05?", "What happened on 2024-01-06?"),
    ("Are you open in March?", "Are you open in April?"),
    ("Are you open on Saturday?", "Are you open on Sunday?"),
    ("Do I get 3 coupons?", "Do I get coupons?"),
    ("How many calories have two eggs?", "How many calories have three eggs?"),
    ("What was the first version?", "What was the second version?"),
    ("How do I set -5 °C?", "How do I set 5 °C?"),
    ("Can I pay $50?", "Can I pay €50?"),
    ("Track parcel 90071992547409931", "Track parcel 90071992547409932"),
    ("Do you offer a same-day visit?", "Do you offer a next-day visit?"),
]
SAME_NUMBERS = [
    ("Can it hold 1,000 files?", "Can it hold 1000 files?"),
    ("Can I return it after 14 days?", "May I return it after two weeks?"),
    ("Does it take 10 minutes?", "Does it take 600 seconds?"),
    ("How do I get 10GB more?", "How do I get 10 GB more?"),
    ("What is 5% of it?", "What is five percent of it?"),
    ("Do you have a table at 7pm?", "Do you have a table at seven?"),
    ("Can twenty-two people come?", "Can 22 people come?"),
    ("Is the third door open?", "Is the 3rd door open?"),
    ("How do I write 1.5 million?", "How do I write 1500000?"),
    ("Is it open on weekdays?", "Is it open Monday to Friday?"),
    ("How do I start with 2FA?", "How do I start with two-factor authentication?"),
    ("How many calories has one egg?", "How many calories has an egg?"),
    ("I may come in May", "I come in May"),
]
OTHER_IDENTIFIERS = [
    ("What does error E1042 mean?", "What does error E1024 mean?"),
    ("What does error E1042 mean?", "What does this error mean?"),
    ("How do I read config.yaml?", "How do I read config.json?"),
    ("What is in /etc/hosts?", "What is in /etc/passwd?"),
    ("What does get_user do?", "What does set_user do?"),
    ("What does `git pull` do?", "What does `git push` do?"),
    ('What does "pending" mean?', 'What does "settled" mean?'),
    ("Who owns ann@example.com?", "Who owns bob@example.com?"),
    ("What is at https://example.com/a?", "What is at https://example.com/b?"),
    ("How do I connect to PayPal?", "How do I connect to WhatsApp?"),
    ("Do you ship to Austria?", "Do you ship to Australia?"),
    ("Do you ship to Austria?", "do you ship to australia"),
    ("What is the drinking age in the UK?", "What is the drinking age in the US?"),
    ("Liefert ihr nach Österreich?", "Liefert ihr nach Australien?"),
]
SAME_IDENTIFIERS = [
    ("Convert 100 USD to GBP", "How many pounds is 100 dollars?"),
    ("How do I open a PR?", "How do I open a pull request?"),
    ("What is the drinking age in the US?", "What is the drinking age in America?"),
    ("What does error E1042 mean?", "what does error code e1042 mean"),
    ("How do I reset my password?", "HOW DO I RESET MY PASSWORD?"),
    ("Do you accept Apple Pay?", "Do You Accept Apple Pay?"),
    ("How Can I Pay My Invoice Online?", "How Do I Settle My Bill On The Web?"),
    ("Wie kann ich mein Passwort ändern?", "Wie ändere ich mein Kennwort?"),
]
REVERSED = [
    ("How do I enable dark mode?", "How do I disable dark mode?"),
    ("How do I turn on the alarm?", "How do I turn the alarm off?"),
    ("How do I log in?", "How do I log out?"),
    ("How do I increase the limit?", "How do I decrease the limit?"),
    ("Can I cancel before the trial ends?", "Can I cancel after the trial ends?"),
    ("How do I import contacts?", "How do I export contacts?"),
    ("Which plans include calls?", "Which plans don't include calls?"),
    ("Can I travel with a visa?", "Can I travel without a visa?"),
    ("Is the deposit refundable?", "Is the deposit non-refundable?"),
    ("Is it safe?", "Is it unsafe?"),
    ("How do I subscribe?", "How do I unsubscribe?"),
    ("How do I find the minimum?", "How do I find the maximum?"),
    ("How do I move files from the server to the laptop?", "How do I move files from the laptop to the server?"),
    ("How do I convert EUR to USD?", "How do I convert USD to EUR?"),
    ("how do i convert pdf to word", "how do i convert word to pdf"),
    ("Which station do trains from Paris to London use?", "Which station do trains from London to Paris use?"),
    ("Kann ich das Paket zurückgeben?", "Kann ich das Paket nicht zurückgeben?"),
]
NOT_REVERSED = [
    ("I can't log in", "I'm unable to log in"),
    ("I can't log in", "I cannot log in"),
    ("Why does my app not start?", "Why does my app fail to start?"),
    ("How do I start?", "How can I start?"),
    ("Don't I need a visa?", "Do I need a visa?"),
    ("Why don't you offer refunds on sale items?", "Why do you not offer refunds on sale items?"),
    ("Is it not safe?", "Is it unsafe?"),
    ("I can't find the export button", "Where is the export button?"),
    ("What documents do I need to travel?", "To travel, what documents do I need?"),
    ("Do I have to pay to have my visa sent?", "Do I pay to have my visa sent?"),
    ("Can I add my partner to my policy?", "To my policy, can I add my partner?"),
    ("How long is it open?", "How long does it stay open?"),
]


@pytest.mark.parametrize(("query", "candidate"), OTHER_NUMBERS)
def test_other_numbers_are_a_conflict(query: str, candidate: str) -> None:
    assert conflict(query, candidate) is Reason.GUARD_NUMBER


@pytest.mark.parametrize(("query", "candidate"), OTHER_IDENTIFIERS)
def test_other_identifiers_are_a_conflict(query: str, candidate: str) -> None:
    assert conflict(query, candidate) is Reason.GUARD_IDENTIFIER


@pytest.mark.parametrize(("query", "candidate"), REVERSED)
def test_a_negation_or_an_opposite_or_a_reversed_direction_is_a_conflict(query: str, candidate: str) -> None:
    assert conflict(query, candidate) is Reason.GUARD_NEGATION


@pytest.mark.parametrize(("query", "candidate"), [*SAME_NUMBERS, *SAME_IDENTIFIERS, *NOT_REVERSED])
def test_the_same_in_other_words_is_no_conflict(query: str, candidate: str) -> None:
    assert conflict(query, candidate) is None


def test_a_negated_opposite_is_the_same_again() -> None:
    assert conflict("Why is it not allowed?", "Why is it blocked?") is None
    assert conflict("Why is it not allowed?", "Why is it allowed?") is Reason.GUARD_NEGATION


def test_no_negation_is_also_an_opposite() -> None:
    """It would count twice, and cancel itself."""
    assert NEGATIONS.isdisjoint(OPPOSITES)


SENTENCES = sorted(
    {
        sentence
        for pairs in (OTHER_NUMBERS, SAME_NUMBERS, OTHER_IDENTIFIERS, SAME_IDENTIFIERS, REVERSED, NOT_REVERSED)
        for pair in pairs
        for sentence in pair
    }
)
WORDS = st.sampled_from(sorted({word for sentence in SENTENCES for word in sentence.split()} | set(OPPOSITES)))
TEXTS = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join), st.sampled_from(SENTENCES))


@given(TEXTS, TEXTS)
def test_a_conflict_is_symmetric(query: str, candidate: str) -> None:
    assert conflict(query, candidate) is conflict(candidate, query)


@given(TEXTS)
def test_a_text_is_not_in_conflict_with_itself(text: str) -> None:
    assert conflict(text, text) is None
    assert conflict(text, f"  {text} ") is None


@pytest.mark.parametrize("sentence", SENTENCES)
def test_typing_without_capitals_is_no_conflict(sentence: str) -> None:
    assert conflict(sentence, sentence.lower()) is None


@given(st.integers(0, 10**20), st.integers(0, 10**20))
def test_two_numbers_conflict_exactly_when_they_differ(number: int, other: int) -> None:
    found = conflict(f"Where is order {number} now?", f"Where's order {other} now?")
    assert found is (None if number == other else Reason.GUARD_NUMBER)


@given(st.lists(st.integers(0, 10**6), min_size=51, max_size=60))
def test_tables_of_numbers_are_compared_as_they_stand(numbers: list[int]) -> None:
    table = " ".join(map(str, numbers))
    assert conflict(f"Add {table} up", f"Please add {table} up") is None
    assert conflict(f"Add {table} up", f"Add {table} 7 up") is Reason.GUARD_NUMBER


@given(st.integers(1000, 10**14))
def test_a_thousands_separator_is_no_conflict(number: int) -> None:
    assert conflict(f"Is {number} enough?", f"Would {number:,} be enough?") is None


ASKS_FOR_NOW = [
    "What time is it?",
    "Hi, what's the time in Tokyo?",
    "What is today's date?",
    "What's the weather in Paris tomorrow?",
    "weather oslo",
    "Please, I need to know when the shop opens today",
    "Can you tell me what the weather is in Austin?",
    "Who is the current president of France?",
    "Who is currently the CEO?",
    "current gold price",
    "What's the latest version of Python?",
    "latest news about the election",
    "What is the exchange rate of euro to dollar?",
    "Convert 100 USD to GBP",
    "How many days until Christmas?",
    "Is the 17:42 train delayed today?",
    "Are your servers down right now?",
    "Which games are on this week?",
    "I have an hour to spend. What time does the museum close today?",
    "Wie spät ist es?",
    "Wie wird das Wetter heute in Berlin?",
    "Quelle heure est-il ?",
    "¿Qué tiempo hace hoy?",
]
TIMELESS = [
    "How do I change my current address?",
    "What is the latest date to return an item?",
    "How do I update to the latest version?",
    "How do I cancel an order I placed this morning?",
    "I ordered a parcel last week. How do I return it?",
    "I can't log in right now, what should I do?",
    "What is the time limit for returns?",
    "What's the check-in time?",
    "What time do you open on Mondays?",
    "How does weather forecasting work?",
    "How are exchange rates calculated?",
    "How do I read the current date in Python?",
    "What does the current status mean?",
    "What is alternating current?",
    "How many days do I have to return an item?",
    "Is the jacket waterproof or weatherproof?",
    "Wie ändere ich meine aktuelle Adresse?",
    "Comment changer mon adresse actuelle ?",
    "",
]


@pytest.mark.parametrize("text", ASKS_FOR_NOW)
def test_what_changes_with_time_is_time_bound(text: str) -> None:
    assert time_bound(text)
    assert time_bound(text.upper())


@pytest.mark.parametrize("text", TIMELESS)
def test_what_stays_true_is_not_time_bound(text: str) -> None:
    assert not time_bound(text)


def test_a_long_text_asks_at_its_beginning_or_its_end() -> None:
    material = "The train left. It is the current price of gold today? " * 100
    assert not time_bound(f"Summarize this text: {'x ' * 600} {material} {'x ' * 600}")
    assert time_bound(f"{'x ' * 5000}. What's the weather in Rome?")


@given(TEXTS)
def test_any_text_may_be_judged(text: str) -> None:
    assert time_bound(text) in (True, False)
