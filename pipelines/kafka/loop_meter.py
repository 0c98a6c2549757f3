"""What a loop says of itself, as Prometheus metrics: where its time goes, how far it is behind, what it holds back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["STEPS", "LoopMeter"]

STEPS = (
    "poll",
    "take",
    "produce",
    "flush",
    "decode",
    "count",
)  # the last two are parts of take, where a role tells them


class LoopMeter:
    """The metrics of one process.

    Examples
    --------
    >>> meter = LoopMeter("worker")
    >>> meter.messages.inc(3)
    >>> meter.registry.get_sample_value("undertow_loop_messages_total", {"role": "worker"})
    3.0
    """

    def __init__(self, role: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self._role, self._clock = role, clock
        self.registry = CollectorRegistry()
        seconds = Counter("undertow_loop_seconds", "Spent, by step", ["role", "step"], registry=self.registry)
        self._seconds = {step: seconds.labels(role, step) for step in STEPS}
        self._lag = Gauge(
            "undertow_loop_lag", "Messages not counted yet", ["role", "partition"], registry=self.registry
        )
        self.messages = self._counter("messages", "Read")
        self.outputs = self._counter("outputs", "Messages sent")
        self.commits = self._counter("commits", "Positions committed")
        self.assigned = self._gauge("assigned", "Partitions that are ours")
        self.held = self._gauge("held", "Partitions that wait: something behind them takes no more")
        self.unacknowledged = self._gauge("unacknowledged_bytes", "Sent, and not acknowledged by the broker")
        self.batch = Histogram(
            "undertow_loop_batch_seconds", "A round with messages, without the wait", ["role"], registry=self.registry
        ).labels(role)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time spent inside to a step."""
        start = self._clock()
        try:
            yield
        finally:
            self._seconds[step].inc(self._clock() - start)

    def spent(self, step: str, seconds: float) -> None:
        """Add time to a step."""
        self._seconds[step].inc(seconds)

    def lag(self, behind: Mapping[int, int]) -> None:
        """Show how many messages each of our partitions is behind, and no others."""
        self._lag.clear()
        for partition, messages in behind.items():
            self._lag.labels(self._role, str(partition)).set(messages)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"undertow_loop_{name}", text, ["role"], registry=self.registry).labels(self._role)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"undertow_loop_{name}", text, ["role"], registry=self.registry).labels(self._role)
