"""Whether an answer declines to answer."""

from __future__ import annotations

import re

# A longer text that opens with a reservation goes on to answer.
_MOST_WORDS = 60
_APOLOGY = (
    r"(?:(?:i'm |i am )?(?:so |very )?(?:sorry|afraid)[,.]?(?: but)? |unfortunately,? "
    r"|i apologi[sz]e[^.]{0,30}[,.](?: but)? |as an ai[^,]{0,40}, )"
)
_REFUSAL = re.compile(
    rf"\W*{_APOLOGY}{{0,3}}"
    r"(?:(?:that )?(?:i|we) (?:can't|cannot|can not|won't|(?:a|')m (?:unable|not able) to|am (?:unable|not able) to"
    r"|are (?:unable|not able) to|don't have (?:access|any information|information|enough))"
    r"|i'm (?:unable|not able) to"
    r"|(?:es )?tut mir leid, (?:aber )?(?:das|dabei|ich)\b[^.]{0,30}\b(?:nicht|kann)"
    r"|(?:das|dabei) kann ich (?:\w+ )?nicht"
    r"|lo siento, (?:pero )?no puedo|(?:je suis )?d\u00e9sol\u00e9e?, (?:mais )?je ne peux pas)\b"
)


def refuses(prose: str) -> bool:
    """Whether a text says no more than that its writer can't or won't help."""
    return len(prose.split()) <= _MOST_WORDS and _REFUSAL.match(prose.lower()) is not None
