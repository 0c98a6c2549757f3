"""What events say in the light of others: tasks, loops, later scores, shadow traffic, spending, rules, versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan, nan
from typing import Any, NamedTuple

from undertow.drift.cohorts import Cohorts
from undertow.drift.findings import verdict_of_finding, verdict_of_hit
from undertow.drift.first_seen import FirstSeen, NewTool
from undertow.drift.fleet import Fleet
from undertow.drift.interaction import Interaction
from undertow.drift.loops import Loops
from undertow.drift.metrics import SCORE
from undertow.drift.prices import Charge
from undertow.drift.rules import Rules
from undertow.drift.scores import Score, Scores
from undertow.drift.shadow import Disagreement, Shadow
from undertow.drift.spend import Spend, SpendRow
from undertow.drift.tasks import Task, Tasks
from undertow.drift.verdict import Verdict
from undertow.drift.versions import Versions
from undertow.pipelines.settings import Settings

__all__ = ["Dims", "Figure", "Trackers"]

Dims = tuple[str | None, ...]


class Figure(NamedTuple):
    """One number of one metric at an event time, in the slices of `dims`."""

    service: str
    environment: str
    dims: Dims
    time: float
    metric: str
    value: float


class Trackers:
    """Remembers what is needed of earlier events, and is shown every event in the order read.

    Examples
    --------
    >>> from undertow.pipelines.settings import Settings
    >>> trackers = Trackers(Settings(), str)
    >>> call = Interaction(id="1", time=0.0, service="s", cost=0.02)
    >>> charge = Charge(0.02)
    >>> trackers.arrive(call, charge, 0.0)
    >>> said = trackers.observe(call, (), charge, 0.0)
    >>> [(figure.metric, figure.value) for figure in trackers.figures()]
    [('cost_per_task', 0.02), ('calls_per_task', 1.0), ('tools_per_task', 0.0)]
    """

    def __init__(
        self, settings: Settings, pseudonym: Callable[[str], str], state: dict[str, Any] | None = None
    ) -> None:
        saved = state or {}
        ingest, fleet = settings.ingest, settings.fleet
        bounds = (ingest.task_idle_s, ingest.task_limit_s, ingest.task_limit_calls, ingest.max_open_tasks)
        self.tasks = Tasks.build(*bounds, saved.get("tasks"))
        self.loops = Loops.build(limit_s=ingest.task_limit_s, state=saved.get("loops"))
        self.scores = Scores.build(state=saved.get("scores"))
        self.shadow = Shadow.build(state=saved.get("shadow"))
        self.spend = Spend.build(pseudonym, state=saved.get("spend"))
        self.rules = Rules.build(settings.hard_rules, state=saved.get("rules"))
        self.first_seen = FirstSeen.build(state=saved.get("first_seen"))
        self.fleet = Fleet.build(
            fleet.grace_s, fleet.min_share, settings.declared_versions, tuple(fleet.ignore), state=saved.get("fleet")
        )
        self.versions = Versions.build(saved.get("versions"))
        self._cohorts = (
            Cohorts.build(pseudonym, state=saved.get("cohorts")) if "cohort" in settings.detection.dimensions else None
        )
        self.closed_tasks: int = saved.get("closed_tasks", 0)
        self._figures: list[Figure] = []
        self._found: list[Verdict] = []
        self._spent: list[SpendRow] = []

    def arrive(self, event: Interaction, charge: Charge | None, watermark: float) -> None:
        """Take the next event, late or not: what it cost, which rules it breaks, whose it is."""
        if self._cohorts is not None:
            self._cohorts.mark(event)
        self._spent += self.spend.observe(event, charge, watermark)
        self._found += map(verdict_of_hit, self.rules.observe(event))

    def observe(self, event: Interaction, dims: Dims, charge: Charge | None, watermark: float) -> dict[str, float]:
        """Take the next event that is in time; return what it says in the light of the earlier ones, by metric."""
        self._compared(self.shadow.observe(event, dims, watermark))
        if event.shadow_of is not None:
            return {}  # it reaches no user: it is compared, and paid for
        self._closed(self.tasks.observe(event, dims, nan if charge is None else charge.total, watermark))
        self._scored(self.scores.observe(event, dims, watermark))
        self._found += map(verdict_of_finding, self.fleet.observe(event, watermark))
        for new in self.first_seen.observe(event):
            self._meet(new)
        loop, calls = self.loops.observe(event, watermark), self.tasks.calls_so_far(event)
        said = {} if loop is None else {"loop_rate": float(loop.looping)}
        return said if calls is None else said | {"calls_so_far": float(calls)}

    def expire(self, watermark: float) -> None:
        """Let time pass up to the watermark."""
        self._closed(self.tasks.expire(watermark))
        self._scored(self.scores.expire(watermark))
        self._found += map(verdict_of_finding, self.fleet.expire(watermark))
        self._spent += self.spend.expire(watermark)

    def close_all(self) -> None:
        """End everything that is still open: the input has ended."""
        self._closed(self.tasks.close_all())
        self._scored(self.scores.close_all())
        self._spent += self.spend.close_all()

    def figures(self) -> list[Figure]:
        """Return the figures since the last call."""
        taken, self._figures = self._figures, []
        return taken

    def found(self) -> list[Verdict]:
        """Return what rules and fleet have found since the last call."""
        taken, self._found = self._found, []
        return taken

    def spent(self) -> list[SpendRow]:
        """Return the closed hours since the last call."""
        taken, self._spent = self._spent, []
        return taken

    def limits(self) -> dict[str, int]:
        """Return how often each limit was hit, and why things were left out."""
        of_fleet = self.fleet.census
        return {
            "tasks_closed_early": self.tasks.evicted,
            "loops_forgotten": self.loops.evicted,
            "scores_without_call": self.scores.unplaced,
            "scores_refused": self.scores.refused,
            "scored_calls_forgotten": self.scores.evicted,
            "shadows_without_live_call": self.shadow.unpaired,
            "shadows_incomparable": self.shadow.incomparable,
            "shadows_forgotten": self.shadow.evicted,
            "breaches_not_told": self.rules.untold,
            "rule_histories_not_kept": self.rules.unfollowed,
            "agents_forgotten": self.first_seen.evicted,
            "agent_tools_not_kept": self.first_seen.unfollowed,
            "versions_forgotten": self.versions.dropped,
            "versions_not_announced": self.versions.unannounced,
            "live_versions_not_kept": of_fleet.dropped,
            "live_versions_late": of_fleet.late,
            "users_forgotten": self._cohorts.forgotten if self._cohorts else 0,
            "spend_added_up": self.spend.folded,
            "spend_refused": sum(self.spend.refused.values()),
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; figures, findings and rows have been taken by then."""
        return {
            "tasks": self.tasks.snapshot(),
            "loops": self.loops.snapshot(),
            "scores": self.scores.snapshot(),
            "shadow": self.shadow.snapshot(),
            "spend": self.spend.snapshot(),
            "rules": self.rules.snapshot(),
            "first_seen": self.first_seen.snapshot(),
            "fleet": self.fleet.snapshot(),
            "versions": self.versions.snapshot(),
            "cohorts": self._cohorts.snapshot() if self._cohorts else None,
            "closed_tasks": self.closed_tasks,
        }

    def _meet(self, new: NewTool) -> None:
        """Page for a destructive deed that is new; record any other new tool as a change."""
        if new.hit is not None:
            self._found.append(verdict_of_hit(new.hit))
        else:
            used = f"{new.agent} uses {new.tool}" if new.agent else new.tool
            self.versions.note(new.service, new.environment, "tool", used, new.time)

    def _closed(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.closed_tasks += 1
            self.spend.observe_task(task.service, task.environment, task.closed_at)
            values = {
                "cost_per_task": task.cost,
                "calls_per_task": task.calls or nan,
                "tools_per_task": task.tools,
                "depth": task.depth or nan,  # 0: no event names what caused it
            }
            self._figures += [
                Figure(task.service, task.environment, task.dims, task.closed_at, metric, float(value))
                for metric, value in values.items()
                if not isnan(value)
            ]

    def _scored(self, scores: Sequence[Score]) -> None:
        self._figures += [Figure(s.service, s.environment, s.dims, s.time, SCORE + s.name, s.value) for s in scores]

    def _compared(self, pairs: Sequence[Disagreement]) -> None:
        self._figures += [
            Figure(p.service, p.environment, p.dims, p.time, "disagreement_rate", float(p.differs)) for p in pairs
        ]
