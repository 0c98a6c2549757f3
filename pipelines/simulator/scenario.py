"""What to simulate: frozen and self-validating, so that the same scenario is the same traffic anywhere."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from typing import Any

from undertow.pipelines.simulator.incidents import INCIDENTS, Incident
from undertow.pipelines.simulator.world import SERVICES

__all__ = ["MONDAY", "Planted", "Scenario", "ScenarioError", "truth"]

MONDAY = 1_772_442_000.0  # Monday, 2 March 2026, 09:00 UTC


class ScenarioError(ValueError):
    """The scenario cannot be simulated: the message names the field, its value and the way out."""


@dataclass(frozen=True)
class Planted:
    """One declared incident in a scenario.

    Parameters
    ----------
    name
        A name in `INCIDENTS`.
    at, until
        From when and until when it acts, in seconds since the epoch; without `until` it stays.
    strength
        Scales the effect: 1 is what the incident's description says, 0.5 half of it. At most 2.
    ramp_s
        Seconds from `at` until the change is out everywhere; None takes the incident's own.
    """

    name: str
    at: float
    until: float | None = None
    strength: float = 1.0
    ramp_s: float | None = None

    def __post_init__(self) -> None:
        if self.name not in INCIDENTS:
            near = difflib.get_close_matches(self.name, INCIDENTS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(INCIDENTS)}"
            raise ScenarioError(f"no incident named '{self.name}'; {hint}")
        if not 0 < self.strength <= 2:
            raise ScenarioError(f"{self.name}: strength = {self.strength} must be above 0 and at most 2")
        if self.until is not None and not self.until > self.at:
            raise ScenarioError(f"{self.name}: until = {self.until} must be later than at = {self.at}")
        if self.ramp_s is not None and not (math.isfinite(self.ramp_s) and self.ramp_s >= 0):
            raise ScenarioError(f"{self.name}: ramp_s = {self.ramp_s} must be a number of seconds ≥ 0")

    @property
    def incident(self) -> Incident:
        """The declaration behind the name."""
        return INCIDENTS[self.name]

    @property
    def ramp(self) -> float:
        """Seconds from `at` until the change is out everywhere."""
        return self.incident.ramp_s if self.ramp_s is None else self.ramp_s


@dataclass(frozen=True)
class Scenario:
    """Traffic of so many seconds with the incidents planted in it.

    Parameters
    ----------
    seed
        The same seed gives the same bytes.
    start, duration_s
        Event time of the first moment (seconds since the epoch) and the length in seconds.
    rate_per_s
        Events a second over all services, averaged over a day.
    services
        Names in `SERVICES`; their shares of the traffic are scaled to sum to one.
    daily_cycle
        0 (flat) to 1: how far volume, regions and the mix of users follow the hour of the day (UTC).
    day_noise
        Standard deviation of the log of each day's level of volume, refusals and lengths: benign wander.
    texts
        Whether inputs and outputs are written out; without them the same calls carry lengths in tokens only.
    inline_schemas
        Whether events carry their JSON Schema; otherwise they name it, and the configuration must know `SCHEMAS`.

    Examples
    --------
    >>> Scenario(seed=1, duration_s=3600).plant("refusal_creep", after_s=1800).incidents[0].at - MONDAY
    1800.0
    >>> Scenario().plant("refusal_crepe", after_s=60)
    Traceback (most recent call last):
    undertow.pipelines.simulator.scenario.ScenarioError: no incident named 'refusal_crepe'; did you mean ...
    """

    seed: int = 1
    start: float = MONDAY
    duration_s: float = 3600.0
    rate_per_s: float = 20.0
    incidents: tuple[Planted, ...] = ()
    services: tuple[str, ...] = tuple(SERVICES)
    daily_cycle: float = 0.5
    day_noise: float = 0.0
    texts: bool = True
    inline_schemas: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "incidents", tuple(self.incidents))
        object.__setattr__(self, "services", tuple(self.services))
        self._refuse_numbers()
        self._refuse_services()
        for planted in self.incidents:
            if not self.start <= planted.at < self.end:
                raise ScenarioError(
                    f"{planted.name}: at = {planted.at} lies outside the scenario, {self.start} to {self.end}; it is "
                    "in seconds since the epoch: Scenario.plant() takes seconds after the start"
                )

    def _refuse_numbers(self) -> None:
        if self.seed < 0:
            raise ScenarioError(f"seed = {self.seed} must be a whole number ≥ 0")
        limits = {
            "start": (0.0, 1e11),
            "duration_s": (1e-3, 1e10),
            "rate_per_s": (1e-6, 1e6),
            "daily_cycle": (0.0, 1.0),
            "day_noise": (0.0, 1.0),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ScenarioError(f"{name} = {value} must lie within {low:g} and {high:g}")

    def _refuse_services(self) -> None:
        unknown = [name for name in self.services if name not in SERVICES]
        if unknown or not self.services or len(set(self.services)) < len(self.services):
            raise ScenarioError(f"services = {list(self.services)} must be some of {', '.join(SERVICES)}, each once")
        for planted in self.incidents:
            if not set(planted.incident.services) & set(self.services):
                raise ScenarioError(
                    f"{planted.name} happens to the service '{planted.incident.services[0]}', which this scenario "
                    f"leaves out; services = {list(self.services)}"
                )

    @property
    def end(self) -> float:
        """The first moment after the traffic."""
        return self.start + self.duration_s

    def plant(self, name: str, after_s: float, *, for_s: float | None = None, strength: float = 1.0) -> Scenario:
        """Return the scenario with one more incident, `after_s` seconds after its start and for `for_s` seconds."""
        at = self.start + after_s
        planted = Planted(name, at, None if for_s is None else at + for_s, strength)
        return replace(self, incidents=(*self.incidents, planted))


def truth(scenario: Scenario) -> list[dict[str, Any]]:
    """Say what was planted, in order of time: what a monitor should find, and only that.

    `metrics` maps each metric that the incident moves to its direction, the headline first; `may_move` names those
    that follow a little (a refusal is shorter than an answer); `version` is the (dimension, value) first seen, if any.

    Examples
    --------
    >>> found = truth(Scenario().plant("silent_model_swap", after_s=600))[0]
    >>> found["metrics"], found["slice"]
    ({'output_length': 'down', 'output_tokens': 'down', 'refusal_rate': 'up', 'model_mix': 'shift'}, {...})
    """
    return [_told(planted) for planted in sorted(scenario.incidents, key=lambda planted: planted.at)]


def _told(planted: Planted) -> dict[str, Any]:
    incident = planted.incident
    return {
        "name": planted.name,
        "at": planted.at,
        "until": planted.until,
        "ramp_s": planted.ramp,
        "strength": planted.strength,
        "services": list(incident.services),
        "slice": dict(incident.segment),
        "metrics": dict(incident.metrics),
        "direction": next(iter(incident.metrics.values()), None),
        "may_move": list(incident.may_move),
        "version": incident.version,
        "cause": incident.cause,
    }
