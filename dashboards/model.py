"""What the dashboards are given: plain values, no query, no clock. Times are seconds since the epoch, event time, UTC.

Units are those of `undertow.drift.metrics` ("share of events", "seconds", "US dollars", "characters", "tokens",
"calls") and any other text, which is then printed behind the number ("requests/s").
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from undertow.drift.verdict import Estimate

__all__ = [
    "ChangeMark",
    "Chart",
    "Estimate",
    "Example",
    "HttpLevel",
    "HttpStat",
    "IncidentView",
    "LivePage",
    "LiveState",
    "Mark",
    "Number",
    "Period",
    "Point",
    "Report",
    "Row",
    "SeriesState",
    "SeriesView",
    "Tick",
    "VersionView",
]


class Period(msgspec.Struct, frozen=True):
    """A stretch of event time, `start` ≤ `end`."""

    start: float
    end: float


class Point(msgspec.Struct, frozen=True, gc=False):
    """One window of a chart: its middle, its level with the 95 % interval, and how many events it rests on.

    `value` is None, and `events` 0, where there was no traffic: the line has a gap there.
    """

    t: float
    value: float | None
    low: float | None = None
    high: float | None = None
    events: int = 0


class Mark(msgspec.Struct, frozen=True):
    """Something that happened at a moment and is worth a label on the time axis, such as a version first seen."""

    t: float
    label: str


class ChangeMark(msgspec.Struct, frozen=True):
    """When a series changed: the best estimate inside its interval."""

    at: float
    earliest: float
    latest: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One series over time.

    Parameters
    ----------
    segment
        The slice of traffic as people read it ("region=eu"); empty for the whole service.
    baseline
        The level that was learned, with its interval; None while learning.
    change
        The change that was found; None while the series is steady.
    after
        The level since the change, as the verdict states it; None lets the chart take it from its points.
    detected_at, recovered_at
        When the detector spoke, and when the level was back at the baseline.
    versions
        Versions first seen, to be drawn as marks.
    """

    title: str
    metric: str
    unit: str
    service: str
    segment: str = ""
    points: list[Point] = []
    baseline: Estimate | None = None
    change: ChangeMark | None = None
    after: Estimate | None = None
    detected_at: float | None = None
    recovered_at: float | None = None
    versions: list[Mark] = []


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of an incident: what it was, what it is, and how long it took to see.

    `metric` may be the name of a category; `direction` is "up", "down" or "shift"; `events` and `seconds` count from
    the estimated change to the detection.
    """

    title: str
    metric: str
    unit: str
    where: str
    before: Estimate
    after: Estimate
    direction: str
    events: int
    seconds: float


class HttpLevel(msgspec.Struct, frozen=True):
    """A metric of classic monitoring before and since the change; `ok` when it would have alarmed nobody."""

    title: str
    unit: str
    before: float | None
    after: float | None
    ok: bool = True


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as people read it.

    Parameters
    ----------
    severity
        One of PagerDuty's four words.
    causes
        Ranked, best first.
    account
        What else is known of the change, a sentence each: where it is, who moved, which words rose or fell.
    cards
        What is different on the new versions among the causes: a title, and lines.
    query
        What to ask the store next, ready to run.
    """

    id: str
    headline: str
    severity: str
    service: str
    opened_at: float
    changed_at: float
    changed_from: float
    changed_to: float
    paged_at: float | None = None
    resolved_at: float | None = None
    resolution: str = ""
    rows: list[Row] = []
    http: list[HttpLevel] = []
    causes: list[str] = []
    account: list[str] = []
    cards: list[list[str]] = []
    query: str = ""
    page_text: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One real exchange, chosen to show the change; `when` is "before" or "after", `why` says what to look at."""

    when: str
    time: float
    where: str
    input: str
    output: str
    why: str = ""


class VersionView(msgspec.Struct, frozen=True):
    """A version of something that defines behaviour and when it was first seen; `declared` when somebody said so."""

    dimension: str
    value: str
    service: str
    first_seen: float
    declared: str = ""


class Number(msgspec.Struct, frozen=True):
    """One headline number: "events read", "41,200", "12 in dead letters"."""

    label: str
    value: str
    note: str = ""


class Reference(msgspec.Struct, frozen=True):
    """A name and an address, to be gone to from a report."""

    text: str
    href: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one HTML report shows.

    Parameters
    ----------
    generated_for
        What was watched ("undertow demo, scenario key-rename"; "replay of calls.jsonl").
    http
        Charts of classic monitoring, drawn for contrast; one with a `change` is shown as moved.
    false_page_budget
        False pages a week that the user allows.
    """

    title: str
    generated_for: str
    period: Period
    headline_numbers: list[Number] = []
    incidents: list[IncidentView] = []
    charts: list[Chart] = []
    http: list[Chart] = []
    versions: list[VersionView] = []
    examples: list[Example] = []
    false_page_budget: float | None = None
    notes: list[str] = []
    links: list[Reference] = []


class SeriesState(StrEnum):
    """What a series can do by now."""

    LEARNING = "learning"  # too few events for any page
    STRICT = "strict"  # large changes may page, ordinary ones not yet
    WATCHING = "watching"
    CHANGED = "changed"


class SeriesView(msgspec.Struct, frozen=True, kw_only=True):
    """One series as `status` and the live view show it.

    `learned` of `needed` baseline events are in; `history` holds the latest windows, oldest first, None for a gap.
    """

    title: str
    metric: str
    unit: str
    where: str
    state: SeriesState
    learned: int = 0
    needed: int = 0
    baseline: Estimate | None = None
    current: float | None = None
    changed_at: float | None = None
    history: list[float | None] = []


class HttpStat(msgspec.Struct, frozen=True):
    """A metric of classic monitoring right now; `ok` is what a threshold alert on it would say."""

    title: str
    unit: str
    value: float | None
    ok: bool = True
    history: list[float | None] = []


class Tick(msgspec.Struct, frozen=True):
    """One line of the event ticker; `accent` for those that concern the incident."""

    t: float
    text: str
    accent: bool = False


class LivePage(msgspec.Struct, frozen=True):
    """The page as on-call gets it."""

    at: float
    severity: str
    headline: str
    text: str


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of the live view.

    Parameters
    ----------
    clock
        Event time of the newest closed window.
    phase
        What is going on, in a word or two ("learning", "watching", "done").
    progress
        Share of the run that is over, 0 to 1; None when it has no end.
    ticker
        All lines so far, oldest first; the view shows the latest that fit.
    page
        The latest page, once there is one.
    """

    title: str
    clock: float
    phase: str
    progress: float | None = None
    events: int = 0
    http: list[HttpStat] = []
    series: list[SeriesView] = []
    ticker: list[Tick] = []
    page: LivePage | None = None
    pages_sent: int = 0
