"""`python -m e2e.images`: build all images whose inputs changed, and say their names."""

from __future__ import annotations

import sys

from e2e.images.build import built
from e2e.images.buildah import ImageError
from e2e.images.catalogue import IMAGES
from e2e.machine import Unavailable


def main() -> None:
    for name in IMAGES:
        try:
            print(built(name).name, flush=True)
        except (Unavailable, ImageError) as why:
            sys.exit(str(why))


if __name__ == "__main__":
    main()
