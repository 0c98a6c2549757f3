"""Takes changes to the channels through the outbox: at least once, in order, each channel by itself.

The order of effects: 1 the change is in the outbox, synced; 2 a channel is asked; 3 its answer is in the outbox. A
process that dies between 2 and 3 asks again with the same dedup key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from undertow.alerts.channel import Announcement, Announcer, Channel, Delivery, Outcome, Reminder, announcement
from undertow.alerts.formats import duration
from undertow.alerts.incident import Change, ChangeKind, Severity, Version
from undertow.alerts.outbox import Entry, Outbox
from undertow.alerts.routes import LOCAL, Route, Routes
from undertow.alerts.silences import Silence, Silences

__all__ = ["POLL_S", "Pager", "Policy", "PumpReport"]

PRUNE_EVERY_S = 3600.0
LOOK_EVERY_S = 1.0  # between two looks for pages that are late
POLL_S = 1.0  # the longest a runner sleeps without looking, so that a wall clock that jumps is noticed
REST_FROM = 5  # failures in a row after which a channel is tried with one page at a time
REST_CAP_S = 60.0  # the longest between two such tries
WAKING = frozenset({Severity.ERROR, Severity.CRITICAL})

log = logging.getLogger(__name__)
_replace = msgspec.structs.replace


@dataclass(frozen=True)
class Policy:
    """Who is told, and when not.

    Parameters
    ----------
    notify
        "page", or "shadow": changes are recorded as what would have been sent and reach the console only.
    routes
        The first that matches an incident names its channels; without one it goes to all but the fallback.
    silences
        What is held back, until when.
    fallback
        The channel that is told what another one refused or has not taken for `fallback_after_s`.
    """

    notify: Literal["page", "shadow"] = "page"
    routes: tuple[Route, ...] = ()
    silences: Silences = field(default_factory=Silences)
    fallback: str | None = None
    fallback_after_s: float = 900.0


class PumpReport(msgspec.Struct):
    """What one round of deliveries did, in attempts."""

    delivered: int = 0
    retried: int = 0
    refused: int = 0
    deferred: int = 0  # held back by a channel's own rate limit, not attempted
    silenced: int = 0  # held back by a silence, not attempted

    @property
    def attempted(self) -> int:
        """Calls that were made."""
        return self.delivered + self.retried + self.refused


class Pager:
    """Puts changes into the outbox and delivers what is due.

    Parameters
    ----------
    outbox
        Where changes wait.
    channels
        By name. An entry for a channel that is no longer among them is refused, with a record.
    clock
        Wall clock, seconds since the epoch.
    policy
        Who is told, and when not.

    Raises
    ------
    ValueError
        A route or the fallback names a channel that there is not.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        clock: Callable[[], float],
        policy: Policy | None = None,
    ) -> None:
        self._outbox = outbox
        self._channels = dict(channels)
        self._clock = clock
        self._policy = policy or Policy()
        self._routes = Routes(self._policy.routes, self.channels, self._policy.fallback)
        self._pruned_at = self._looked_at = -PRUNE_EVERY_S
        self._reminded_at = dict.fromkeys(self._channels, float("-inf"))
        self._failures = dict.fromkeys(self._channels, 0)  # in a row
        self._rests_until = dict.fromkeys(self._channels, 0.0)

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(self._channels)

    def submit(self, changes: Iterable[Change]) -> int:
        """Put the changes into the outbox and return how many entries are new; silent changes are not for channels.

        Raises
        ------
        OutboxError
            They could not be written: nothing was promised, so the caller must not go on as if it were.
        """
        now = self._clock()
        return sum(self._put(change, now) for change in changes if not change.silent)

    def announce(self, versions: Iterable[Version]) -> int:
        """Put first-seen versions into the outbox, for the channels with a place for them; return how many are new.

        Raises
        ------
        OutboxError
            They could not be written.
        """
        now = self._clock()
        names = [name for name, channel in self._channels.items() if isinstance(channel, Announcer)]
        return sum(self._file(announcement(version), names, now) for version in versions)

    def silence(self, silence: Silence) -> None:
        """Hold back the pages that it matches, those that wait already included."""
        self._policy.silences.add(silence, self._clock())

    def silences(self) -> list[Silence]:
        """Return the silences that hold now, the first to end first."""
        return self._policy.silences.active(self._clock())

    def lift(self, key: str) -> bool:
        """End a silence before its time and let go of what it held back; False when none has this id."""
        known = self._policy.silences.end(key)
        if known:
            self._outbox.release(self._clock())
        return known

    def pump(self, budget_s: float = 60.0, only: str | None = None) -> PumpReport:
        """Attempt what is due, at most once for each incident and channel, and report.

        Channels take turns, and each has an equal share of the budget of wall clock: one that is slow spends its
        own share. `only` leaves the others out, for a runner with a thread a channel.
        """
        self._housekeep()
        report = PumpReport()
        names = [name for name in self._channels if only in {None, name}]
        for name in names:
            self._remind(name)
        waiting = {name: [] if self._rest_s(name) else self._outbox.due(self._clock(), name) for name in names}
        spent = dict.fromkeys(names, 0.0)
        while names := [name for name in names if waiting[name] and spent[name] < budget_s / len(waiting)]:
            for name in names:
                began = self._clock()
                if not self._attempt(waiting[name].pop(0), report):
                    waiting[name].clear()
                spent[name] += max(0.0, self._clock() - began)
        return report

    def next_due(self, only: str | None = None) -> float | None:
        """Return when the next entry is due, now or later; None when nothing waits."""
        names = [name for name in self._channels if only in {None, name}]
        due = {name: at for name in names if (at := self._outbox.next_due(name)) is not None}
        return min((max(at, self._rests_until[name]) for name, at in due.items()), default=None)

    def _put(self, change: Change, now: float) -> int:
        """Put a change up for those who were told of its incident, and for those who should be told of it by now.

        To somebody who hears of the incident for the first time, as it has grown graver or into their services, its
        update is its trigger. Where routes send its services to several channels, each page says who is told of which.
        """
        told = [name for name in self._outbox.told(change.incident.id) if name in self._channels]
        routed, teams = self._routes.channels(change.incident), self._routes.teams(change.incident)
        change = _replace(change, incident=_replace(change.incident, teams=teams))
        if change.kind is ChangeKind.TRIGGER or not told:
            return self._file(change, routed, now)
        grows = change.kind in {ChangeKind.UPDATE, ChangeKind.ESCALATE}
        new = [name for name in routed if name not in told] if grows else []
        first = _replace(change, kind=ChangeKind.TRIGGER)
        return self._file(change, told, now) + self._file(first, new, now)

    def _file(self, item: Change | Announcement, names: Iterable[str], now: float) -> int:
        shadow = self._policy.notify == "shadow"
        sent = [name for name in names if not shadow or name in LOCAL]
        kept = [name for name in names if name not in sent]
        return self._outbox.enqueue(item, sent, now) + self._outbox.record_shadow(item, kept, now)

    def _attempt(self, entry: Entry, report: PumpReport) -> bool:
        """Send one entry and record the answer; False when the channel wants no more for now."""
        if silence := self._silence_on(entry):
            report.silenced += 1
            self._outbox.hold(entry, silence.ends_at, silence.sentence)
            return True
        answer = self._send(entry)
        now = self._clock()
        if answer.outcome is Outcome.DELIVERED:
            report.delivered += 1
            self._outbox.delivered(entry, now)
        elif answer.outcome is Outcome.REFUSED:
            report.refused += 1
            log.error("%s refused %s for good: %s", entry.channel, entry.change.id, answer.detail)
            self._outbox.refused(entry, now, answer.detail)
        elif answer.outcome is Outcome.DEFERRED:
            report.deferred += 1
            self._outbox.defer(entry, now, answer.retry_after_s or POLL_S, answer.detail)
            return False
        else:
            report.retried += 1
            wait = self._outbox.retry(entry, now, answer.detail, answer.retry_after_s)
            log.warning("%s did not take %s, again in %.0f s: %s", entry.channel, entry.change.id, wait, answer.detail)
            return self._goes_on(entry.channel, answer.retry_after_s, now)
        self._answers(entry.channel, now)
        return True

    def _goes_on(self, name: str, retry_after_s: float | None, now: float) -> bool:
        """Count a failure; False when the channel rests.

        It does when it asks for it, which is about all that waits for it, and after some failures in a row: a service
        that is down for a day gets one call a minute, not one for each incident every five.
        """
        self._failures[name] += 1
        over = self._failures[name] - REST_FROM
        rest = max(2.0 ** min(over, 10) if over >= 0 else 0.0, retry_after_s or 0.0)
        self._rests_until[name] = now + min(rest, REST_CAP_S)
        return not rest

    def _answers(self, name: str, now: float) -> None:
        """Note that the channel is there; if it was not, what has waited need wait no longer."""
        if self._failures[name] >= REST_FROM:
            self._outbox.hurry(name, now)
        self._failures[name], self._rests_until[name] = 0, 0.0

    def _rest_s(self, name: str) -> float:
        """Return for how long the channel still rests; an end further ahead than any was set by another clock."""
        rest = self._rests_until[name] - self._clock()
        return rest if 0.0 < rest <= REST_CAP_S else 0.0

    def _silence_on(self, entry: Entry) -> Silence | None:
        change = entry.change
        if isinstance(change, Announcement) or not change.kind.notifies or entry.channel in LOCAL:
            return None
        return self._policy.silences.on(change.incident, self._clock())

    def _send(self, entry: Entry) -> Delivery:
        channel = self._channels[entry.channel]
        try:
            if not isinstance(entry.change, Announcement):
                return channel.send(_read_by(entry.channel, _as_of_now(entry.change, entry)))
            if isinstance(channel, Announcer):
                return channel.announce(entry.change)
        except Exception as error:  # a fault in one channel must cost neither the page nor the other channels
            return Delivery(Outcome.RETRY, f"the channel failed: {type(error).__name__}")  # its text may hold a secret
        return Delivery(Outcome.REFUSED, "the channel has no place for announcements")

    def _remind(self, name: str) -> None:
        """Tell a channel that forgets what stands; what fails is repeated at the next turn."""
        channel, now = self._channels[name], self._clock()
        if not isinstance(channel, Reminder) or 0 <= now - self._reminded_at[name] < channel.remind_every_s:
            return
        self._reminded_at[name] = now
        if standing := self._outbox.standing(name):
            answer = channel.remind([_read_by(name, change) for change in standing])
            if answer.outcome is not Outcome.DELIVERED:
                log.warning("%s was not reminded of %d incidents: %s", name, len(standing), answer.detail)

    def _housekeep(self) -> None:
        now = self._clock()
        if abs(now - self._pruned_at) >= PRUNE_EVERY_S:
            self._pruned_at = now
            self._outbox.prune(now)
            self._outbox.refuse_channels_except(self._channels, now)
        if abs(now - self._looked_at) >= LOOK_EVERY_S:
            self._looked_at = now
            self._fall_back(now)

    def _fall_back(self, now: float) -> None:
        """Say aloud which pages were refused or are late, and hand them to the fallback."""
        fallback = self._policy.fallback
        for late in self._outbox.fall_back(now, self._policy.fallback_after_s, fallback, LOCAL):
            how = f"was refused by {late.channel}" if late.status == "refused" else f"waits for {late.channel}"
            then = f"now told through {fallback}" if fallback not in {None, late.channel} else "there is no fallback"
            log.error("UNDELIVERED: page %s %s, %s: %s", late.change_id, how, duration(late.age_s), late.detail)
            log.error("page %s: %s", late.change_id, then)


def _as_of_now(change: Change, entry: Entry) -> Change:
    """Return the change with what became of it while it waited: a silence is named, and what is over wakes nobody."""
    incident = change.incident
    if entry.over and incident.severity in WAKING:
        incident = _replace(incident, severity=Severity.WARNING)
    if entry.held:
        incident = _replace(incident, headline=f"{incident.headline} ({entry.held})")
    return _replace(change, incident=incident)


def _read_by(channel: str, change: Change) -> Change:
    """Return the change as the channel reads it, if it is one of several that are told of the incident."""
    return _replace(change, incident=_replace(change.incident, told_to=channel)) if change.incident.teams else change
