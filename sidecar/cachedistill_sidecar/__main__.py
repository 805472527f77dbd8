"""`python -m cachedistill_sidecar`: the `cachedistill` command."""

from cachedistill_sidecar.cli import main

if __name__ == "__main__":
    main()
