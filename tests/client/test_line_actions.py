"""The phases and actions of a line; what they do is tested in test_recovery*.py and test_driver.py."""

from __future__ import annotations

import pytest

from caesura.client import recovery
from caesura.client.line_actions import Phase


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_has_a_row_in_the_table_of_phases(phase: Phase) -> None:
    assert f"    {phase.name} " in (recovery.__doc__ or "")
