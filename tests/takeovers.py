"""Pagers that follow one another, as the log of incidents tells it: signs of life, with the broker's time of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

from installation import Installation, wait_until

from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.incident_log import Lease, read
from undertow.pipelines.kafka.lease import PART
from undertow.pipelines.kafka.reading import to_end
from undertow.pipelines.kafka.topics import Names

__all__ = ["Sign", "reigns_apart", "signs", "take_over"]

SETTLED = 12  # signs in a row of one pager, while another stands by: some nine seconds


class Sign(NamedTuple):
    """One sign of life: when the broker had it, seconds since the epoch, of which process, and whether it began."""

    time: float
    holder: str
    begins: bool

    @property
    def member(self) -> str:
        """The name of the process."""
        return self.holder.partition("/")[0]


def signs(installation: Installation) -> list[Sign]:
    """Return all signs of life, oldest first; the topic's newest segment is never compacted, so none is missing."""
    kafka = installation.settings.kafka
    with closing(client_of(kafka).consumer([Names.of(kafka).incidents])) as consumer:
        messages = [message for _, some in to_end(consumer) for message in some]
    found = [(message.time, read(message.key, message.value)) for message in messages]
    return [Sign(at, sign.holder, sign.begins) for at, sign in found if isinstance(sign, Lease)]


def take_over(installation: Installation, end: Callable[[str], None]) -> float:
    """Let `end` end the one of two pagers that is active; return after how many seconds the other one may tell.

    The one that was ended is started again by then, and stands by.
    """
    wait_until(lambda: _settled(installation), "one pager gives signs, another stands by", pause_s=0.5)
    active = signs(installation)[-1]
    ended = time.time()
    end(active.member)
    wait_until(lambda: _successor(installation, active) is not None, "another begins", pause_s=0.2)
    successor = _successor(installation, active)
    assert successor is not None
    installation.restart(active.member)
    return successor.time - ended


def _settled(installation: Installation) -> bool:
    installation.revive()  # whom its watchdog has ended
    last = signs(installation)[-SETTLED:]
    return len(last) == SETTLED and len({sign.holder for sign in last}) == 1 and len(installation.members("pager")) == 2


def _successor(installation: Installation, active: Sign) -> Sign | None:
    later = [sign for sign in signs(installation) if sign.begins and sign.time > active.time]
    return next((sign for sign in later if sign.holder != active.holder), None)


def reigns_apart(installation: Installation) -> list[float]:
    """Return, for each takeover, how long before it the right of the one before had ended by itself, seconds.

    A right lasts for a part of the session from when its last sign was sent, which is before the broker had it.
    """
    lasts_s = installation.settings.kafka.session_s * PART
    reigns: dict[str, list[Sign]] = {}
    for sign in signs(installation):
        reigns.setdefault(sign.holder, []).append(sign)
    return [
        next_[0].time - (max(one.time for one in reign if one.time <= next_[0].time) + lasts_s)
        for reign, next_ in pairwise(reigns.values())
    ]
