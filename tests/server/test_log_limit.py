"""Lines that any client can provoke are logged a few times a minute, and the rest are counted."""

from __future__ import annotations

import logging

from caesura.server.log_limit import PER_MINUTE, LogLimit


def record(msg: str, now: float, *args: object) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.WARNING, "", 0, msg, args, None)
    made.created = now
    return made


def test_a_few_records_per_minute_are_kept_and_the_next_minute_counts_the_dropped() -> None:
    limit = LogLimit()
    kept = [limit.filter(record("bad bytes", 1000.0 + second / 100)) for second in range(500)]
    assert kept == [True] * PER_MINUTE + [False] * (500 - PER_MINUTE)
    later = record("bad bytes", 1061.0)
    assert limit.filter(later)
    assert later.getMessage() == f"bad bytes (and {500 - PER_MINUTE} more of these, left out of the log)"
    after = record("bad bytes", 1062.0)
    assert limit.filter(after)
    assert after.getMessage() == "bad bytes"


def test_a_flood_of_one_line_hides_no_other() -> None:
    limit = LogLimit(per_minute=1)
    assert [limit.filter(record(msg, 5.0)) for msg in ("a", "a", "b", "b")] == [True, False, True, False]


def test_a_line_counts_by_its_template_and_keeps_its_arguments() -> None:
    limit = LogLimit(per_minute=1)
    assert limit.filter(record("%s: refused", 0.0, "one"))
    assert not limit.filter(record("%s: refused", 1.0, "two"))
    third = record("%s: refused", 60.0, "three")
    assert limit.filter(third)
    assert third.getMessage() == "three: refused (and 1 more of these, left out of the log)"


def test_minutes_without_a_flood_add_nothing() -> None:
    limit = LogLimit()
    for minute in range(5):
        quiet = record("bad bytes", minute * 60.0)
        assert limit.filter(quiet)
        assert quiet.getMessage() == "bad bytes"
