"""Dimensions that are derived: how far a conversation has come, in which language, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import xxhash

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.language import language_of
from undertow.drift.signal import Batch

__all__ = ["COHORTS", "Cohorts", "language", "turn_bucket"]

COHORTS = ("new", "regular", "heavy")

_VERSION = 1
_TURNS = ((5, "0–4"), (15, "5–14"))
_LAST_TURNS = "15+"
_WEEK_S = 604_800.0


def turn_bucket(event: Interaction) -> str | None:
    """Return how far the conversation has come: "0–4", "5–14" or "15+"; None when the event does not say.

    Answers get worse with long conversations, in all models; 15 turns is where studies begin to see it.

    Examples
    --------
    >>> [turn_bucket(Interaction(id="1", time=0.0, service="s", turn=turn)) for turn in (0, 14, 15, None)]
    ['0–4', '5–14', '15+', None]
    """
    turn = event.turn
    if turn is None:
        return None
    return next((bucket for below, bucket in _TURNS if turn < below), _LAST_TURNS)


def language(event: Interaction) -> str | None:
    """Return the language of what the user said (see `language_of`); None when that is not recorded.

    Examples
    --------
    >>> language(Interaction(id="1", time=0.0, service="s", input="Wo ist mein Paket, bitte?"))
    'de'
    """
    return None if event.input is None else language_of(Batch([event]).inputs[0])


class _User(msgspec.Struct, array_like=True, gc=False):
    first: float  # event time of the first call seen
    week: int  # the last week with a call, counted from the epoch
    calls: int  # in that week
    before: int  # in the week before it


class _State(msgspec.Struct):
    version: int
    forgotten: int
    services: list[tuple[str, str, float]]
    users: list[tuple[int, _User]]


class Cohorts:
    """Says of each call to which cohort its user belongs: "new", "regular" or "heavy".

    A user is heavy with `heavy_calls` calls in this week or the last (weeks of UTC, from Thursday), else new until
    `new_s` after the first call, else regular. In a service's own first `new_s` nobody is new, since everybody would
    be. Users are kept as a hash of their pseudonym.

    The cohort depends on the calls read so far: it is decided when the event is read, and a user who becomes heavy was
    not before. Costs 2 µs a call with a user; 200,000 users take about 40 MB.

    Parameters
    ----------
    pseudonym
        A keyed hash of a user's name; another key forgets everybody.
    max_users
        Users remembered; beyond it the quarter whose last call lies furthest back is forgotten, and `forgotten` counts
        them. They come back as new ones.

    Examples
    --------
    >>> cohorts = Cohorts(str, heavy_calls=2)
    >>> calls = [Interaction(id=str(n), time=float(n), service="s", user="ana") for n in range(2)]
    >>> [cohorts.observe(call) for call in calls]
    ['regular', 'heavy']
    """

    def __init__(
        self,
        pseudonym: Callable[[str], str],
        new_s: float = _WEEK_S,
        heavy_calls: int = 100,
        max_users: int = 200_000,
        max_services: int = 1000,
    ) -> None:
        for name, value in (("new_s", new_s), ("heavy_calls", heavy_calls), ("max_users", max_users)):
            if not value > 0:
                raise ValueError(f"{name} = {value} leaves no cohorts; give a positive number")
        self._pseudonym = pseudonym
        self.new_s = new_s
        self.heavy_calls = heavy_calls
        self.max_users = max_users
        self.max_services = max_services
        self.forgotten = 0
        self._services: dict[tuple[str, str], float] = {}  # time of their first call
        self._users: dict[int, _User] = {}

    def __len__(self) -> int:
        return len(self._users)

    def observe(self, event: Interaction) -> str | None:
        """Count the call and return its user's cohort; None without a user, and for other kinds of events."""
        if event.kind is not Kind.CALL or not event.user:
            return None
        since = self._since(event)
        user = self._user(event, event.user)
        _count(user, int(event.time // _WEEK_S))
        if max(user.calls, user.before) >= self.heavy_calls:
            return "heavy"
        known = event.time - user.first >= self.new_s or user.first - since < self.new_s
        return "regular" if known else "new"

    def mark(self, event: Interaction) -> None:
        """Count the call and write its user's cohort into its attributes, unless they name one: a slice like any other.

        Examples
        --------
        >>> call = Interaction(id="1", time=0.0, service="s", user="ana")
        >>> Cohorts(str).mark(call)
        >>> call.attributes
        {'cohort': 'regular'}
        """
        cohort = self.observe(event)
        if cohort is not None:
            event.attributes = {"cohort": cohort, **(event.attributes or {})}

    def _since(self, event: Interaction) -> float:
        """Return when the service was first seen; at the limit of services all others count as old."""
        service = (event.service, event.environment)
        since = self._services.get(service)
        if since is None and len(self._services) >= self.max_services:
            return event.time
        if since is None or event.time < since:
            since = self._services[service] = event.time
        return since

    def _user(self, event: Interaction, name: str) -> _User:
        known_as = f"{event.service}\x1f{event.environment}\x1f{self._pseudonym(name)}"
        key = xxhash.xxh3_64_intdigest(known_as.encode("utf-8", "replace"))
        user = self._users.get(key)
        if user is None:
            if len(self._users) >= self.max_users:
                self._forget()
            user = self._users[key] = _User(event.time, int(event.time // _WEEK_S), 0, 0)
        user.first = min(user.first, event.time)
        return user

    def _forget(self) -> None:
        """Drop a quarter in one go, so that a flood of users stays cheap."""
        quietest = sorted(self._users, key=lambda key: (self._users[key].week, key))[: max(1, len(self._users) // 4)]
        for key in quietest:
            del self._users[key]
        self.forgotten += len(quietest)

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as plain data."""
        services = [(*service, since) for service, since in self._services.items()]
        return dict(msgspec.to_builtins(_State(_VERSION, self.forgotten, services, list(self._users.items()))))

    @classmethod
    def build(
        cls,
        pseudonym: Callable[[str], str],
        new_s: float = _WEEK_S,
        heavy_calls: int = 100,
        max_users: int = 200_000,
        max_services: int = 1000,
        state: dict[str, Any] | None = None,
    ) -> Cohorts:
        """Return cohorts that go on from a snapshot, or begin."""
        cohorts = cls(pseudonym, new_s, heavy_calls, max_users, max_services)
        if state is None:
            return cohorts
        if state.get("version") != _VERSION:
            raise ValueError(f"cohorts: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State)
        cohorts.forgotten = restored.forgotten
        cohorts._services = {(service, environment): since for service, environment, since in restored.services}
        cohorts._users = dict(restored.users)
        return cohorts


def _count(user: _User, week: int) -> None:
    """Add a call of that week; one of an earlier week than the last two counts nowhere."""
    if week > user.week:
        user.before = user.calls if week == user.week + 1 else 0
        user.week, user.calls = week, 0
    if week == user.week:
        user.calls += 1
    elif week == user.week - 1:
        user.before += 1
