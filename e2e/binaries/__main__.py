"""`python -m e2e.binaries`: build all tools that are missing, and say where they are."""

from __future__ import annotations

import sys

from e2e.binaries import tool
from e2e.binaries.catalogue import TOOLS
from e2e.machine import Unavailable


def main() -> None:
    for name in TOOLS:
        try:
            print(tool(name), flush=True)
        except Unavailable as why:
            sys.exit(str(why))


if __name__ == "__main__":
    main()
