"""The charts of a report: what moved, the calm of HTTP beside it, and what stayed as it was."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.dashboards.markup import Markup, tag
from undertow.dashboards.model import Chart, Period, Report
from undertow.dashboards.points import LIMIT, mean
from undertow.dashboards.svg import FULL, SMALL, STRIP, Shape, after_level, lanes_needed, render_chart
from undertow.dashboards.units import change_text, duration, quantity, short

__all__ = ["behaviour_section", "http_section", "steady_section"]


def behaviour_section(report: Report) -> Markup:
    """Return the charts of series that changed."""
    moved = sorted((chart for chart in report.charts if chart.change), key=_changed_at)
    if not moved:
        return Markup("")
    return tag("section", tag("h2", "Behaviour"), _legend(report), _grid(moved, report.period, FULL))


def http_section(report: Report) -> Markup:
    """Return the strip of classic monitoring, which says in words whether it saw anything."""
    if not report.http:
        return Markup("")
    calm = not any(chart.change for chart in report.http)
    title = "HTTP metrics: green" if calm else "HTTP metrics moved as well"
    sign = tag("span", "✓" if calm else "✗", class_="sign", aria_hidden="true")
    told = "What classic monitoring saw over the same time." if calm else "Classic monitoring saw this one too."
    return tag(
        "section",
        tag("h2", sign, title),
        tag("p", told, class_="lead"),
        _grid(report.http, report.period, STRIP),
        class_="http calm" if calm else "http",
    )


def steady_section(report: Report) -> Markup:
    """Return the charts of series that did not change."""
    steady = [chart for chart in report.charts if not chart.change]
    if not steady:
        return Markup("")
    count = "1 series" if len(steady) == 1 else f"{len(steady)} series"
    return tag("section", tag("h2", f"Steady: {count}"), _grid(steady, report.period, SMALL), class_="steady")


def _changed_at(chart: Chart) -> float:
    return chart.change.at if chart.change else 0.0


def _grid(charts: Sequence[Chart], period: Period, shape: Shape) -> Markup:
    lanes = lanes_needed(charts, period, shape)
    return tag("div", *(_figure(chart, period, shape, lanes) for chart in charts), class_="grid-of-charts")


def _figure(chart: Chart, period: Period, shape: Shape, lanes: int) -> Markup:
    where = f"{chart.service} {chart.segment}".strip()
    caption = tag(
        "figcaption",
        tag("div", tag("b", chart.title), tag("small", where, dir="auto")),
        tag("div", *_levels(chart), class_="levels"),
    )
    return tag("figure", caption, render_chart(chart, period, shape, lanes), class_="changed" if chart.change else None)


def _levels(chart: Chart) -> list[Markup]:
    after = after_level(chart)
    if chart.baseline is not None and after is not None:
        was = short(chart.baseline.value, chart.unit)
        return [
            tag("span", f"{was} → "),
            tag("b", quantity(after, chart.unit)),
            tag("small", change_text(chart.baseline.value, after, chart.unit)),
        ]
    level = mean(chart.points).value if chart.points else None
    return [tag("span", f"{quantity(level, chart.unit)} on average")] if level is not None else []


def _legend(report: Report) -> Markup:
    items = [("line", "level and its interval"), ("moved", "since the change"), ("baseline", "baseline")]
    items += [("change", "when it changed, 95 %"), ("version", "version first seen")]
    keys = [tag("li", tag("i", class_=f"key {kind}"), text) for kind, text in items]
    longest = max((len(chart.points) for chart in report.charts), default=0)
    if longest > LIMIT:
        each = duration((report.period.end - report.period.start) / LIMIT)
        keys.append(tag("li", f"a point joins the windows of about {each}"))
    return tag("ul", *keys, class_="legend")
