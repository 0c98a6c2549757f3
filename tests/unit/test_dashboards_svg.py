"""A chart draws what it is given, breaks on nothing, and says the same in words."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.dashboards.model import ChangeMark, Chart, Estimate, Mark, Period, Point
from undertow.dashboards.svg import FULL, SMALL, STRIP, Shape, after_level, lanes_needed, render_chart

PERIOD = Period(1000.0, 1600.0)
BASE = Chart(title="answers that refuse", metric="refusal_rate", unit="share of events", service="support")
ODD = st.one_of(st.none(), st.floats())


def _line(values: Sequence[float | None], step: float = 10.0) -> list[Point]:
    return [Point(1005.0 + index * step, value, events=50) for index, value in enumerate(values)]


def _drawn(chart: Chart, shape: Shape = FULL, lanes: int | None = None) -> ET.Element:
    return ET.fromstring(render_chart(chart, PERIOD, shape, lanes))  # noqa: S314 - our own output


def _classes(root: ET.Element, name: str) -> list[str]:
    return [element.get("class", "") for element in root.iter(name)]


@given(
    st.lists(st.builds(Point, t=st.floats(), value=ODD, low=ODD, high=ODD, events=st.integers(0, 9)), max_size=30),
    st.sampled_from(["share of events", "characters", "seconds"]),
    st.sampled_from([FULL, STRIP, SMALL]),
    st.none() | st.builds(ChangeMark, st.floats(), st.floats(), st.floats()),
)
def test_no_points_whatever_break_a_chart(
    points: list[Point], unit: str, shape: Shape, change: ChangeMark | None
) -> None:
    chart = msgspec.structs.replace(BASE, points=points, unit=unit, change=change)
    text = ET.tostring(_drawn(chart, shape), encoding="unicode")
    assert "nan" not in text
    assert "inf" not in text


def test_an_empty_chart_says_so() -> None:
    assert "no traffic in this period" in render_chart(BASE, PERIOD)


def test_a_single_point_is_a_dot_and_a_constant_series_a_line() -> None:
    assert _classes(_drawn(msgspec.structs.replace(BASE, points=_line([0.02]))), "circle") == ["dot line"]
    constant = _drawn(msgspec.structs.replace(BASE, points=_line([0.0] * 20)))
    assert _classes(constant, "path") == ["line"]


def test_a_period_without_length_is_drawn() -> None:
    chart = msgspec.structs.replace(BASE, points=[Point(1000.0, 0.5)])
    assert "circle" in render_chart(chart, Period(1000.0, 1000.0))


def test_a_line_has_a_gap_where_there_was_no_traffic() -> None:
    chart = msgspec.structs.replace(BASE, points=_line([0.1, 0.1, None, 0.1, 0.1]))
    assert _classes(_drawn(chart), "path") == ["line", "line"]


def test_the_line_changes_colour_at_the_change_and_back_when_it_recovers() -> None:
    points = _line([0.02] * 10 + [0.3] * 10 + [0.02] * 10)
    chart = msgspec.structs.replace(
        BASE, points=points, change=ChangeMark(1105, 1095, 1115), recovered_at=1205.0, detected_at=1130.0
    )
    root = _drawn(chart)
    assert _classes(root, "path") == ["line", "line moved", "line"]
    assert sorted(_classes(root, "g")) == ["mark changed", "mark detected", "mark detected"]
    shading = next(each for each in root.iter("rect") if each.get("class") == "change")
    assert float(shading.get("width", 0)) == pytest.approx(20 / 600 * 360, abs=0.1)
    assert after_level(chart) == pytest.approx(0.3)


def test_the_verdicts_level_goes_before_the_points() -> None:
    chart = msgspec.structs.replace(
        BASE, points=_line([0.3] * 9), change=ChangeMark(1000, 1000, 1000), after=Estimate(0.31, 0.2, 0.4, 90)
    )
    assert after_level(chart) == 0.31
    assert after_level(BASE) is None


def test_intervals_are_a_band_and_the_baseline_a_stripe() -> None:
    points = [Point(1005.0 + 10 * index, 0.1, 0.05, 0.15, 50) for index in range(9)]
    root = _drawn(msgspec.structs.replace(BASE, points=points, baseline=Estimate(0.1, 0.09, 0.11, 900)))
    assert _classes(root, "path") == ["band", "line"]
    assert "baseline" in _classes(root, "rect")
    lone = _drawn(msgspec.structs.replace(BASE, points=points[:1]))
    assert "whisker" in _classes(lone, "line")


def test_versions_that_find_no_room_keep_their_line_and_a_tooltip() -> None:
    versions = [Mark(1300.0 + index, f"prompt_version v{index}") for index in range(8)]
    root = _drawn(msgspec.structs.replace(BASE, points=_line([0.1] * 9), versions=versions))
    marks = [each for each in root.iter("g") if each.get("class") == "mark version"]
    assert [mark.findtext("title") for mark in marks].count("prompt_version v7") == 1
    assert len(marks) == 8
    assert sum(mark.find("text") is not None for mark in marks) == 3


def test_charts_of_a_grid_share_their_rows_of_labels() -> None:
    busy = msgspec.structs.replace(BASE, versions=[Mark(1300.0, "a"), Mark(1301.0, "b")])
    lanes = lanes_needed([BASE, busy], PERIOD)
    assert lanes == 2
    assert _drawn(BASE, lanes=lanes).get("viewBox") == _drawn(busy, lanes=lanes).get("viewBox")


def test_the_chart_is_told_in_words_too() -> None:
    chart = msgspec.structs.replace(
        BASE,
        points=_line([0.02] * 10 + [0.3] * 10),
        baseline=Estimate(0.02, 0.018, 0.022, 900),
        change=ChangeMark(1105, 1095, 1115),
    )
    words = _drawn(chart).findtext("desc")
    assert words == (
        "baseline 2.0 % (1.8 % to 2.2 %); changed at 1970-01-01 00:18:25 UTC to 30.0 %; "
        "between 2.0 % and 30.0 % in the period"
    )


def test_hover_values_are_plain_json() -> None:
    chart = msgspec.structs.replace(BASE, points=[Point(1300.0, 0.1, 0.05, 0.15, 1200)])
    (point,) = msgspec.json.decode(_drawn(chart).get("data-points", ""))
    assert point[2] == "00:21:40  10.0 % (5.0 % – 15.0 %), 1,200 events"
    assert math.isclose(point[0], 230.0)
