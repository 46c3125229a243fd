"""Entry point of `python -m caesura`, the same as the `caesura` command."""

from __future__ import annotations

from caesura.cli.main import main

if __name__ == "__main__":
    main()
