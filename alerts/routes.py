"""Where an incident goes: the first route that fits names its channels; what no route wants goes everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from undertow.alerts.incident import Incident
from undertow.alerts.matcher import Matcher
from undertow.alerts.services import parts

__all__ = ["LOCAL", "Route", "Routes"]

LOCAL = frozenset({"console"})  # channels that show pages and wake nobody: they get every incident


class Route(Matcher, frozen=True, kw_only=True):
    """Sends the incidents that it matches to these channels, and to no other.

    Examples
    --------
    >>> Route(service=("payments-*",), channels=("payments",)).channels
    ('payments',)
    """

    channels: tuple[str, ...]


class Routes:
    """The routes in order.

    Parameters
    ----------
    routes
        The first that matches an incident counts.
    channels
        The names of all channels.
    fallback
        A channel that waits for what the others do not deliver; it gets an incident at once only by a route's word.

    Raises
    ------
    ValueError
        A route names no channel, or a route or the fallback one that is not configured: an incident must not vanish
        by a slip of the pen.

    Examples
    --------
    >>> Routes([], ["console", "pagerduty", "email"], fallback="email").default
    ('console', 'pagerduty')
    """

    def __init__(self, routes: Sequence[Route], channels: Collection[str], fallback: str | None = None) -> None:
        for number, route in enumerate(routes, start=1):
            if not route.channels:
                raise ValueError(f"route {number} ({route}) names no channel; to mute for a while, use a silence")
            _check(f"route {number} ({route}) names", route.channels, channels)
        _check("the fallback is", [fallback] if fallback else [], channels)
        self._routes = tuple(routes)
        self._local = tuple(name for name in channels if name in LOCAL)
        self.default = tuple(name for name in channels if name != fallback)

    def channels(self, incident: Incident) -> tuple[str, ...]:
        """Return the channels for the incident, without repeats: those of each of its services."""
        return tuple(dict.fromkeys(name for part in parts(incident) for name in self._of(part)))

    def teams(self, incident: Incident) -> dict[str, list[str]]:
        """Return which services each channel is told of, where these differ; channels that wake nobody left out."""
        found: dict[str, list[str]] = {}
        for part in parts(incident):
            for name in self._of(part):
                if name not in LOCAL:
                    found.setdefault(name, []).append(part.service)
        return found if len({tuple(services) for services in found.values()}) > 1 else {}

    def _of(self, part: Incident) -> tuple[str, ...]:
        route = next((route for route in self._routes if route.matches(part)), None)
        return self.default if route is None else tuple(dict.fromkeys([*self._local, *route.channels]))


def _check(who: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"configured are: {', '.join(known) or 'none'}"
            raise ValueError(f"{who} the channel '{name}', which is not configured; {hint}")
