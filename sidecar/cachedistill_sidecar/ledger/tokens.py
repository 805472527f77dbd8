"""How many tokens a text is, when nobody has counted them."""

from __future__ import annotations

import re

CHARACTERS_PER_TOKEN = 4

# Kana, CJK ideographs, Hangul, and their full-width forms.
_ONE_TOKEN_EACH = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


def estimate_tokens(text: str) -> int:
    """Estimated tokens of a text, for answers that carry no usage.

    An estimate, not a count: providers' tokenizers take about four characters of English a token (OpenAI's own rule
    of thumb), and about one Chinese, Japanese or Korean character.
    """
    dense = 0 if text.isascii() else len(_ONE_TOKEN_EACH.findall(text))
    return dense + -(-(len(text) - dense) // CHARACTERS_PER_TOKEN)
