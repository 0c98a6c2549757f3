"""The incident: everything that changed together, told once, with what on-call needs to act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from undertow.drift.cards import Card
from undertow.drift.causes import Explanation
from undertow.drift.phrases import Phrase
from undertow.drift.showcase import Showcase
from undertow.drift.verdict import Series, Verdict

__all__ = ["Account", "Change", "ChangeKind", "Context", "Incident", "Level", "Severity", "State", "Version", "tell"]


class State(StrEnum):
    """Where an incident stands in its life."""

    OPEN = "open"  # found, in its hold time, nobody told yet
    PAGED = "paged"
    ACKNOWLEDGED = "acknowledged"  # somebody has taken it
    RECOVERING = "recovering"  # some of its series are back at their baselines
    RESOLVED = "resolved"  # all are, or it has expired
    ACCEPTED = "accepted"  # somebody said: this is the normal level now
    FALSE = "false"  # somebody said: this was no page

    @property
    def is_over(self) -> bool:
        """Whether nothing follows."""
        return self in {State.RESOLVED, State.ACCEPTED, State.FALSE}

    @property
    def is_told(self) -> bool:
        """Whether people know of it, and it lasts."""
        return self in {State.PAGED, State.ACKNOWLEDGED, State.RECOVERING}


class Severity(StrEnum):
    """PagerDuty's four severities, lowest first; only error and critical wake somebody."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Level(msgspec.Struct, frozen=True):
    """A metric of classic monitoring before and since the change, for the page's "HTTP metrics stayed green"."""

    metric: str
    before: float | None
    after: float | None


class Version(msgspec.Struct, frozen=True, order=True):
    """A value of something that defines behaviour (model, prompt, configuration) and when it was first seen."""

    dimension: str
    value: str
    first_seen: float
    service: str
    environment: str = ""
    declared: str = ""  # the description, when somebody declared the change
    card: tuple[str, ...] = ()  # what differs on it, once that is known


class Account(msgspec.Struct, frozen=True):
    """Why a series may have changed, and what shows it: words that moved, real calls, cards of the named versions."""

    explanation: Explanation
    phrases: Sequence[Phrase] = ()
    shown: Showcase = Showcase()
    cards: Sequence[Card] = ()


def _no_account(_verdict: Verdict, _inputs_moved: float | None, _outputs_moved: float | None) -> Account | None:
    return None


def _no_calls(_series: Series) -> int:
    return 0


def _no_levels(_service: str, _environment: str, _since: float) -> list[Level]:
    return []


class Context(msgspec.Struct, frozen=True):
    """What else is known while verdicts become incidents; all of it in memory, since a page waits for no store.

    Parameters
    ----------
    levels
        Called with (service, environment, event time of the change): what HTTP metrics say before and since.
        `error_rate` is a share of calls, `latency_p50` seconds.
    versions
        The versions first seen lately, of any service. Those with which a stream began are no change: leave them
        out.
    account
        Called with a verdict, when the inputs moved with it, and when outputs moved days before it, if they did; None
        where nothing is remembered that could explain it.
    calls
        Called with a series: how many calls its slice had in the last hour.
    """

    levels: Callable[[str, str, float], list[Level]] = _no_levels
    versions: Sequence[Version] = ()
    account: Callable[[Verdict, float | None, float | None], Account | None] = _no_account
    calls: Callable[[Series], int] = _no_calls


class Incident(msgspec.Struct, kw_only=True):
    """One incident. Times are event time, seconds since the epoch.

    `id` is stable: a function of the verdict that opened it; `service` is the one of that verdict, though others may
    have joined. `verdicts` holds the latest verdict of each series.
    `verdicts` hold no text of any user; causes are dicts of plain values, ranked, best first. `place`, `moved_by`,
    `words`, `shown` and `cards` tell where the change is, who moved, which phrases did, calls before and since (texts
    as the content policy allows), and what is different on new versions.
    """

    id: str
    service: str
    environment: str
    state: State
    severity: Severity
    opened_at: float
    changed_at: float
    changed_from: float
    changed_to: float
    headline: str
    verdicts: list[Verdict]
    recovered: list[str] = []  # ids of verdicts whose series is back at its baseline
    back: float | None = None  # share of the traffic concerned that is, 0 to 1; None where that is not known
    http: list[Level] = []
    versions: list[Version] = []
    causes: list[dict[str, Any]] = []
    place: str = ""
    carried_by: list[tuple[str, str]] = []  # (dimension, value) of the slices that carry the change, if some do
    moved_by: str = ""
    words: list[str] = []
    shown: dict[str, list[dict[str, Any]]] = {}  # "before" and "since": id, time, input, output
    cards: list[list[str]] = []
    paged_at: float | None = None
    resolved_at: float | None = None
    resolution: str = ""  # "recovered", "accepted", "false", "expired"
    about: str = ""  # empty: behaviour; else what is wrong with the watch itself (health.py)
    parted: list[str] = []  # ids of incidents that services left for, as they had another cause
    parted_from: str = ""  # id of the incident of which it was taken for a part
    teams: dict[str, list[str]] = {}  # channel → services, where routes send them to several
    told_to: str = ""  # the channel that reads this, where it is one of them
    summary: str = ""  # beyond the storm limit: id of the summary page that tells about this incident
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    elsewhere: str = ""  # the address under which it was acknowledged
    quiet: bool = False  # closed there by hand: told again when it is graver, or over
    decided_by: str = ""  # who accepted it or called it false, and why
    decision: str = ""
    step: int = 0  # how often it was told anew, as its severity had grown
    revision: int = 0

    @property
    def keys(self) -> list[str]:
        """The dedup keys of its alerts, one for each severity at which it was told; the last is the current one."""
        return [f"undertow/{self.id}" + (f"/{step}" if step else "") for step in range(self.step + 1)]


class ChangeKind(StrEnum):
    """What happened to an incident, in the words of PagerDuty's Events API."""

    TRIGGER = "trigger"
    UPDATE = "update"  # the same alert, new content; notifies nobody
    ESCALATE = "escalate"  # its severity has grown: a new alert, which notifies, takes the place of the old one
    ACKNOWLEDGE = "acknowledge"  # somebody has taken it
    RESOLVE = "resolve"

    @property
    def notifies(self) -> bool:
        """Whether it is a page: it may wake somebody, and tells everything."""
        return self in {ChangeKind.TRIGGER, ChangeKind.ESCALATE}


class Change(msgspec.Struct, frozen=True):
    """One thing to tell the channels about one incident, at one event time.

    `id` is (incident, revision): telling it twice is recognised and done once. A `silent` change is for the store
    alone: its incident is told through a summary page, or was closed by hand before anybody had been told.
    """

    id: str
    kind: ChangeKind
    incident: Incident
    at: float
    silent: bool = False


def tell(incident: Incident, kind: ChangeKind, at: float, *, silent: bool = False) -> Change:
    """Count the incident's revision up and return the change, with a copy that later verdicts leave alone."""
    incident.revision += 1
    frozen = msgspec.structs.replace(
        incident,
        verdicts=list(incident.verdicts),
        recovered=list(incident.recovered),
        parted=list(incident.parted),
        http=list(incident.http),
        versions=list(incident.versions),
        causes=[dict(cause) for cause in incident.causes],
        carried_by=list(incident.carried_by),
        words=list(incident.words),
        shown=dict(incident.shown),
        cards=list(incident.cards),
    )
    return Change(f"{incident.id}.{incident.revision}", kind, frozen, at, silent)
