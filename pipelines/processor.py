"""The path of a datum inside one process: events in; rows, closed windows, verdicts and incident changes out.

Nothing here waits, writes or looks at a clock: the caller reads, stores, pages and commits. What comes out is a
function of the events in the order in which they were read, whatever the size of the batches and however often the
process was restarted in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from undertow.alerts.incident import Context, Version
from undertow.alerts.incidents import Incidents, IncidentsConfig, IncidentsState
from undertow.alerts.incidents import build as build_incidents
from undertow.alerts.practice import Practice, PracticeState
from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.verdict import Verdict
from undertow.pipelines.counting import Counters, Counting, part, unkeyed
from undertow.pipelines.evidence import Evidence
from undertow.pipelines.judging import Judging, suspects
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.settings import Settings
from undertow.pipelines.step import Step

__all__ = ["Processor"]


class Processor:
    """Joins signals, windows, detectors and incidents.

    Examples
    --------
    >>> from undertow.pipelines.settings import Settings
    >>> processor = Processor(Settings(), PriceTable())
    >>> step = processor.step([Interaction(id="1", time=0.0, service="s", output="Hello")], [0])
    >>> len(step.events), len(step.windows), len(processor.finish().windows)
    (1, 0, 1)
    """

    def __init__(
        self,
        settings: Settings,
        prices: PriceTable,
        state: dict[str, Any] | None = None,
        pseudonym: Callable[[str], str] = unkeyed,
    ) -> None:
        self.counting = Counting(settings, prices, state, pseudonym)
        counting, state = self.counting, state or {}
        ingest, alerts = settings.ingest, settings.alerts
        self.evidence = Evidence(
            counting.catalogue,
            settings.detection.dimensions,
            counting.segments.groups,
            counting.versions,
            None if ingest.content == "none" else Redactor(ingest.content, ingest.redact).kept,
            counting.descriptions.kept,
            settings.detection.topic,
            settings.detection.metrics_off,
            prices,
            state.get("evidence"),
        )
        numbered = (counting.segments.groups, counting.catalogue, counting.categories)
        self._judging = Judging(settings, *numbered, state or None)
        self.monitor = self._judging.monitor
        self._incidents_config = IncidentsConfig(
            hold_s=alerts.hold_s, join_s=alerts.join_s, pages_per_hour=alerts.pages_per_hour, weights=alerts.weight
        )
        self.incidents: Incidents = build_incidents(self._incidents_config, part(state, "incidents", IncidentsState))
        self.practice = self._practice(part(state, "practice", PracticeState))

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        """Take the next events in the order in which they were read."""
        return self._judge(self.counting.step(events, checksums))

    def tick(self, time: float) -> Step:
        """Let event time pass without an event: the source has been silent and says it is at least `time`."""
        return self._judge(self.counting.tick(time))

    def finish(self) -> Step:
        """Close everything that is still open: the input has ended."""
        step = self._judge(self.counting.finish())
        step.cards += self.evidence.last_cards()
        return step

    def declare(self, change: Interaction) -> Step:
        """Take a change that somebody declared: a version seen, a row, and no word on what time it is."""
        return self.counting.declare(change)

    def acknowledge(self, incident: str, now: float, by: str = "", elsewhere: str = "", *, quiet: bool = False) -> Step:
        """Note that somebody has taken an incident.

        Raises
        ------
        undertow.alerts.incidents.IncidentsError
            No such incident is open.
        """
        step = self._judge(self.counting.step([], []))
        step.changes += self.incidents.acknowledge(incident, now, by, elsewhere, quiet=quiet)
        return step

    def decide(self, incident: str, resolution: str, now: float, by: str = "", reason: str = "") -> Step:
        """Close an incident because somebody said so: "accepted", which makes its levels the normal ones, or "false".

        Series that are compared with a pin are pinned anew, to the first whole week at the accepted level.

        Raises
        ------
        undertow.alerts.incidents.IncidentsError
            No such incident is open.
        """
        step = self._judge(self.counting.step([], []))
        decided = self.incidents.manual(incident, resolution, now, by, reason)
        if resolution == "accepted":
            verdicts = next(change.incident.verdicts for change in decided if change.incident.id == incident)
            self._judging.accept(verdicts, reason, by, now)
        self.practice.take(decided, now)
        step.changes += decided
        return step

    def forget_incidents(self) -> None:
        """Start without incidents: those of the history that baselines were learned from are nobody's page."""
        self.incidents = build_incidents(self._incidents_config)
        self.practice = self._practice()

    def _practice(self, state: PracticeState | None = None) -> Practice:
        return Practice(("rule", "fleet", *self.monitor.unbudgeted), state)

    @property
    def counters(self) -> Counters:
        """What happened to the events so far."""
        return self.counting.counters

    def limits(self) -> dict[str, int]:
        """Return how often each limit was hit, by name."""
        return {
            **self.counting.limits(),
            **self.evidence.limits(),
            "incidents_in_summary_only": self.incidents.counts()["suppressed"],
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state: plain data and arrays by name."""
        return {
            **self.counting.snapshot(),
            "evidence": self.evidence.snapshot(),
            **self._judging.snapshot(),
            "incidents": self.incidents.snapshot(),
            "practice": self.practice.snapshot(),
        }

    # -- one step -----------------------------------------------------------------------------------------------------

    def _judge(self, step: Step) -> Step:
        """Let the detectors and the incidents see the windows that have closed, one by one."""
        if step.sighting is not None:
            self.evidence.observe(step.sighting)
        self._judging.add(step.found)
        for window in step.windows:
            step.cards += self.evidence.close(window)
            found = self._judging.judge(window)
            step.verdicts += found
            context = self._context(found)
            step.changes += (
                self.incidents.apply(found, context, window.end) if found else self.incidents.tick(window.end, context)
            )
        self.evidence.note_all()
        self.practice.take(step.changes, self.counting.windows.watermark)
        return step

    def _context(self, verdicts: Sequence[Verdict]) -> Context:
        return Context(self._judging.http_levels, self._suspects(verdicts), self.evidence.account, self.evidence.calls)

    def _suspects(self, verdicts: Sequence[Verdict]) -> list[Version]:
        """Return the versions first seen around the changes of these verdicts and of the open incidents."""
        about = [*verdicts, *(v for incident in self.incidents.open for v in incident.verdicts)]
        seen = suspects(about, self.counting.versions.first_seen_between)
        return [self.counting.shown(version) for version in seen]
