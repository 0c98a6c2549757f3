"""An incident as HTML: the answer first, then what moved, what classic monitoring said, causes and the page itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from undertow.dashboards.markup import Markup, tag
from undertow.dashboards.model import Estimate, HttpLevel, IncidentView, Row
from undertow.dashboards.units import between, change_text, clock, duration, interval, quantity, stamp

__all__ = ["SEVERITIES", "badge", "incident_article", "incident_line"]

SEVERITIES = ("critical", "error", "warning", "info")  # worst first
ARROWS = {"up": "▲", "down": "▼", "shift": "◆"}


def incident_line(incident: IncidentView) -> Markup:
    """Return the incident as one line of the overview, linked to its article."""
    return tag(
        "li",
        badge(incident),
        tag("time", f"{stamp(incident.changed_at)}"),
        tag("a", incident.headline, href=f"#incident-{incident.id}", dir="auto"),
    )


def incident_article(incident: IncidentView, *, titled: bool = True) -> Markup:
    """Return the whole incident; without its title where the page's own says the same."""
    title = [tag("h2", badge(incident), tag("span", incident.headline, dir="auto"))] if titled else []
    return tag(
        "article",
        *title,
        _facts(incident),
        _moved(incident),
        _http(incident),
        tag("div", tag("div", _causes(incident), *_account(incident)), _page(incident), class_="pair"),
        *_next(incident),
        class_="incident",
        id=f"incident-{incident.id}",
    )


def badge(incident: IncidentView) -> Markup:
    """Return the severity as a coloured word."""
    known = incident.severity if incident.severity in SEVERITIES else "info"
    return tag("span", incident.severity, class_=f"badge {known}")


def _facts(incident: IncidentView) -> Markup:
    facts = [
        ("changed", clock(incident.changed_at), f"{between(incident.changed_from, incident.changed_to)} UTC, 95 %"),
        _paged(incident),
    ]
    facts += [("service", incident.service, _where(incident)), _state(incident)]
    cells = [tag("div", tag("dt", name), tag("dd", value, tag("small", note))) for name, value, note in facts]
    return tag("dl", *cells, class_="facts")


def _paged(incident: IncidentView) -> tuple[str, str, str]:
    if incident.paged_at is None:
        return "paged", "nobody", f"opened {clock(incident.opened_at)}"
    delay = incident.paged_at - incident.changed_at
    when = "after the change" if delay >= 0 else "before what now leads"
    return "paged", clock(incident.paged_at), f"{duration(abs(delay))} {when}"


def _where(incident: IncidentView) -> str:
    places = list(dict.fromkeys(row.where for row in incident.rows if row.where and row.where != incident.service))
    if len(places) > 3:
        return f"{', '.join(places[:3])} and {len(places) - 3} more"
    return ", ".join(places) or "all traffic"


def _state(incident: IncidentView) -> tuple[str, str, str]:
    if incident.resolved_at is None:
        return "state", "open", "not back at the baseline"
    lasted = duration(incident.resolved_at - incident.changed_at)
    return "state", incident.resolution or "resolved", f"{clock(incident.resolved_at)}, after {lasted}"


# --- what moved ------------------------------------------------------------------------------------------------------


def _moved(incident: IncidentView) -> Markup:
    titles = ("what moved", "where", "before", "after", "change", "seen after")
    head = tag("tr", *(tag("th", title, scope="col") for title in titles))
    rows = [_row(row) for row in incident.rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide moved")


def _row(row: Row) -> Markup:
    change = change_text(row.before.value, row.after.value, row.unit)
    arrow = tag("span", ARROWS.get(row.direction, "◆"), class_="arrow", aria_label=row.direction)
    return tag(
        "tr",
        tag("td", row.title, tag("code", row.metric)),
        tag("td", row.where or "all traffic", dir="auto"),
        tag("td", *_estimate(row.before, row.unit), class_="n"),
        tag("td", *_estimate(row.after, row.unit), class_="n after"),
        tag("td", arrow, change, class_="n"),
        tag("td", f"{row.events:,} events", tag("small", duration(row.seconds)), class_="n"),
    )


def _estimate(estimate: Estimate, unit: str) -> list[Markup]:
    known = isfinite(estimate.low) and isfinite(estimate.high)
    return [tag("span", quantity(estimate.value, unit)), *([tag("small", interval(estimate, unit))] if known else [])]


# --- what classic monitoring said ------------------------------------------------------------------------------------


def _http(incident: IncidentView) -> Markup:
    if not incident.http:
        return Markup("")
    calm = all(level.ok for level in incident.http)
    verdict = "HTTP metrics meanwhile: green" if calm else "HTTP metrics moved as well"
    chips = [_level(level) for level in incident.http]
    return tag("p", tag("b", verdict), *chips, class_="http calm" if calm else "http")


def _level(level: HttpLevel) -> Markup:
    before, after = quantity(level.before, level.unit), quantity(level.after, level.unit)
    sign = tag("span", "✓" if level.ok else "✗", class_="sign", aria_label="normal" if level.ok else "not normal")
    return tag("span", sign, f"{level.title} {before} → {after}", class_="chip" if level.ok else "chip bad")


# --- why, and what on-call got ---------------------------------------------------------------------------------------


def _causes(incident: IncidentView) -> Markup:
    if not incident.causes:
        return tag("div", tag("h3", "Likely causes"), tag("p", "Nothing new was seen around the change."))
    items = [tag("li", cause, dir="auto") for cause in incident.causes]
    return tag("div", tag("h3", "Likely causes, best first"), tag("ol", *items))


def _account(incident: IncidentView) -> list[Markup]:
    """Return where the change is and what the words say, and a card of each new version among the causes."""
    known = [_told("What else is known", incident.account)] if incident.account else []
    return known + [_told(title, lines) for title, *lines in incident.cards]


def _next(incident: IncidentView) -> list[Markup]:
    """Return what to ask the store next."""
    if not incident.query:
        return []
    return [tag("div", tag("h3", "Ask the store"), tag("pre", incident.query, class_="page"), class_="told")]


def _told(title: str, lines: Sequence[str]) -> Markup:
    items = [tag("li", line, dir="auto") for line in lines]
    return tag("div", tag("h3", title, dir="auto"), tag("ul", *items), class_="told")


def _page(incident: IncidentView) -> Markup:
    if not incident.page_text:
        return Markup("")
    return tag(
        "div", tag("h3", "The page as on-call got it"), tag("pre", incident.page_text, dir="auto", class_="page")
    )
