"""What a judge says of two answers, and which step of the ladder said it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

# The cosine of two texts' embeddings; None when one of them has none, because it is too long for the embedder.
Similarity = Callable[[str, str], float | None]


class Opinion(StrEnum):
    """Whether an asker who gets the one answer is served as well as with the other."""

    SAME = "same"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


class Step(StrEnum):
    """The steps of the ladder, cheapest first."""

    EQUAL = "equal"
    DATA = "data"
    REFUSAL = "refusal"
    CODE = "code"
    CLOSED = "closed"
    CONTRADICTION = "contradiction"
    COSINE = "cosine"
    SENTENCES = "sentences"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Judgement:
    """An opinion, and the step that came to it; of one that is undecided, the last step that was tried."""

    opinion: Opinion
    step: Step
