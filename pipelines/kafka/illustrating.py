"""Calls from ClickHouse into pages, on their way from the log to the channels: in order, and never waited for long.

What a page is and when its turn comes does not depend on it: the log holds the page without, and who does not get an
answer within seconds sends it so, and says so.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from msgspec.structs import replace

from undertow.alerts.incident import Change, Incident
from undertow.pipelines.clickhouse import StoreError, ask_server
from undertow.pipelines.engine import QueryError
from undertow.pipelines.settings import Settings
from undertow.pipelines.stored_calls import Answer, illustrate

__all__ = ["Illustrator", "answer_of"]

log = logging.getLogger(__name__)

PATIENCE_S = 2.0  # with one question; there are two a page
REST_S = 60.0  # after one that was not answered none is asked
UNREAD = "calls could not be read: the store does not answer"


def answer_of(settings: Settings) -> Answer | None:
    """Return what asks the store; None where there is no server, or it holds no texts."""
    if not settings.store.url or settings.ingest.content == "none":
        return None
    return lambda sql: ask_server(settings.store, sql, patience_s=PATIENCE_S).rows


class Illustrator:
    """Passes changes on in their order, those that tell much with calls.

    Parameters
    ----------
    answer
        Asks the store; raises StoreError or QueryError. Without it changes pass as they are.
    pass_on
        Called with each change, from a thread of its own.
    clock
        A clock that nobody sets, seconds.
    """

    def __init__(
        self, answer: Answer | None, pass_on: Callable[[Change], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._answer, self._pass_on, self._clock = answer, pass_on, clock
        self._rests_until = float("-inf")
        self._waiting = queue.SimpleQueue[Change | None]()
        self._thread = threading.Thread(target=self._run, name="undertow-illustrator", daemon=True)
        self._thread.start()

    def put(self, change: Change) -> None:
        """Pass a change on behind those before it."""
        self._waiting.put(change)

    def close(self) -> None:
        """Pass on what waits as it is, and stop."""
        self._answer = None
        self._waiting.put(None)
        self._thread.join()

    def illustrated(self, change: Change) -> Change:
        """Return the change with calls, or with the sentence that they could not be read."""
        if self._answer is None or change.silent or not change.incident.verdicts or change.incident.shown.get("since"):
            return change
        return replace(change, incident=self._shown(change.incident, self._answer))

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None:
            self._pass_on(self.illustrated(change))

    def _shown(self, incident: Incident, answer: Answer) -> Incident:
        if self._clock() < self._rests_until:
            return replace(incident, words=[UNREAD])
        try:
            return illustrate(incident, answer)
        except (StoreError, QueryError) as error:
            self._rests_until = self._clock() + REST_S
            log.warning("a page goes without calls: %s", error)
            return replace(incident, words=[UNREAD])
