"""What is wrong with the installation itself, as the active pager sees it: somebody does not get on, or nobody does.

What holds is kept in the log of incidents, so that whoever takes over goes on with the same incidents. The wall clock
decides here, and nothing in it touches a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from undertow.alerts.formats import duration, utc
from undertow.alerts.health import Condition, Health, HealthState
from undertow.alerts.incident import Change
from undertow.pipelines.alert_settings import Health as HealthSettings
from undertow.pipelines.control import ACKNOWLEDGED, RESOLUTIONS
from undertow.pipelines.kafka.decisions import Decision

__all__ = ["InstallationWatch"]

LOOK_S = 5.0  # between two looks
STILL_S = 60.0  # without a window more; who is only behind, and catching up, does not stand still


class InstallationWatch:
    """Turns what the pager has heard, and when, into incidents about the installation.

    Parameters
    ----------
    state
        What held when it was saved last.
    clock
        Wall clock, seconds since the epoch.

    Examples
    --------
    >>> now = 1_000.0
    >>> watch = InstallationWatch(HealthSettings(lag_s=600.0), None, clock=lambda: now)
    >>> watch.look({0: 990.0, 1: 300.0}), watch.state.held != {}
    ([], False)
    >>> for now in (1_060.0, 1_120.0):
    ...     told = watch.look({0: now - 10.0, 1: 300.0})
    >>> [change.incident.headline for change in told]
    ['series partition 1 of undertow detect stands still, 13 min 30 s behind the others']
    """

    def __init__(self, settings: HealthSettings, state: HealthState | None, clock: Callable[[], float]) -> None:
        self._lag_s, self._clock = settings.lag_s, clock
        self._health = Health(settings.pages_per_day, state)
        self._looked_at = float("-inf")
        self._moved: dict[int, tuple[float, float]] = {}  # how far each series partition was heard, and since when
        self._live = bool(state and state.held)  # an old log that is read again is behind by nature
        self._saved = self._held()

    @property
    def state(self) -> HealthState:
        """What holds."""
        return self._health.snapshot()

    def look(self, heard: Mapping[int, float]) -> list[Change]:
        """Judge, at most once in `LOOK_S` seconds, and return what is to be told.

        Parameters
        ----------
        heard
            Of each series partition, up to which event time it was heard.
        """
        now = self._clock()
        if 0.0 <= now - self._looked_at < LOOK_S:
            return []
        self._looked_at = now
        return self._health.update(list(self._conditions(heard, now)), now)

    def decide(self, decision: Decision) -> list[Change]:
        """Take a decision about one of these incidents; it is about none of them where nothing is returned."""
        said, now = decision.arguments, self._clock()
        key, by = said.get("id", ""), said.get("by", "")
        if resolution := RESOLUTIONS.get(decision.action):
            return self._health.close(key, resolution, now, by, said.get("reason", ""))
        if decision.action not in ACKNOWLEDGED:
            return []
        quiet = decision.action == "dismiss"
        return self._health.acknowledge(key, now, by, said.get("elsewhere", ""), quiet=quiet)

    def is_to_be_saved(self, changes: Sequence[Change]) -> bool:
        """Return whether a successor must know something new."""
        before, self._saved = self._saved, self._held()
        return bool(changes) or before != self._saved

    def _held(self) -> frozenset[str]:
        return frozenset(self._health.snapshot().held)

    def _conditions(self, heard: Mapping[int, float], now: float) -> Iterator[Condition]:
        if not heard:
            return
        first = max(heard.values())
        still = [number for number in self._still(heard, now) if first - heard[number] > self._lag_s]
        if still:
            yield _standstill(still, first - min(heard[number] for number in still))
        self._live = self._live or now - first <= self._lag_s
        if self._live and now - first > self._lag_s:
            yield _silence(first, now)

    def _still(self, heard: Mapping[int, float], now: float) -> list[int]:
        """Return the series partitions of which nothing more was heard for a while."""
        for number, until in heard.items():
            if self._moved.get(number, (None, now))[0] != until:
                self._moved[number] = (until, now)
        return [number for number, (_, since) in sorted(self._moved.items()) if now - since >= STILL_S]


def _standstill(behind: Sequence[int], by_s: float) -> Condition:
    which = f"series partition{'s' if len(behind) > 1 else ''} {', '.join(map(str, behind))}"
    return Condition(
        "standstill",
        f"{which} of undertow detect {'stand' if len(behind) > 1 else 'stands'} still, "
        f"{duration(by_s)} behind the others",
        (
            "no window is complete, and no page comes, until it goes on",
            "does every process of undertow detect run, and has its group a member for each of them?",
            "what does its log say last? a role that cannot go on ends with one sentence",
        ),
    )


def _silence(latest: float, now: float) -> Condition:
    return Condition(
        "silence",
        f"nothing has been judged for {duration(now - latest)}",
        (
            f"the last window ended at {utc(latest)}",
            "do the applications write to the topic of events, and does undertow worker run?",
            "undertow_loop_lag of each role says where messages wait",
        ),
    )
