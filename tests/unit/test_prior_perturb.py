"""Labelled pairs of queries by rule, for the prior."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bench.prior import look_alikes, paraphrases
from bench.prior.perturb import Pair, main, pairs

QUERIES = [
    "How do I open an account if I live in Spain?",
    "Can I pay 20 dollars in cash before Monday?",
    "What is the way from Oslo to Bergen with all my luggage?",
    "Tell me about photos that I should delete on Windows",
    "Why did the doctor send me the bill twice?",
]
DIFFERENT = {
    "negation": ("a photo that I should keep", "a photo that I shouldn't keep"),
    "negated question": ("How do I sort a list?", "How do I not sort a list?"),
    "opposite": ("How do I enable it?", "How do I disable it?"),
    "unit": ("Is 5 kg heavy?", "Is 5 pounds heavy?"),
    "condition": ("Can I go if it rains?", "Can I go unless it rains?"),
    "direction": ("Go from Oslo to Bergen", "Go from Bergen to Oslo"),
}
SAME = {
    "contraction": ("What is it?", "What's it?"),
    "clause": ("Is it mine if I pay?", "If I pay, is it mine?"),
    "article": ("Where is the invoice?", "Where is invoice?"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_rule_for_look_alikes_changes_what_is_asked(name: str) -> None:
    query, other = DIFFERENT[name]
    made = {look_alikes.RULES[name](query, random.Random(seed)) for seed in range(40)}
    assert other in made


@pytest.mark.parametrize("name", SAME)
def test_a_rule_for_paraphrases_keeps_what_is_asked(name: str) -> None:
    query, other = SAME[name]
    assert paraphrases.RULES[name](query, random.Random(1)) == other


def test_a_polite_negation_is_no_look_alike() -> None:
    for rule in ("negation", "negated question"):
        assert look_alikes.RULES[rule]("Can I pay by card?", random.Random(1)) is None


def test_a_number_becomes_another_one() -> None:
    made = {look_alikes.RULES["number"]("Is 0 enough?", random.Random(seed)) for seed in range(20)}
    assert len(made) > 1
    assert "Is 0 enough?" not in made


def test_what_a_rule_cannot_change_is_left_alone() -> None:
    assert all(rule("Hm", random.Random(1)) is None for rule in look_alikes.RULES.values())


def test_each_query_has_look_alikes_and_paraphrases_of_its_own() -> None:
    counts = Counter((pair.query, pair.same) for pair in pairs(QUERIES, seed=1))
    assert counts == {(query, same): 2 for query in QUERIES for same in (True, False)}


def test_no_pair_is_one_text_twice() -> None:
    made = [pair for seed in range(20) for pair in pairs(QUERIES, seed, of_each=6)]
    assert all(pair.query.casefold() != pair.candidate.casefold() for pair in made)


def test_the_same_seed_gives_the_same_pairs() -> None:
    first = list(pairs(QUERIES, seed=3))
    assert first == list(pairs(QUERIES, seed=3))
    assert first != list(pairs(QUERIES, seed=4))


def test_some_look_alikes_are_reworded_and_some_paraphrases_are_not() -> None:
    """Likeness alone must not give the label away."""

    def shared(pair: Pair) -> float:
        query, candidate = set(pair.query.lower().split()), set(pair.candidate.lower().split())
        return len(query & candidate) / len(query | candidate)

    made = [pair for seed in range(20) for pair in pairs(QUERIES, seed)]
    assert min(shared(pair) for pair in made if not pair.same) < 0.6
    assert max(shared(pair) for pair in made if pair.same) > 0.8


def test_lines_are_written_as_a_table() -> None:
    written: list[str] = []
    main([*QUERIES, "\n"], written.append)
    assert {tuple(len(part) > 0 for part in line.split("\t")) for line in written} == {(True,) * 4}
    assert {line.split("\t")[1] for line in written} == {"same", "other"}
