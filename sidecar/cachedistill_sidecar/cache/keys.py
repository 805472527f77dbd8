"""Files with a cache's keys: 32 bytes in base64, one a line. The first one seals, all of them open.

So a key is replaced in two steps, each of which all sidecars must have taken up before the next: the new one behind the
old one, then before it. The old one may go when what it sealed has reached its time to live.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

KEY_BYTES = 32


def read_keys(path: str) -> tuple[bytes, ...]:
    """The keys of a file, at least one. Raises ValueError, without a word of what is in it."""
    try:
        lines = Path(path).read_text("ascii").split()
        keys = tuple(base64.b64decode(line, validate=True) for line in lines)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, binascii.Error):
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"{path}: must hold keys of {KEY_BYTES} bytes in base64, one a line")
    return keys
