"""The page in words: one sentence for 3 a.m., and the text beneath it with what on-call needs to act."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from undertow.alerts.formats import clock, format_move, title, utc
from undertow.alerts.incident import Change, Incident, Level
from undertow.alerts.life import standing
from undertow.alerts.moves import briefly, in_full, told
from undertow.alerts.query import query
from undertow.alerts.ranking import effect, lead, ranked, without_repeats
from undertow.alerts.services import beyond
from undertow.drift.metrics import parent_of
from undertow.drift.verdict import Series, Verdict

__all__ = [
    "command",
    "heading",
    "headline",
    "http_is_green",
    "http_line",
    "message",
    "moved",
    "page_text",
    "place",
    "slice_of",
    "standing",
]

ALSO_LIMIT = 3  # further metrics named in the headline
ROW_LIMIT = 12  # lines in the table of what moved
CAUSE_LIMIT = 5
CARRIER_LIMIT = 3  # slices named in the headline
WORD_LIMIT = 4
CALL_LIMIT = 3  # of each side
TEXT_LIMIT = 160  # characters of a question, and of an answer
CARD_LIMIT = 2
ERROR_SHARE_SLACK = 0.005  # HTTP is green while errors rise by no more than half a percentage point
LATENCY_SLACK = 1.2  # and latency by no more than a fifth


def headline(incident: Incident) -> str:
    """Return the incident in one sentence: where, what, how far, since when, what else moved, what HTTP metrics say."""
    first = lead(incident.verdicts)
    series = first.series
    since = clock(first.changed_at, first.detected_at)
    said = f"{place(incident)}: {told(first)} since {since}{_inside(incident, series)}"
    return said + _also(incident, first) + _http(incident)


def page_text(incident: Incident) -> str:
    """Return the whole page as plain text."""
    return "\n".join(f"{name:<9} {line}".rstrip() for name, line in _labelled(_sections(incident)))


def message(change: Change) -> str:
    """Return what to say of a change: the whole page when it notifies, its headline and state otherwise."""
    incident = change.incident
    if change.kind.notifies:
        return page_text(incident)
    return f"{incident.headline}\n{standing(incident)}; incident {incident.id}"


def command(incident: Incident) -> str:
    """Return the command that shows the incident with all that is known by now."""
    return f"undertow explain {incident.id}"


def heading(incident: Incident) -> str:
    """Return what the incident's causes are: suspects, where to look, or the incidents that a summary lists."""
    if incident.verdicts:
        return "suspects"
    return "look" if incident.about else "listed"


def place(incident: Incident) -> str:
    """Return the service that the headline is about, its environment when it has one, and how many others there are.

    Examples
    --------
    >>> from undertow.alerts.incident import Severity, State
    >>> times = dict(opened_at=0.0, changed_at=0.0, changed_from=0.0, changed_to=0.0)
    >>> about = dict(service="search", environment="prod", state=State.PAGED, severity=Severity.ERROR, headline="")
    >>> place(Incident(id="1", verdicts=[], **about, **times))
    'search/prod'
    """
    first = lead(incident.verdicts).series.service if incident.verdicts else incident.service
    others = len({verdict.series.service for verdict in incident.verdicts} - {first})
    more = f" and {others} more service{'s' * (others > 1)}" if others else ""
    return first + (f"/{incident.environment}" if incident.environment else "") + more


def slice_of(series: Series) -> str:
    """Return the series' slice as people read it.

    Examples
    --------
    >>> slice_of(Series("support", "", (("operation", "triage"), ("region", "eu")), "latency"))
    'operation=triage, region=eu'
    >>> slice_of(Series("support", "", (), "latency"))
    'all traffic'
    """
    return ", ".join(f"{dimension}={value}" for dimension, value in series.segment) or "all traffic"


def moved(incident: Incident, limit: int = ROW_LIMIT) -> list[str]:
    """Return one line for each series that moved: those worth a page, all traffic, and the largest effects first."""
    rows = sorted(
        without_repeats(incident.verdicts),
        key=lambda v: (v.kind != "page", bool(v.series.segment), "." in v.series.metric, -abs(effect(v)), v.id),
    )
    lines = [_row(verdict, incident) for verdict in islice(rows, limit)]
    return lines + ([f"and {len(rows) - limit} more"] if len(rows) > limit else [])


def http_is_green(levels: Iterable[Level]) -> bool | None:
    """Tell whether HTTP metrics stayed quiet; None when nothing is known about them.

    Green means: no error share up by more than half a percentage point and half of itself, no latency up by more
    than a fifth.

    Examples
    --------
    >>> http_is_green([Level("error_rate", 0.002, 0.003), Level("latency_p50", 0.9, 0.8)]), http_is_green([])
    (True, None)
    >>> http_is_green([Level("error_rate", 0.002, 0.09)])
    False
    """
    quiet = [_is_quiet(level.metric, level.before, level.after) for level in levels]
    known = [answer for answer in quiet if answer is not None]
    return all(known) if known else None


def http_line(levels: Sequence[Level]) -> str:
    """Return what HTTP metrics said before and since, and the conclusion; empty when nothing is known."""
    green = http_is_green(levels)
    if green is None:
        return ""
    said = ", ".join(
        f"{_level_title(level.metric)} {format_move(level.metric, level.before, level.after)}" for level in levels
    )
    return f"{said}: {'green' if green else 'NOT green'}"


def _sections(incident: Incident) -> list[tuple[str, list[str]]]:
    if incident.about:
        return _own_sections(incident)
    sections = [(incident.severity.upper(), [incident.headline]), ("state", [standing(incident)])]
    if incident.verdicts:
        first = lead(incident.verdicts)
        sections += [
            ("since", [_since(incident, first)]),
            ("where", [f"{place(incident)}, {slice_of(first.series)}", *([incident.place] if incident.place else [])]),
            *beyond(incident),
            ("who", [incident.moved_by] if incident.moved_by else []),
            ("moved", moved(incident)),
            ("HTTP", [line] if (line := http_line(incident.http)) else ["nothing known about errors and latency"]),
        ]
    causes = [_cause(cause) for cause in islice(incident.causes, CAUSE_LIMIT)]
    sections += [(heading(incident), causes), *_shown(incident)]
    sections += [("incident", [f"{incident.id}  ({command(incident)})"])]
    return sections + ([("query", [query(incident)])] if incident.verdicts else [])


def _own_sections(incident: Incident) -> list[tuple[str, list[str]]]:
    """Return what is wrong with the watch itself, and where to look."""
    advice = [str(cause["text"]) for cause in incident.causes]
    about = f"{incident.about}: the watch itself, not the behaviour that it watches"
    shown = [f"{incident.id}  ({command(incident)})"]
    said = [(incident.severity.upper(), [incident.headline]), ("state", [standing(incident)]), ("about", [about])]
    return [*said, (heading(incident), advice), ("incident", shown)]


def _inside(incident: Incident, series: Series) -> str:
    """Return which slice a headline is about: that of its series, or those that carry the change of the whole."""
    if series.segment:
        return f" ({slice_of(series)})"
    if not incident.carried_by:
        return ""
    values = " or ".join(value for _, value in incident.carried_by[:CARRIER_LIMIT])
    more = f" and {len(incident.carried_by) - CARRIER_LIMIT} more" if len(incident.carried_by) > CARRIER_LIMIT else ""
    return f", most of it in {incident.carried_by[0][0]}={values}{more}"


def _cause(cause: Mapping[str, Any]) -> str:
    given = cause.get("probability")
    return str(cause["text"]) if given is None else f"{100 * given:.0f} % {cause['text']}"


def _shown(incident: Incident) -> list[tuple[str, list[str]]]:
    """Return what shows the change: words that moved, calls before and since, cards of new versions."""
    calls = [
        (name, [_call(call) for call in incident.shown.get(name, [])[:CALL_LIMIT]]) for name in ("before", "since")
    ]
    cards = [line for card in incident.cards[:CARD_LIMIT] for line in card]
    return [("words", incident.words[:WORD_LIMIT]), *calls, ("version", cards)]


def _call(call: Mapping[str, Any]) -> str:
    return f"{clock(call['time'], call['time'])} {_short(call['input'])} → {_short(call['output'])}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= TEXT_LIMIT else f"{plain[: TEXT_LIMIT - 1]}…"


def _labelled(sections: Iterable[tuple[str, list[str]]]) -> Iterable[tuple[str, str]]:
    for name, lines in sections:
        for index, line in enumerate(lines):
            yield ("" if index else name), line


def _since(incident: Incident, first: Verdict) -> str:
    between = f"between {utc(incident.changed_from)} and {utc(incident.changed_to)}"
    return f"{utc(incident.changed_at)} ({between}), seen after {first.events:,} events"


def _row(verdict: Verdict, incident: Incident) -> str:
    series = verdict.series
    notes = [
        *(["notice"] if verdict.kind != "page" else []),
        *(["recovered"] if verdict.id in incident.recovered else []),
    ]
    several = any(other.series.service != series.service for other in incident.verdicts)
    where = f"{series.service}, {slice_of(series)}" if several else slice_of(series)
    return f"{title(series.metric)} [{where}]: {in_full(verdict)}" + (f" ({', '.join(notes)})" if notes else "")


def _also(incident: Incident, first: Verdict) -> str:
    told = {parent_of(first.series.metric)}
    others: list[Verdict] = []
    for verdict in ranked(v for v in incident.verdicts if v.id not in incident.recovered):
        if parent_of(verdict.series.metric) not in told:
            told.add(parent_of(verdict.series.metric))
            others.append(verdict)
    named = [briefly(verdict) for verdict in others[:ALSO_LIMIT]]
    rest = [f"{len(others) - ALSO_LIMIT} more"] if len(others) > ALSO_LIMIT else []
    return f"; also {', '.join(named + rest)}" if named else ""


def _http(incident: Incident) -> str:
    green = http_is_green(incident.http)
    if green is None:
        return ""
    if green:
        return "; HTTP green"
    bad = [level for level in incident.http if _is_quiet(level.metric, level.before, level.after) is False]
    return "; HTTP " + ", ".join(
        f"{_level_title(level.metric)} {format_move(level.metric, level.before, level.after)}" for level in bad
    )


def _level_title(metric: str) -> str:
    return metric.replace("_", " ")


def _is_quiet(metric: str, before: float | None, after: float | None) -> bool | None:
    if before is None or after is None or not (math.isfinite(before) and math.isfinite(after)):
        return None
    if metric == "error_rate":
        return after <= max(before + ERROR_SHARE_SLACK, 1.5 * before)
    return after <= LATENCY_SLACK * before
