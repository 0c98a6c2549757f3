"""The plan as one HTML document: for each service a picture of change against delay, then every series in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from undertow.dashboards.axis import Scale
from undertow.dashboards.document import document
from undertow.dashboards.markup import Markup, tag
from undertow.dashboards.plan import Direction, Plan, SeriesPlan, sentences, sides, where
from undertow.dashboards.units import duration, number, short, stamp
from undertow.drift.metrics import parent_of

__all__ = ["render_plan"]

_WIDTH, _LEFT, _RIGHT, _TOP, _FOOT = 860.0, 50.0, 190.0, 10.0, 26.0
_LABEL = 12.5  # height of a line's name
_LEAST_HEIGHT = 260.0
_TIMES = {60.0: "1 min", 600.0: "10 min", 3600.0: "1 h", 86_400.0: "1 day", 604_800.0: "1 week", 2_419_200.0: "4 weeks"}
_FACTORS = (1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_MOST = 1000.0  # a level that moves further is drawn as if it moved so far


@dataclass(frozen=True)
class _Curve:
    """A line of the picture: delays in seconds, and times or divided by how much the level has to move."""

    name: str
    told: str
    points: list[tuple[float, float]]


def render_plan(plan: Plan) -> str:
    """Return the plan as one self-contained HTML document.

    Examples
    --------
    >>> page = render_plan(Plan(false_pages_per_week=1.0, series_sharing=64, until=0.0, series=[]))
    >>> page.startswith("<!doctype html>"), "nothing has been learned" in page
    (True, True)
    """
    planned = sorted((one for one in plan.series if not one.reason), key=lambda one: (one.service, one.environment))
    services = [_service(list(mine)) for _, mine in groupby(planned, key=lambda one: (one.service, one.environment))]
    nothing = [] if services else [tag("p", "No series can page yet: nothing has been learned.", class_="lead")]
    return document("Plan", [_top(plan, len(planned)), *nothing, *services])


def _top(plan: Plan, planned: int) -> Markup:
    told = (
        f"{plan.false_pages_per_week:g} false pages a week, shared by {plan.series_sharing} series, {planned} of them "
        f"planned. As learned until {stamp(plan.until)} UTC; about half of all changes are found sooner, half later."
    )
    return tag(
        "header",
        tag("p", tag("b", "Undertow"), " · plan", class_="kicker"),
        tag("h1", "How small a change is found, and how soon"),
        tag("p", told, class_="period"),
        class_="top",
    )


def _service(series: Sequence[SeriesPlan]) -> Markup:
    first = series[0]
    title = first.service + (f"/{first.environment}" if first.environment else "")
    whole = [one for one in series if not one.segment and parent_of(one.metric) == one.metric]
    curves = [curve for one in whole if (curve := _curve(one)) is not None]
    left_out = len(whole) - len(curves)
    note = f", and {left_out} metrics without a level to multiply" if left_out else ""
    lead = (
        "By how much a level of the whole service must be multiplied (↑) or divided (↓), and the delay. "
        f"Slices and tails{note} stand in the list."
    )
    listed = [tag("li", sentences(one), dir="auto") for one in series]
    return tag(
        "section",
        tag("h2", title, dir="auto"),
        *([tag("p", lead, class_="lead"), tag("figure", _chart(title, curves))] if curves else []),
        tag("details", tag("summary", f"{len(listed)} series in words"), tag("ul", *listed)),
    )


def _curve(one: SeriesPlan) -> _Curve | None:
    """Return the line of the direction that pages, the easier one if both do; None for a level that has no multiple."""
    lines = [(_multiples(one.level, side), arrow) for arrow, side in sides(one) if one.level > 0 and side.curve]
    drawn = [(points, arrow) for points, arrow in lines if len(points) > 1]
    if not drawn:
        return None
    points, arrow = min(drawn, key=lambda line: line[0][-1][1])
    told = "; ".join(f"{duration(s)}: × {number(factor)}" for s, factor in points[::6])
    return _Curve(
        f"{one.metric} {arrow}", f"{one.metric} of {where(one)}, from {short(one.level, one.unit)}: {told}", points
    )


def _multiples(level: float, side: Direction) -> list[tuple[float, float]]:
    return [(s, min(max(at / level, level / at), _MOST)) for s, at in side.curve if at > 0]


def _chart(title: str, curves: Sequence[_Curve]) -> Markup:
    height = max(_LEAST_HEIGHT, _LABEL * len(curves))
    x = Scale(min(_TIMES), max(_TIMES), _LEFT, _WIDTH - _RIGHT, log=True)
    factors = [factor for curve in curves for _, factor in curve.points]
    low = max((f for f in _FACTORS if f <= min(factors)), default=1.01)
    high = min((f for f in _FACTORS if f >= max(factors)), default=_MOST)
    # The logarithm of the logarithm: as far apart as small changes are, they are what a plan is about.
    y = Scale(math.log(low), math.log(max(high, 1.1 * low)), _TOP + height, _TOP, log=True)
    ends = _spread([y(math.log(curve.points[-1][1])) for curve in curves], _TOP + _LABEL, _TOP + height)
    lines = [_line(curve, end, x, y) for curve, end in zip(curves, ends, strict=True)]
    return tag(
        "svg",
        tag("title", f"{title}: change against delay"),
        *_axes(x, y, low, high, _TOP + height),
        *lines,
        tag("line", class_="hair"),
        class_="chart curves",
        viewBox=Markup(f"0 0 {_WIDTH:g} {_TOP + height + _FOOT:g}"),
        role="img",
        data_points="[]",
    )


def _axes(x: Scale, y: Scale, low: float, high: float, bottom: float) -> list[Markup]:
    drawn = []
    for factor in _FACTORS:
        if low <= factor <= high:
            at = y(math.log(factor))
            drawn.append(tag("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=at, y2=at))
            drawn.append(tag("text", f"× {factor:g}", class_="axis value", x=_LEFT - 6, y=at + 3.5))
    for seconds, text in _TIMES.items():
        drawn.append(tag("line", class_="grid", x1=x(seconds), x2=x(seconds), y1=_TOP, y2=bottom))
        drawn.append(tag("text", text, class_="axis time", x=x(seconds), y=bottom + 16))
    return drawn


def _line(curve: _Curve, label: float, x: Scale, y: Scale) -> Markup:
    pixels = [(x(seconds), y(math.log(factor))) for seconds, factor in curve.points]
    path = "M" + "L".join(f"{px:.1f},{py:.1f}" for px, py in pixels)
    end_x, end_y = pixels[-1]
    return tag(
        "g",
        tag("title", curve.told),
        tag("path", class_="line", d=path),
        tag("path", class_="leader", d=f"M{end_x:.1f},{end_y:.1f}L{end_x + 10:.1f},{label - 3.5:.1f}"),
        tag("text", curve.name, class_="axis", x=end_x + 13, y=label),
        class_="curve",
    )


def _spread(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """Return heights for labels, in their order by height and none within another."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    least = top
    for index in order:
        placed[index] = max(wanted[index] + 3.5, least)
        least = placed[index] + _LABEL
    most = bottom + 3.5
    for index in reversed(order):
        placed[index] = min(placed[index], most)
        most = placed[index] - _LABEL
    return placed
