"""One chart as inline SVG: a line with its interval, the baseline, the change with its interval, and what happened.

Colours come from the page's style sheet through classes, so a chart follows light, dark and print by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from undertow.dashboards.axis import Scale, time_ticks, value_scale
from undertow.dashboards.labels import Label, Placed, place
from undertow.dashboards.markup import Markup, tag
from undertow.dashboards.model import Chart, Estimate, Period, Point
from undertow.dashboards.points import LIMIT, mean, runs, thin
from undertow.dashboards.units import clock, quantity, short, stamp, tick

__all__ = ["FULL", "SMALL", "STRIP", "Shape", "after_level", "lanes_needed", "render_chart"]

_LANE = 14.0


@dataclass(frozen=True)
class Shape:
    """How large a chart is, in units of its view box, and whether it shows calm or change."""

    width: float = 420.0
    plot: float = 150.0
    left: float = 50.0
    right: float = 10.0
    foot: float = 22.0
    points: int = LIMIT
    calm: bool = False


FULL = Shape()
STRIP = Shape(plot=64.0, points=40, calm=True)
SMALL = Shape(width=300.0, plot=76.0, points=50, calm=True)


@dataclass(frozen=True)
class _Frame:
    """A chart being drawn: its points, its scales and where the plot lies."""

    chart: Chart
    points: list[Point]
    shape: Shape
    x: Scale
    y: Scale
    top: float
    bottom: float


def render_chart(chart: Chart, period: Period, shape: Shape = FULL, lanes: int | None = None) -> Markup:
    """Return the chart as an `<svg>` element over `period`, with `lanes` rows for labels (as many as it needs).

    Examples
    --------
    >>> chart = Chart(title="refusals", metric="refusal_rate", unit="share of events", service="support")
    >>> render_chart(chart, Period(0, 60)).startswith("<svg")
    True
    """
    placed, crowded = _place(chart, period, shape, 3 if lanes is None else lanes)
    rows = 1 + max((label.lane for label in placed), default=-1) if lanes is None else lanes
    frame = _frame(chart, period, shape, 6 + rows * _LANE)
    inside = tag("svg", *_inside(frame), x=shape.left, y=frame.top, width=_width(shape), height=shape.plot)
    marks = [_mark(label, frame) for label in placed] + [_tick(label, frame) for label in crowded]
    return tag(
        "svg",
        tag("title", f"{chart.title}, {chart.service} {chart.segment}".rstrip()),
        tag("desc", _in_words(frame)),
        *_axes(frame, period),
        inside,
        *marks,
        tag("line", class_="hair", y1=frame.top, y2=frame.bottom),
        class_="chart",
        viewBox=Markup(f"0 0 {shape.width:g} {frame.bottom + shape.foot:g}"),
        role="img",
        data_points=_hover(frame),
    )


def lanes_needed(charts: Sequence[Chart], period: Period, shape: Shape = FULL) -> int:
    """Return the rows of labels that the busiest of the charts needs, so that a grid of them lines up."""
    placed = [label for chart in charts for label in _place(chart, period, shape, 3)[0]]
    return 1 + max((label.lane for label in placed), default=-1)


def after_level(chart: Chart) -> float | None:
    """Return the level since the change: the verdict's, else the mean of the points from the change on."""
    if chart.after is not None:
        return chart.after.value
    if chart.change is None:
        return None
    end = chart.recovered_at if chart.recovered_at is not None else math.inf
    since = [point for point in chart.points if chart.change.at <= point.t < end]
    return mean(since).value if since else None


def _width(shape: Shape) -> float:
    return shape.width - shape.left - shape.right


def _time_scale(period: Period, shape: Shape) -> Scale:
    end = period.end if period.end > period.start else period.start + 1.0
    return Scale(period.start, end, shape.left, shape.width - shape.right)


def _frame(chart: Chart, period: Period, shape: Shape, top: float) -> _Frame:
    points = thin([point for point in chart.points if period.start <= point.t <= period.end], shape.points)
    levels = [point.value for point in points if point.value is not None]
    if chart.baseline is not None:
        levels += [chart.baseline.low, chart.baseline.high]
    scale = value_scale(levels, chart.unit, shape.plot, 0, calm=shape.calm)
    return _Frame(chart, points, shape, _time_scale(period, shape), scale, top, top + shape.plot)


# --- labels ----------------------------------------------------------------------------------------------------------


def _place(chart: Chart, period: Period, shape: Shape, lanes: int) -> tuple[list[Placed], list[Label]]:
    if shape.calm:
        return [], []
    x = _time_scale(period, shape)
    marks = [(chart.change.at, "changed", "changed")] if chart.change else []
    marks += [(chart.detected_at, "detected", "detected")] if chart.detected_at is not None else []
    marks += [(chart.recovered_at, "recovered", "detected")] if chart.recovered_at is not None else []
    labels = [Label(x(t), f"{word} {clock(t)}", kind, must=True) for t, word, kind in marks if _within(t, period)]
    versions = sorted((mark for mark in chart.versions if _within(mark.t, period)), key=lambda mark: mark.t)
    labels += [Label(x(mark.t), mark.label, "version") for mark in versions]
    return place(labels, shape.left, shape.width - shape.right, lanes)


def _within(t: float, period: Period) -> bool:
    return period.start <= t <= period.end


def _mark(placed: Placed, frame: _Frame) -> Markup:
    baseline = frame.top - 5 - placed.lane * _LANE
    x, kind = placed.label.x, placed.label.kind
    return tag(
        "g",
        tag("title", placed.label.text),
        tag("line", x1=x, x2=x, y1=baseline + 2, y2=frame.bottom),
        tag("text", placed.text, x=placed.left, y=baseline),
        class_=f"mark {kind}",
    )


def _tick(label: Label, frame: _Frame) -> Markup:
    """Return the mark of a label that found no room: its line stays, its text is a tooltip."""
    line = tag("line", x1=label.x, x2=label.x, y1=frame.top, y2=frame.bottom)
    return tag("g", tag("title", label.text), line, class_=f"mark {label.kind}")


# --- the plot --------------------------------------------------------------------------------------------------------


def _axes(frame: _Frame, period: Period) -> list[Markup]:
    shape, right = frame.shape, frame.shape.width - frame.shape.right
    ticks = frame.y.ticks[:: 2 if shape.calm and len(frame.y.ticks) > 3 else 1]
    rows = []
    for value in ticks:
        y = frame.top + frame.y(value)
        rows.append(tag("line", class_="grid", x1=shape.left, x2=right, y1=y, y2=y))
        rows.append(tag("text", tick(value, frame.chart.unit), class_="axis value", x=shape.left - 6, y=y + 3.5))
    columns = []
    for t, text in time_ticks(period.start, period.end, round(shape.width / 84)):
        x = frame.x(t)
        columns.append(tag("line", class_="grid", x1=x, x2=x, y1=frame.bottom, y2=frame.bottom + 4))
        end = "end" if x > right - 16 else None
        columns.append(
            tag("text", text, class_="axis time", x=right if end else x, y=frame.bottom + 16, text_anchor=end)
        )
    return rows + columns


def _inside(frame: _Frame) -> list[Markup]:
    """Return what is drawn inside the plot, clipped by it; x is relative to the plot's left edge."""
    layers = [*_baseline(frame), *_change(frame)]
    stretches = runs(frame.points)
    layers += [path for run in stretches for path in _band(run, frame)]
    layers += [path for run in stretches for path in _line(run, frame)]
    if not stretches:
        where = {"x": _width(frame.shape) / 2, "y": frame.shape.plot / 2}
        layers.append(tag("text", "no traffic in this period", class_="empty", **where))
    return layers


def _at(frame: _Frame, t: float) -> float:
    return frame.x(t) - frame.shape.left


def _baseline(frame: _Frame) -> list[Markup]:
    level = frame.chart.baseline
    if level is None or not all(map(math.isfinite, (level.value, level.low, level.high))):
        return []
    high, low, y = frame.y(level.high), frame.y(level.low), frame.y(level.value)
    across = _width(frame.shape)
    return [
        tag("rect", class_="baseline", x=0, width=across, y=min(high, low - 2), height=max(low - high, 2.0)),
        tag("line", class_="baseline", x1=0, x2=across, y1=y, y2=y),
    ]


def _change(frame: _Frame) -> list[Markup]:
    change = frame.chart.change
    if change is None or not (math.isfinite(change.earliest) and math.isfinite(change.latest)):
        return []
    first, last = _at(frame, change.earliest), _at(frame, change.latest)
    return [tag("rect", class_="change", x=first, width=max(last - first, 2.0), y=0, height=frame.shape.plot)]


def _band(run: list[Point], frame: _Frame) -> list[Markup]:
    bounded = [(point.t, point.low, point.high) for point in run if point.low is not None and point.high is not None]
    edges = [(t, low, high) for t, low, high in bounded if math.isfinite(low) and math.isfinite(high)]
    if not edges:
        return []
    if len(edges) == 1:
        t, low, high = edges[0]
        x = _at(frame, t)
        return [tag("line", class_="whisker", x1=x, x2=x, y1=frame.y(low), y2=frame.y(high))]
    upper = [f"{_at(frame, t):.1f},{frame.y(high):.1f}" for t, _, high in edges]
    lower = [f"{_at(frame, t):.1f},{frame.y(low):.1f}" for t, low, _ in reversed(edges)]
    return [tag("path", class_="band", d=f"M{'L'.join(upper + lower)}Z")]


def _line(run: list[Point], frame: _Frame) -> list[Markup]:
    """Return the line of a run: grey before the change, in the accent colour from then until it recovers."""
    pieces: list[tuple[bool, list[Point]]] = []
    for point in run:
        moved = _moved(point, frame.chart)
        if not pieces or pieces[-1][0] != moved:
            pieces.append((moved, [pieces[-1][1][-1]] if pieces else []))
        pieces[-1][1].append(point)
    return [_stroke(piece, "line moved" if moved else "line", frame) for moved, piece in pieces]


def _moved(point: Point, chart: Chart) -> bool:
    if chart.change is None or point.t < chart.change.at:
        return False
    return chart.recovered_at is None or point.t < chart.recovered_at


def _stroke(points: list[Point], kind: str, frame: _Frame) -> Markup:
    pixels = [(_at(frame, point.t), frame.y(point.value or 0.0)) for point in points]
    if len(pixels) == 1:
        return tag("circle", class_=f"dot {kind}", cx=pixels[0][0], cy=pixels[0][1], r=2.5)
    return tag("path", class_=kind, d="M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in pixels))


# --- the same in words -----------------------------------------------------------------------------------------------


def _in_words(frame: _Frame) -> str:
    chart, unit = frame.chart, frame.chart.unit
    texts = [f"baseline {_level(chart.baseline, unit)}"] if chart.baseline else []
    if chart.change:
        texts.append(f"changed at {stamp(chart.change.at)} UTC to {quantity(after_level(chart), unit)}")
    seen = [point.value for point in frame.points if point.value is not None]
    if seen:
        texts.append(f"between {quantity(min(seen), unit)} and {quantity(max(seen), unit)} in the period")
    return "; ".join(texts) or "no traffic in this period"


def _level(estimate: Estimate, unit: str) -> str:
    return f"{quantity(estimate.value, unit)} ({short(estimate.low, unit)} to {short(estimate.high, unit)})"


def _hover(frame: _Frame) -> str:
    """Return [x, y, text] of each point as JSON: the only thing that the page's script reads."""
    unit = frame.chart.unit
    moment = stamp if frame.x.high - frame.x.low > 86_400 else clock
    rows = []
    for point in frame.points:
        if point.value is not None:
            about = f" ({short(point.low, unit)} – {short(point.high, unit)})" if point.low is not None else ""
            text = f"{moment(point.t)}  {quantity(point.value, unit)}{about}, {point.events:,} events"
            rows.append((round(frame.x(point.t), 1), round(frame.top + frame.y(point.value), 1), text))
    return msgspec.json.encode(rows).decode()
