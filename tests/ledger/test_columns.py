"""Column types for moments and dollars; the others are tested by the tables that use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from caesura.ledger.columns import Dollars, Timestamp
from caesura.rfc3339 import rfc3339

moments = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.timezones())  # noqa: DTZ001


@given(moments)
def test_a_timestamp_is_read_back_to_the_millisecond(moment: datetime) -> None:
    back = Timestamp().process_result_value(rfc3339(moment), None)  # type: ignore[arg-type]
    assert back is not None
    assert timedelta(0) <= moment.astimezone(UTC) - back < timedelta(milliseconds=1)


@given(st.integers(0, 10**15))
def test_dollars_of_nine_digits_behind_the_point_are_exact(nano: int) -> None:
    assert Dollars().process_bind_param(nano / 1e9, None) == nano  # type: ignore[arg-type]
