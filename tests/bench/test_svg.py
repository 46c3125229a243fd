from __future__ import annotations

from xml.etree import ElementTree

import pytest
from svg import Bar, bar_chart

NAMES = ["clean & read <8 kHz>", "noise", "telephone"]


def parts(chart: str, kind: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(chart).iter() if each.get("class") == kind]


def test_a_chart_is_well_formed_and_has_a_bar_for_each_set() -> None:
    chart = bar_chart("Word errors", "%", ["live"], {name: [Bar(10.0)] for name in NAMES})
    assert len(parts(chart, "bar")) == len(NAMES)
    assert {NAMES[0]} <= {each.text for each in ElementTree.fromstring(chart).iter()}


def test_each_series_has_a_bar_in_each_group() -> None:
    chart = bar_chart("Word errors", "%", ["live", "whole"], {name: [Bar(10.0), Bar(9.0)] for name in NAMES})
    assert len(parts(chart, "bar")) == 2 * len(NAMES)
    assert len(parts(chart, "key")) == 2


def test_only_values_with_an_interval_have_one() -> None:
    chart = bar_chart("Word errors", "%", ["live"], {"a": [Bar(10.0, 8.0, 13.0)], "b": [Bar(10.0)]})
    assert len(parts(chart, "interval")) == 1


def test_bars_are_as_long_as_their_values_and_stay_in_the_picture() -> None:
    chart = bar_chart("Word errors", "%", ["live"], {"a": [Bar(10.0)], "b": [Bar(20.0, 15.0, 47.0)]})
    short, long = (float(each.attrib["width"]) for each in parts(chart, "bar"))
    assert long == pytest.approx(2 * short, abs=0.2)
    right = float(ElementTree.fromstring(chart).attrib["width"])
    assert all(float(each.attrib["x"]) + float(each.attrib["width"]) <= right for each in parts(chart, "bar"))


def test_a_chart_without_errors_can_be_drawn() -> None:
    assert parts(bar_chart("Word errors", "%", ["live"], {"a": [Bar(0.0)]}), "bar")
