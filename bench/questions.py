"""Short questions (8 to 16 tokens) in any number, no two the same, and other wordings of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

_SEED = 20260102


@dataclass(frozen=True, slots=True)
class Family:
    """All questions that templates and the words of their slots make."""

    templates: Sequence[str]
    slots: Sequence[Sequence[str]]

    def __len__(self) -> int:
        return len(self.templates) * prod(map(len, self.slots))

    def question(self, index: int) -> str:
        """Question number `index` of all."""
        index, template = divmod(index, len(self.templates))
        words = []
        for slot in self.slots:
            index, choice = divmod(index, len(slot))
            words.append(slot[choice])
        return self.templates[template].format(*words)

    def shuffled(self) -> Iterator[str]:
        """All of them once, in an order that is the same each time."""
        return map(self.question, random.Random(_SEED).sample(range(len(self)), len(self)))


def _words(joined: str) -> list[str]:
    return joined.split("|")


# What apps of a shop's or a bank's customers ask: the entries of a cache.
SUPPORT = Family(
    templates=(
        "How do I reset the {0} of my {1} {2}?",
        "Where can I find the {0} of the {1} {2}?",
        "Why does my {2} not accept the {1} {0}?",
        "Can I share the {0} of my {1} {2}?",
        "What does the {0} of a {1} {2} mean?",
        "How can I change the {0} for a {1} {2}?",
        "Who can see the {0} on my {1} {2}?",
        "How long is the {0} of the {1} {2} kept?",
    ),
    slots=(
        _words(
            "password|invoice address|phone number|display name|spending limit|security code|renewal notice"
            "|profile photo|delivery note|access key|storage quota|shipping label|language setting"
            "|backup folder|payment method"
        ),
        _words("business|student|family|shared|premium|trial|personal|archived|suspended|regional|verified|company"),
        _words(
            "account|calendar|credit card|wallet|mailbox|subscription|workspace|contract|playlist|notebook|dashboard"
            "|web shop|loyalty card|insurance policy|savings plan|photo album|chat room|mobile plan"
        ),
    ),
)

# What has nothing to do with that: never close to an entry.
KITCHEN = Family(
    templates=(
        "Does {0} go well with {1} and {2}?",
        "Should one roast {0} before adding {1} to {2}?",
        "Which wine goes with {0}, {1} and {2}?",
        "Is {2} with {0} and {1} a good supper?",
        "Can {0} replace {1} in a {2}?",
    ),
    slots=(
        _words(
            "aubergine|barley|beetroot|cabbage|celery|chickpeas|cod|duck|fennel|figs|goat cheese|halibut|kale|lamb"
            "|leeks|lentils|mackerel|millet|mushrooms|mussels|oats|olives|parsnips|pears|polenta|pumpkin|rabbit|radish|salmon"
            "|spinach|tofu|trout|turnips|veal|walnuts"
        ),
        _words(
            "anise|basil|bay leaves|butter|capers|caraway|cardamom|chervil|chives|cinnamon|cloves|coriander|cumin|dill"
            "|garlic|ginger|honey|horseradish|juniper|lemon zest|lovage|marjoram|mint|mustard|nutmeg|oregano|paprika"
            "|parsley|rosemary|saffron|sage|sesame|tarragon|thyme|vanilla"
        ),
        _words(
            "broth|casserole|chowder|curry|dumplings|flatbread|fritters|goulash|gratin|lasagne|noodles|omelette|paella"
            "|pancakes|pasta|pie|pilaf|porridge|quiche|ragout|ravioli|risotto|salad|skewers|soup|stew|stuffing|tart"
            "|terrine|waffles"
        ),
    ),
)

_WORDINGS = ("Hello, {0}", "{0}, please", "Hi, {0}", "Please, {0}")


def reworded(question: str, wording: int) -> str:
    """The same question in slightly other words."""
    return _WORDINGS[wording % len(_WORDINGS)].format(question[0].lower() + question[1:-1]) + "?"
