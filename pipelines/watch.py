"""Watching: read, judge, page, store and commit, so that a `kill -9` at any moment loses and repeats nothing.

The order of effects, each of which is safe to repeat:

1. take records from the inbox; 2. judge them (pure); 3. put incident changes into the outbox, which knows those it has
had; 4. write the decision to commit into the journal; 5. write the rows under the commit's token, which the store
recognises; 6. replace the snapshot. A restart resumes from the snapshot and takes the journal's later decisions at the
same places again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from undertow.alerts.cards import told_version
from undertow.alerts.incident import Change, Version
from undertow.drift.interaction import Interaction, Kind
from undertow.pipelines import pins, snapshot
from undertow.pipelines.control import RESOLUTIONS, check_control
from undertow.pipelines.inbox import Inbox, Taken
from undertow.pipelines.journal import Decision, Journal
from undertow.pipelines.processor import Processor
from undertow.pipelines.recorder import Recorder
from undertow.pipelines.settings import Settings
from undertow.pipelines.step import Step

__all__ = ["Pages", "Watch", "ignore"]

BATCH = 2048  # records judged at once


class Pages(Protocol):
    """Where incident changes go: an outbox that knows those it has had."""

    def submit(self, changes: Iterable[Change]) -> int:
        """Keep the changes for delivery."""
        ...

    def announce(self, versions: Iterable[Version]) -> int:
        """Keep first-seen versions, and what their cards say, for those who have a place for them."""
        ...


def ignore(_step: Step) -> None:
    """Observe nothing."""


class Watch:
    """One run over an inbox.

    Parameters
    ----------
    clock
        Wall clock, seconds since the epoch: it paces commits and closes windows of silent sources, nothing else.
    observe
        Sees each step, once it was told.
    """

    def __init__(
        self,
        settings: Settings,
        inbox: Inbox,
        processor: Processor,
        recorder: Recorder,
        pages: Pages,
        clock: Callable[[], float],
        observe: Callable[[Step], None] = ignore,
    ) -> None:
        self._settings, self._inbox, self._processor = settings, inbox, processor
        self._recorder, self._pages, self._clock, self._observe = recorder, pages, clock, observe
        self._snapshot = settings.folder / "state.snapshot"
        self._journal = Journal(settings.folder / "journal.jsonl")
        self._taken, self._decided = _resume(snapshot.read(self._snapshot))
        self._committed, self._committed_at = self._taken, clock()
        self._active_at = clock()
        self._pending = False  # something happened since the last commit that is no record
        self._unfinished: Decision | None = None  # a commit that the store has not taken yet
        self._catch_up()

    @property
    def taken(self) -> int:
        """Records taken over all runs."""
        return self._taken

    @property
    def rejected(self) -> int:
        """Unreadable records over all runs."""
        return sum(self._inbox.rejected.values())

    def step(self) -> bool:
        """Do one round; return False when the input has ended and everything is committed.

        Raises
        ------
        StoreUnreachableError
            The store did not answer a commit. Nothing is lost: the next round makes the same commit.
        """
        if self._unfinished is not None:
            self._commit(self._unfinished)
        taken = self._inbox.take(min(BATCH, self._committed + self._settings.store.commit_records - self._taken))
        self._judge(taken)
        if not taken.records and not taken.exhausted:
            self._idle()
        if taken.exhausted:
            self._finish(self._journal.append("finish", self._taken, positions=self._inbox.positions()))
        if taken.exhausted or self._due():
            self.commit()
        return not taken.exhausted

    def commit(self) -> None:
        """Make everything so far durable; `step` says what may go wrong."""
        if self._unfinished is not None:
            self._commit(self._unfinished)
        if self._taken == self._committed and not self._waits:
            self._committed_at = self._clock()
            return
        decision = self._journal.append("commit", self._taken, positions=self._inbox.positions())
        self._commit(decision)

    def control(self, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Let somebody decide: acknowledge, accept or false for an incident, declare a deployment, pin a reference.

        `dismiss` is an acknowledgement by somebody who closed the page elsewhere: its news are quiet from then on.

        Raises
        ------
        undertow.pipelines.server.ControlError
            It cannot be done; the message says why.
        """
        latest = self._processor.counting.windows.latest
        now = latest if math.isfinite(latest) else self._clock()
        arguments = dict(arguments)
        check_control(
            action,
            arguments,
            lambda: {incident.id for incident in self._processor.incidents.open},
            lambda what, asked: pins.check(self._processor.monitor.pinned, what, asked, now),
        )
        decision = self._journal.append(
            "control", self._taken, positions=self._inbox.positions(), time=now, action=action, arguments=arguments
        )
        return self._take_control(decision)

    # -- one round ----------------------------------------------------------------------------------------------------

    def _judge(self, taken: Taken) -> None:
        self._taken += taken.records
        step = self._processor.step(taken.events, taken.crcs)
        self._recorder.add(step, taken.rejects)
        self._tell(step)
        if taken.records:
            self._active_at = self._clock()

    def _apply(self, step: Step) -> None:
        self._pending = True
        self._recorder.add(step)
        self._tell(step)

    def _tell(self, step: Step) -> None:
        self._pages.submit(step.changes)
        self._pages.announce([*step.versions, *map(told_version, step.cards)])
        self._observe(step)

    def _idle(self) -> None:
        """Close the windows of a silent source by the clock, once it has been silent for `idle_tick_s`."""
        now, silence = self._clock(), self._settings.ingest.idle_tick_s
        width = self._settings.ingest.window_s
        target = (now - silence) // width * width
        live = now - self._processor.counting.windows.latest < self._settings.ingest.max_ahead_s + silence
        if now - self._active_at >= silence and live and target > self._processor.counting.windows.latest:
            decision = self._journal.append("tick", self._taken, positions=self._inbox.positions(), time=target)
            self._tick(decision)

    def _finish(self, decision: Decision) -> None:
        """Close everything that is open; once, however often the last commit has to be made."""
        self._decided = decision.number
        self._apply(self._processor.finish())

    def _tick(self, decision: Decision) -> None:
        self._decided = decision.number
        self._apply(self._processor.tick(decision.time))

    def _due(self) -> bool:
        waiting = self._taken - self._committed
        late = self._clock() - self._committed_at >= self._settings.store.commit_s
        return waiting >= self._settings.store.commit_records or (late and (waiting > 0 or self._waits))

    @property
    def _waits(self) -> bool:
        """Whether there is something to commit that is no record."""
        return self._pending or self._recorder.noted

    def _commit(self, decision: Decision) -> None:
        self._decided, self._unfinished = decision.number, decision
        self._recorder.write(
            str(decision.number), self._processor.counting.segments.groups, self._processor.counting.versions.all()
        )
        state = {
            "taken": self._taken,
            "decided": self._decided,
            "positions": self._inbox.positions(),
            "processor": self._processor.snapshot(),
        }
        snapshot.write(self._snapshot, state)
        self._journal.clear()
        self._committed, self._committed_at, self._pending = self._taken, self._clock(), False
        self._unfinished = None

    # -- decisions ----------------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Take the decisions of the journal again, at the places where they were taken."""
        redo = {
            "commit": self._commit,
            "tick": self._tick,
            "control": self._take_control,
            "finish": self._finish,
        }
        for decision in self._journal.since(self._decided):
            while self._taken < decision.after:
                taken = self._inbox.take_to(decision.positions, min(BATCH, decision.after - self._taken))
                if not taken.records:
                    break  # the source no longer holds what was read: go on with what there is
                self._judge(taken)
            redo[decision.kind](decision)

    def _take_control(self, decision: Decision) -> dict[str, Any]:
        self._decided = decision.number
        arguments = decision.arguments
        if decision.action == "deploy":
            self._apply(self._processor.declare(_declared(decision)))
            return {"declared": arguments["description"]}
        if decision.action in pins.ACTIONS:
            self._pending = True
            return pins.take(self._processor.monitor.pinned, decision.action, arguments, decision.time)
        incident, by = arguments["id"], arguments.get("by", "")
        if decision.action in RESOLUTIONS:
            resolution, reason = RESOLUTIONS[decision.action], arguments.get("reason", "")
            self._apply(self._processor.decide(incident, resolution, decision.time, by, reason))
            return {"incident": incident, "resolution": resolution}
        where, quiet = arguments.get("elsewhere", ""), decision.action == "dismiss"
        self._apply(self._processor.acknowledge(incident, decision.time, by, where, quiet=quiet))
        return {"incident": incident, "state": "acknowledged"}


def _resume(state: dict[str, Any] | None) -> tuple[int, int]:
    return (state["taken"], state["decided"]) if state else (0, 0)


def _declared(decision: Decision) -> Interaction:
    """Return a declared deployment as an event of kind `change`."""
    arguments = decision.arguments
    return Interaction(
        id=f"declared-{decision.number}",
        time=decision.time,
        service=str(arguments["service"]),
        environment=str(arguments.get("environment", "")),
        kind=Kind.CHANGE,
        output=str(arguments["description"]),
    )
