"""Arguments of `python -m caesura` in; the same as the `caesura` command out."""

from __future__ import annotations

from caesura.cli.main import main

if __name__ == "__main__":
    main()
