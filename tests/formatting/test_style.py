"""Formatting options of a stream, and their change by Configure."""

from __future__ import annotations

import pytest

from caesura.formatting.style import Style
from caesura.protocol.configure import FEATURES


def test_only_named_fields_change() -> None:
    style = Style(numerals=True, redact=("pci",), search=("cat",), replace=(("cat", "dog"),))
    changed = style.changed({"numerals": False, "dictation": True})
    assert changed == Style(dictation=True, redact=("pci",), search=("cat",), replace=(("cat", "dog"),))


def test_a_change_leaves_the_style_that_it_began_with() -> None:
    style = Style()
    assert style.changed({"smart_format": True}) != style == Style()


def test_nothing_named_changes_nothing() -> None:
    assert Style(profanity_filter=True).changed({}) == Style(profanity_filter=True)


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_of_configure_is_a_switch_of_the_style(feature: str) -> None:
    on = Style().changed({feature: True})
    assert getattr(on, feature) is True
    assert on.changed({feature: False}) == Style()


def test_redaction_is_no_feature_that_configure_could_switch_off() -> None:
    assert "redact" not in FEATURES
