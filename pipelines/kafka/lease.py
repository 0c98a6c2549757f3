"""Who may tell: the last one to have begun, as long as its own signs of life come back from the log.

A pager that was stopped and goes on does not know that it has been replaced. It cannot have heard a sign of its own
lately, though, so it sends nothing until one has come back; and before that one comes what its successor wrote. The
lease is shorter than the silence after which a successor can begin.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from undertow.alerts.channel import Channel, Delivery, Outcome, Reminder
from undertow.alerts.incident import Change
from undertow.pipelines.kafka import incident_log

__all__ = ["PART", "Lease", "fenced"]

PART = 0.5  # of the silence after which others may begin: so long a sign of life lasts
_RENEWALS = 4  # signs while one lasts


class Lease:
    """The right of one machine to tell.

    Parameters
    ----------
    holder
        A name of its own.
    silence_s
        Nobody else begins before this one has been silent for so long, seconds.
    clock
        A clock that nobody sets, seconds.

    Examples
    --------
    >>> now = 0.0
    >>> lease = Lease("a", silence_s=6.0, clock=lambda: now)
    >>> sign = lease.sign()
    >>> lease.holds, lease.hear(sign), lease.holds
    (False, None, True)
    >>> now = 3.1
    >>> lease.holds
    False
    """

    def __init__(self, holder: str, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._holder, self._lasts_s, self._clock = holder, silence_s * PART, clock
        self._sent: dict[int, float] = {}  # by serial, those that have not come back
        self._serial = 0
        self._is_latest = False
        self._until = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether it may tell now."""
        return self._is_latest and self._clock() < self._until

    def sign(self) -> incident_log.Lease | None:
        """Return the sign of life that is due, the first of which begins; None while none is."""
        now = self._clock()
        if self._sent and now - max(self._sent.values()) < self._lasts_s / _RENEWALS:
            return None
        sign = incident_log.Lease(self._holder, self._serial, begins=not self._serial)
        self._sent = {serial: at for serial, at in self._sent.items() if now - at < self._lasts_s} | {self._serial: now}
        self._serial += 1
        return sign

    def hear(self, sign: incident_log.Lease) -> None:
        """Take a sign of life that came from the log, of anybody."""
        mine = sign.holder == self._holder
        if sign.begins:
            self._is_latest = mine
        if mine and sign.serial in self._sent:
            self._until = max(self._until, self._sent[sign.serial] + self._lasts_s)


class _Fenced:
    """A channel that sends only while the lease holds."""

    def __init__(self, channel: Channel, lease: Lease) -> None:
        self.name, self._channel, self._lease = channel.name, channel, lease

    def send(self, change: Change) -> Delivery:
        """Make one attempt, if we may."""
        if not self._lease.holds:
            return Delivery(Outcome.DEFERRED, "another pager may have taken over", retry_after_s=1.0)
        return self._channel.send(change)


class _FencedReminder(_Fenced):
    """One whose other side forgets."""

    def __init__(self, channel: Reminder, lease: Lease) -> None:
        super().__init__(channel, lease)
        self._reminder, self.remind_every_s = channel, channel.remind_every_s

    def remind(self, standing: list[Change]) -> Delivery:
        """Make one attempt, if we may."""
        if not self._lease.holds:
            return Delivery(Outcome.DEFERRED, "another pager may have taken over", retry_after_s=1.0)
        return self._reminder.remind(standing)


def fenced(channel: Channel, lease: Lease) -> Channel:
    """Return the channel as it is while the lease holds, and silent otherwise."""
    return _FencedReminder(channel, lease) if isinstance(channel, Reminder) else _Fenced(channel, lease)
