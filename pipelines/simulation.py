"""What `undertow simulate` asks of the simulator: the catalogue of incidents, a scenario from arguments, output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from undertow.pipelines.simulator import INCIDENTS, Incident, Scenario, ScenarioError, truth, write

__all__ = ["Plan", "catalogue", "planted", "purpose", "scenario", "write_to"]

DEFAULT_SHARE = 0.6  # of the traffic goes by before an incident that says no time of its own
_HOUR_S = 3600.0


class Plan(NamedTuple):
    """An incident as the command line names it; times in seconds after the traffic's start, None where not said."""

    name: str
    after_s: float | None = None
    for_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read NAME[@SECONDS[:FOR_SECONDS]].

        Raises
        ------
        ScenarioError
            A number cannot be read.

        Examples
        --------
        >>> Plan.parse("refusal_creep@1800:600"), Plan.parse("chatty_prompt")
        (Plan(name='refusal_creep', after_s=1800.0, for_s=600.0), Plan(name='chatty_prompt', after_s=None, for_s=None))
        """
        name, placed, times = text.partition("@")
        after, lasting, length = times.partition(":")
        return cls(name, _seconds(after, text) if placed else None, _seconds(length, text) if lasting else None)


def catalogue() -> str:
    """Return the incidents that can be planted: what each does, where, and which of today's metrics shows it.

    Examples
    --------
    >>> print(catalogue().splitlines()[0])
    refusal_creep      A careful system prompt (v48) goes out on `answer`: refusals rise from 2 % to 9 % of its answers.
    """
    return "\n".join(line for name, incident in INCIDENTS.items() for line in _entry(name, incident))


def purpose(incident: Incident) -> str:
    """Return what the incident does, in one sentence."""
    told = (incident.__doc__ or incident.cause).strip()  # interpreters may be told to drop docstrings
    return told.splitlines()[0]


def scenario(
    incidents: Sequence[str],
    hours: float,
    rate: float,
    seed: int,
    start: str | None,
    *,
    texts: bool = True,
    now: float | None = None,
) -> Scenario:
    """Return the scenario that the arguments of `undertow simulate` describe.

    Parameters
    ----------
    incidents
        Each as NAME[@SECONDS[:FOR_SECONDS]]: from so many seconds after the start (60 % of the traffic when not said),
        for so many seconds (to the end).
    rate
        Events a second, on average over the day.
    start
        RFC 3339; without it the traffic ends at `now` (seconds since the epoch; the clock's), in whole seconds.

    Raises
    ------
    ScenarioError
        An argument cannot be used; the message names it, its value and the way out.
    """
    duration_s = hours * _HOUR_S
    begins = _moment(start) if start else float((time.time() if now is None else now) - duration_s) // 1
    made = Scenario(seed=seed, start=begins, duration_s=duration_s, rate_per_s=rate, texts=texts)
    for plan in map(Plan.parse, incidents):
        after_s = DEFAULT_SHARE * duration_s if plan.after_s is None else plan.after_s
        made = made.plant(plan.name, after_s, for_s=plan.for_s)
    return made


def planted(scenario: Scenario) -> list[dict[str, Any]]:
    """Return what was planted, in order of time: what a monitor should find, and only that."""
    return truth(scenario)


def write_to(scenario: Scenario, output: str) -> int:
    """Write the traffic to a file or to standard output ("-") and return the number of events.

    A reader that has had enough (`undertow simulate | head`) ends it quietly.
    """
    if output != "-":
        return write(scenario, Path(output))
    try:
        return write(scenario, "-")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit finds an open stream
        return 0


def _entry(name: str, incident: Incident) -> list[str]:
    where = ", ".join(f"{dimension}={value}" for dimension, value in incident.segment.items()) or "all traffic"
    shown = f"shown by {', '.join(incident.metrics)}" if incident.metrics else "a null: nothing must page"
    return [f"{name:<18} {purpose(incident)}", f"{'':<18} {where}; {shown}"]


def _seconds(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ScenarioError(
            f"incident '{whole}': '{text}' is no number of seconds; write NAME[@SECONDS[:FOR_SECONDS]], "
            "such as refusal_creep@3600:900"
        ) from None


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ScenarioError(f"start = '{text}' is not RFC 3339, such as 2026-03-02T09:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
