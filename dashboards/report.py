"""The report: one HTML file that answers what changed, when, where, since which version and how badly.

It holds everything it needs and asks the network for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from undertow.dashboards.document import document
from undertow.dashboards.exchanges import examples_section
from undertow.dashboards.figures import behaviour_section, http_section, steady_section
from undertow.dashboards.markup import Markup, tag
from undertow.dashboards.model import IncidentView, Number, Reference, Report, VersionView
from undertow.dashboards.story import SEVERITIES, badge, incident_article, incident_line
from undertow.dashboards.units import between, duration, number, stamp

__all__ = ["render_report"]


def render_report(report: Report) -> str:
    """Return the report as one self-contained HTML document.

    Examples
    --------
    >>> from undertow.dashboards.model import Period
    >>> page = render_report(Report(title="Night of 14 May", generated_for="support", period=Period(0, 3600)))
    >>> page.startswith("<!doctype html>"), "No behaviour change" in page
    (True, True)
    """
    incidents = sorted(report.incidents, key=lambda incident: (_rank(incident.severity), incident.changed_at))
    return document(report.title, _sections(report, incidents))


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _sections(report: Report, incidents: Sequence[IncidentView]) -> list[Markup]:
    return [
        _top(report, incidents),
        *([_overview(incidents)] if len(incidents) > 1 else []),
        *(incident_article(incident, titled=len(incidents) > 1) for incident in incidents),
        behaviour_section(report),
        http_section(report),
        examples_section(report.examples),
        steady_section(report),
        *_versions(report.versions),
        _foot(report),
    ]


# --- top -------------------------------------------------------------------------------------------------------------


def _top(report: Report, incidents: Sequence[IncidentView]) -> Markup:
    period = report.period
    length = duration(period.end - period.start)
    lead = [badge(incidents[0])] if len(incidents) == 1 else []
    answer, _, more = _answer(incidents).partition("; ")
    return tag(
        "header",
        tag("p", tag("b", "Undertow"), f" · {report.title} · {report.generated_for}", class_="kicker"),
        tag("h1", *lead, tag("span", answer, dir="auto")),
        *([tag("p", more, class_="lead", dir="auto")] if more else []),
        tag("p", f"{between(period.start, period.end)} UTC ({length})", class_="period"),
        _links(report.links),
        _numbers(report),
        class_="top",
    )


def _links(links: Sequence[Reference]) -> Markup:
    named = [tag("a", link.text, href=link.href, rel="noreferrer") for link in links]
    spaced = [part for link in named for part in (" · ", link)][1:]
    return tag("p", *spaced, class_="period") if named else Markup("")


def _answer(incidents: Sequence[IncidentView]) -> str:
    if not incidents:
        return "No behaviour change worth a page"
    if len(incidents) == 1:
        return incidents[0].headline
    return f"{len(incidents)} incidents"


def _numbers(report: Report) -> Markup:
    numbers = list(report.headline_numbers)
    if report.false_page_budget is not None:
        numbers.append(Number("false pages a week allowed", number(report.false_page_budget)))
    cells = [_number(each) for each in numbers]
    return tag("dl", *cells, class_="numbers") if cells else Markup("")


def _number(each: Number) -> Markup:
    label = f"{each.label}, {each.note}" if each.note else each.label
    return tag("div", tag("dt", label), tag("dd", each.value))


def _overview(incidents: Sequence[IncidentView]) -> Markup:
    lines = [incident_line(incident) for incident in incidents]
    return tag("nav", tag("ol", *lines), class_="overview", aria_label="incidents")


# --- foot ------------------------------------------------------------------------------------------------------------


def _versions(versions: Sequence[VersionView]) -> list[Markup]:
    if not versions:
        return []
    titles = ("first seen (UTC)", "what", "value", "service", "declared")
    head = tag("tr", *(tag("th", title, scope="col") for title in titles))
    rows = [_version(version) for version in sorted(versions, key=lambda version: version.first_seen)]
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return [tag("section", tag("h2", "Versions seen"), tag("div", table, class_="wide"))]


def _version(version: VersionView) -> Markup:
    return tag(
        "tr",
        tag("td", stamp(version.first_seen), class_="n"),
        tag("td", version.dimension),
        tag("td", tag("code", version.value, dir="auto")),
        tag("td", version.service),
        tag("td", version.declared or "–", dir="auto"),
    )


def _foot(report: Report) -> Markup:
    notes = [tag("li", note, dir="auto") for note in report.notes]
    told = "Times are event time, UTC. Intervals and bands are 95 %. Hover over a chart for its values."
    listed = [tag("ul", *notes)] if notes else []
    return tag("footer", *listed, tag("p", told))
