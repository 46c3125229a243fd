"""Writes the page `docs/parameters.md` from the tables of parameters: run `python docs/parameters.py`."""

from __future__ import annotations

from pathlib import Path

from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDINGS, Honoured

PAGE = Path(__file__).with_suffix(".md")

HEAD = """# Parameters of `/v1/listen`

Made by `docs/parameters.py` from the tables that read them. A parameter that is not here is ignored. A value that is
none of those listed is answered with 400 and a sentence that names the parameter, its value and the accepted values.

| parameter | on a live stream | on a recording | values | what it does |
|---|---|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    rows = [_honoured(name, row, live="honoured") for name, row in HONOURED.items()]
    rows += [_honoured(name, row, live="refused") for name, row in RECORDINGS.items()]
    rows += [
        _row(name, "refused", "refused", "false, empty or the default are let through", _WHY)
        for name, row in NOT_HONOURED.items()
    ]
    rows += [_row(name, "ignored", "ignored", row.right or "anything", row.because) for name, row in IGNORED.items()]
    return HEAD + "".join(sorted(rows))


def _honoured(name: str, row: Honoured, live: str) -> str:
    times = f"; up to {row.most} times" if row.most > 1 else ""
    return _row(name, live, "honoured" if name not in _LIVE_ONLY else "ignored", row.right + times, row.does)


def _row(name: str, *cells: str) -> str:
    return f"| `{name}` | {' | '.join(cells)} |\n"


_WHY = "would need a model that this server does not have; the 400 says so"
_LIVE_ONLY = frozenset(
    {"interim_results", "endpointing", "utterance_end_ms", "vad_events", "no_delay", "inspect_response"}
)
"""Parameters that mean nothing for a recording."""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
