"""The composer: from settings to the parts of a running watch, opened in order and closed in reverse."""

from __future__ import annotations

import copy
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO
from urllib.parse import urlsplit

from undertow.alerts.addresses import Addresses
from undertow.alerts.incident import Incident
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager_thread import PagerThread
from undertow.pipelines import snapshot
from undertow.pipelines.answering import outside
from undertow.pipelines.clickhouse import Store, StoreError, StoreUnreachableError
from undertow.pipelines.garbage import rare_collections
from undertow.pipelines.inbox import Inbox
from undertow.pipelines.own_key import own_key
from undertow.pipelines.paging import addresses, channels, pager, watchdog
from undertow.pipelines.pins import status_of_pins
from undertow.pipelines.prices import price_table
from undertow.pipelines.processor import Processor
from undertow.pipelines.recorder import Recorder
from undertow.pipelines.redaction import LabelPolicy, Redactor, user_hash
from undertow.pipelines.self_watch import Facts, SelfWatch
from undertow.pipelines.server import Port, Services, control_token
from undertow.pipelines.settings import Settings
from undertow.pipelines.silencing import SILENCING, Silencing
from undertow.pipelines.telemetry import registry, status_of_series
from undertow.pipelines.watch import Watch, ignore
from undertow.pipelines.wire import decoder_for

__all__ = ["App", "load_processor", "opened"]

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 30.0  # between two attempts to reach the store
TURN_S = 0.001  # after each step the port's thread has its turn at the lock
IDLE_WAIT_S = 0.2  # between looks at a source that has nothing new
STALE_WINDOW_S = 300.0  # age of the last closed window beyond which /readyz says 503


class App:
    """A running watch with its store, outbox and port; one lock keeps the port's thread out of a step."""

    def __init__(
        self,
        settings: Settings,
        watch: Watch,
        processor: Processor,
        recorder: Recorder,
        outbox: Outbox,
        silencing: Silencing,
        self_watch: SelfWatch | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings, self.watch, self.processor, self.recorder = settings, watch, processor, recorder
        self._outbox, self._silencing, self._self_watch, self._beat = outbox, silencing, self_watch, beat
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._refused = 0  # commits in a row that the store did not take
        self._refused_since: float | None = None
        self._refusal = ""

    @rare_collections()
    def run(self, after_step: Callable[[], None] = lambda: None) -> None:
        """Watch until the input ends or `stop` is called; what was taken is committed in any case."""
        going = True
        while going and not self._stop.is_set():
            with self._lock:
                before = self.watch.taken
                going = self._step()
            self._stop.wait(TURN_S)
            self._beat()
            if self._self_watch is not None:
                with self._lock:
                    self._self_watch.look(self._facts())
            after_step()
            if going and self.watch.taken == before:
                self._stop.wait(IDLE_WAIT_S)
        with self._lock:
            self.watch.commit()

    def _step(self) -> bool:
        """Do one round; while the store does not answer, say so and try the same commit again, ever less often."""
        try:
            going = self.watch.step()
        except StoreError as error:
            if self._self_watch is None and not isinstance(error, StoreUnreachableError):
                raise  # nobody would be told, and a finished input is read again by the next run
            self._wait_for_store(str(error))
            return True
        self._refused, self._refused_since = 0, None
        return going

    def _wait_for_store(self, reason: str) -> None:
        self._refused += 1
        self._refused_since = self._refused_since or time.time()
        self._refusal = reason
        wait = min(2.0**self._refused, LONGEST_WAIT_S)
        log.warning("the store does not take rows, again in %.0f s: %s", wait, reason)
        self._stop.wait(wait)

    def _facts(self) -> Facts:
        counters = self.processor.counters
        return Facts(
            taken=self.watch.taken,
            rejected=self.watch.rejected,
            events=counters.events,
            late=counters.late,
            latest=self.processor.counting.windows.latest,
            store_fails_since=self._refused_since,
            store_reason=self._refusal,
        )

    def stop(self) -> None:
        """Let `run` return after the step that it is in."""
        self._stop.set()

    def control(self, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take a decision of somebody outside."""
        if action in SILENCING:
            return self._silencing.take(action, arguments)
        with self._lock:
            own = self._self_watch.control(action, arguments) if self._self_watch else None
            return own or self.watch.control(action, arguments)

    def incidents(self) -> list[Incident]:
        """Return the open incidents as they stand, those about the watch itself included."""
        with self._lock:
            own = self._self_watch.incidents if self._self_watch else []
            return copy.deepcopy([*self.processor.incidents.open, *own])

    def window_age(self) -> float | None:
        """Return the seconds since the end of the last closed window, None before the first."""
        closed = self.processor.monitor.last_closed
        return time.time() - closed if closed > 0 else None

    def status(self) -> dict[str, Any]:
        """Return the status: counters, gauges, open incidents, and where every series stands."""
        with self._lock:
            series = status_of_series(self.processor.monitor.statuses())
            counts = self._outbox.counts(time.time())
            return {
                **self._counters(),
                "watermark": self.processor.counting.windows.watermark,
                "lag_seconds": time.time() - self.processor.counting.windows.watermark,
                "open_windows": self.processor.counting.windows.open_windows,
                "open_tasks": self.processor.counting.open_tasks,
                "open_incidents": len(self.processor.incidents.open),
                "pageable_series": self.processor.monitor.pageable(),
                "false_pages_per_week": self.settings.budget.false_pages_per_week,
                "practice": self.processor.practice.summary(
                    self.settings.budget.false_pages_per_week, self.processor.counting.windows.watermark
                ),
                "notify": self.settings.budget.notify,
                "undelivered": counts.pending,
                "undelivered_seconds": counts.oldest_age_s,
                "silenced": counts.silenced,
                **self._silencing.active(),
                **(self._self_watch.status() if self._self_watch else {}),
                "refused_deliveries": counts.refused,
                "limits": self.processor.limits(),
                "unpriced": sum(self.processor.counting.meter.prices.unpriced.values()),
                "unpriced_models": dict(self.processor.counting.meter.prices.unpriced.most_common(20)),
                "unchecked": self.processor.counting.meter.unchecked,
                "states": dict(Counter(entry["state"] for entry in series)),
                "series": series,
                "pins": status_of_pins(self.processor.monitor.pins(), self.processor.counting.windows.latest),
            }

    def _counters(self) -> dict[str, Any]:
        counters = self.processor.counters
        return {
            "records": self.watch.taken,
            "rejected": self.watch.rejected,
            "rows": self.recorder.rows,
            "overflowed": self.processor.counting.segments.overflowed,
            **{name: getattr(counters, name) for name in counters.__struct_fields__},
        }


@contextmanager
def opened(
    settings: Settings,
    paths: Sequence[str],
    *,
    follow: bool,
    console: TextIO | None = sys.stderr,
    serve: bool = True,
) -> Iterator[App]:
    """Open everything that a watch needs.

    Raises
    ------
    OSError, RuntimeError, ValueError
        A part cannot be opened; the message says which, why and the way out.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.store, settings.folder))
        redactor = Redactor(settings.ingest.content, settings.ingest.redact)
        key = own_key(settings.folder / "user-hash.key")
        processor, positions = load_processor(settings, lambda user: user_hash(user, key))
        inbox = stack.enter_context(_inbox(settings, paths, follow, positions, redactor))
        outbox = Outbox(settings.folder / "outbox.sqlite")
        stack.callback(outbox.close)
        signed = addresses(settings)
        found = channels(settings, console, signed)
        paging = pager(settings, outbox, found, settings.folder)
        pages = stack.enter_context(PagerThread(paging, time.time))
        labels = LabelPolicy(settings.ingest.content, settings.ingest.redact, settings.detection.dimensions)
        recorder = Recorder(
            store,
            redactor,
            labels,
            lambda user: user_hash(user, key),
            processor.counting.catalogue,
            processor.counting.categories,
        )
        own = _self_watch(settings, processor, pages, recorder) if follow else None
        watch = Watch(settings, inbox, processor, recorder, pages, time.time, own.observe if own else ignore)
        dog = stack.enter_context(watchdog(settings, found))
        silencing = Silencing(pages, outbox.held, time.time)
        app = App(settings, watch, processor, recorder, outbox, silencing, own, dog.beat)
        if serve:
            port = stack.enter_context(Port(settings.store.listen, _services(settings, store, app, signed)))
            store.announce(port.url)
        yield app


def load_processor(
    settings: Settings, pseudonym: Callable[[str], str] = str
) -> tuple[Processor, Mapping[str, Any] | None]:
    """Return the processor as the last commit left it, and the inbox's resume point.

    `pseudonym` turns who asks into the keyed hash under which spending is kept; who only looks needs none.
    """
    state = snapshot.read(settings.folder / "state.snapshot")
    processor = Processor(settings, price_table(settings.prices), state["processor"] if state else None, pseudonym)
    return processor, state["positions"] if state else None


def _self_watch(settings: Settings, processor: Processor, pages: PagerThread, recorder: Recorder) -> SelfWatch:
    return SelfWatch(
        settings.alerts.health,
        processor.counting.catalogue,
        lambda: processor.counting.segments.groups,
        settings.ingest.allowed_lateness_s,
        pages,
        recorder.note,
        settings.folder / "self-watch.snapshot",
        time.time,
    )


def _inbox(
    settings: Settings, paths: Sequence[str], follow: bool, positions: Mapping[str, Any] | None, redactor: Redactor
) -> Inbox:
    return Inbox(
        paths,
        decoder_for(settings.ingest),
        follow=follow,
        resume=positions,
        max_ahead_s=settings.ingest.max_ahead_s,
        redact=lambda text: redactor.text(text) or "",
    )


def _services(settings: Settings, store: Store, app: App, signed: Addresses | None) -> Services:
    hosts = {*settings.store.hosts, *([urlsplit(settings.hooks.url).hostname or ""] if settings.hooks.url else [])}
    return Services(
        engine=store.engine,
        registry=registry(app.status),
        window_age=app.window_age,
        window_age_limit_s=STALE_WINDOW_S,
        status=app.status,
        control=app.control,
        token=control_token(settings.folder),
        hosts=frozenset(hosts),
        routes=outside(settings, app.control, app.incidents, signed).routes(),
    )
