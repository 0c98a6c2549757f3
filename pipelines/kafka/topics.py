"""The topics of an installation: which there are, how each must be set up, and what is wrong with those that exist.

Pure: values in, sentences out. `undertow topics` and every role at its start ask the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from undertow.pipelines.settings import Ingest, Kafka

__all__ = ["Names", "Plan", "Problem", "TopicFacts", "horizon_s", "plans", "problems", "rewind_s"]

SMALL_SEGMENT = 8_388_608  # bytes; the newest segment is never compacted, so a compacted topic has small ones
LARGEST_COMPACTED_SEGMENT = 67_108_864
SEGMENT = 268_435_456
EVENT_BYTES = 1_048_576  # what an application may send in one message, at least
_MS = 1000.0
_ENDLESS = -1


class Names(NamedTuple):
    """What the topics are called."""

    events: str
    state: str
    partials: str
    rows: str
    dead: str
    verdicts: str
    control: str
    incidents: str
    series: str

    @classmethod
    def of(cls, settings: Kafka) -> Names:
        """Return the names that the settings give.

        Examples
        --------
        >>> Names.of(Kafka()).partials
        'undertow.partials'
        """
        return cls(settings.events, *(f"{settings.prefix}.{name}" for name in cls._fields[1:]))

    def states(self, role: str) -> str:
        """Return the topic of a role's states; Faust wants those of series in the partitions of their numbers.

        Examples
        --------
        >>> Names.of(Kafka()).states("worker"), Names.of(Kafka()).states("detect")
        ('undertow.state', 'undertow.series')
        """
        return self.series if role == "detect" else self.state


class TopicFacts(msgspec.Struct, frozen=True):
    """How a topic is set up: partitions, copies of each, and its configuration as the broker tells it."""

    partitions: int
    replication: int
    config: Mapping[str, str]


class Plan(msgspec.Struct, frozen=True):
    """How a topic must be: `partitions` exactly (0: any number will do), bytes at least.

    It is made to keep messages for `retention_s`, and must keep them for `least_s`.
    """

    partitions: int
    replication: int
    compacted: bool
    retention_s: float
    least_s: float
    message_bytes: int
    purpose: str

    def facts(self, partitions: int) -> TopicFacts:
        """Return the topic to create."""
        return TopicFacts(
            self.partitions or partitions,
            self.replication,
            {
                "cleanup.policy": "compact" if self.compacted else "delete",
                "retention.ms": str(_ENDLESS if self.compacted else round(self.retention_s * _MS)),
                "segment.bytes": str(SMALL_SEGMENT if self.compacted else SEGMENT),
                "max.message.bytes": str(self.message_bytes),
            },
        )


class Problem(NamedTuple):
    """Why a topic cannot work, in one sentence with the way out."""

    topic: str
    text: str


def plans(settings: Kafka, ingest: Ingest) -> dict[str, Plan]:
    """Return how each topic must be.

    The events must be kept as long as a worker may have to go back when it takes a partition over.
    """
    names = Names.of(settings)
    kept, rewind = settings.retention_h * 3600.0, rewind_s(ingest)

    def plan(partitions: int, purpose: str, *, compacted: bool = False) -> Plan:
        return Plan(partitions, settings.replication, compacted, kept, kept, settings.max_message_bytes, purpose)

    return {
        names.events: Plan(
            0, settings.replication, False, max(kept, rewind), rewind, EVENT_BYTES, "events, as applications write them"
        ),
        names.state: plan(0, "how far the counting of each partition of events has come", compacted=True),
        names.partials: plan(settings.series_partitions, "windows of one source partition each, to be added up"),
        names.rows: plan(0, "blocks of rows on their way into ClickHouse"),
        names.dead: plan(0, "records that could not be read"),
        names.verdicts: plan(1, "verdicts"),
        names.control: plan(1, "decisions of people and of fits", compacted=True),
        names.incidents: plan(1, "incidents and what is still to be told of them", compacted=True),
        names.series: plan(settings.series_partitions, "how far the judging of each has come", compacted=True),
    }


def rewind_s(ingest: Ingest) -> float:
    """Return the seconds of events that a worker may have to read again: two horizons of ids before its last state.

    That state is at most one more old; the fourth is for messages that come later than their events.
    """
    return 4 * horizon_s(ingest)


def horizon_s(ingest: Ingest) -> float:
    """Return for how many seconds an id is known again, at least: while its window may be open."""
    return max(ingest.dedup_horizon_s, ingest.allowed_lateness_s + ingest.window_s)


def problems(found: Mapping[str, TopicFacts], wanted: Mapping[str, Plan], brokers: int) -> list[Problem]:
    """Return all that keeps these topics from working; each role refuses to start while there is one.

    Examples
    --------
    >>> plan = Plan(0, 1, False, 60.0, 60.0, 1_000, "events")
    >>> problems({}, {"llm.events": plan}, 1)[0].text
    'llm.events does not exist (events): `undertow topics` creates it'
    """
    return [problem for name, plan in wanted.items() for problem in _problems_of(name, found.get(name), plan, brokers)]


def _problems_of(name: str, facts: TopicFacts | None, plan: Plan, brokers: int) -> Iterator[Problem]:
    if facts is None:
        text = f"{name} does not exist ({plan.purpose}): `undertow topics` creates it"
        if plan.replication > brokers:
            text = (
                f"{name} cannot be created with replication = {plan.replication}: the cluster has {brokers} "
                f"broker{'s' if brokers > 1 else ''}; add brokers, or set replication = {brokers} in [kafka]"
            )
        yield Problem(name, text)
        return
    for check in _CHECKS:
        text = check(name, facts, plan)
        if text:
            yield Problem(name, text)


def _partitions(name: str, facts: TopicFacts, plan: Plan) -> str:
    if not plan.partitions or facts.partitions == plan.partitions:
        return ""
    return (
        f"{name} has {facts.partitions} partitions and must have {plan.partitions}: what belongs together would be "
        "spread anew and learned anew; go back to the number it was made with, or make it new under another prefix"
    )


def _cleanup(name: str, facts: TopicFacts, plan: Plan) -> str:
    policy = facts.config["cleanup.policy"]
    if plan.compacted and policy != "compact":
        return f"{name} has cleanup.policy = {policy}, so what holds until further notice would be deleted: set compact"
    if not plan.compacted and "compact" in policy:
        return f"{name} has cleanup.policy = {policy}, so one message of each key would be left: set delete"
    return ""


def _retention(name: str, facts: TopicFacts, plan: Plan) -> str:
    kept_ms, kept_bytes = int(facts.config["retention.ms"]), int(facts.config["retention.bytes"])
    if plan.compacted:
        return ""
    if kept_ms != _ENDLESS and kept_ms < plan.least_s * _MS:
        return (
            f"{name} keeps messages for {kept_ms / _MS:g} s (retention.ms), and {plan.least_s:g} s are needed: "
            "after a restart or an outage what had not been read would be gone"
        )
    if kept_bytes != _ENDLESS:
        return (
            f"{name} deletes beyond {kept_bytes} bytes a partition (retention.bytes), whatever has been read: set it "
            "to -1 and let retention.ms decide"
        )
    return ""


def _message_size(name: str, facts: TopicFacts, plan: Plan) -> str:
    largest = int(facts.config["max.message.bytes"])
    if largest >= plan.message_bytes:
        return ""
    return (
        f"{name} takes messages up to {largest} bytes (max.message.bytes), and {plan.message_bytes} are needed: "
        "raise it"
    )


def _segments(name: str, facts: TopicFacts, plan: Plan) -> str:
    size = int(facts.config["segment.bytes"])
    if not plan.compacted or size <= LARGEST_COMPACTED_SEGMENT:
        return ""
    return (
        f"{name} has segment.bytes = {size}, and the newest segment is never compacted, so a role would read all of it "
        f"at each start: set it to {SMALL_SEGMENT}"
    )


def _copies(name: str, facts: TopicFacts, _plan: Plan) -> str:
    needed = int(facts.config["min.insync.replicas"])
    if facts.replication >= needed:
        return ""
    return (
        f"{name} has {facts.replication} copies and min.insync.replicas = {needed}, so no write is ever acknowledged: "
        "add copies or lower it"
    )


_CHECKS: tuple[Callable[[str, TopicFacts, Plan], str], ...] = (
    _partitions,
    _cleanup,
    _retention,
    _message_size,
    _segments,
    _copies,
)
