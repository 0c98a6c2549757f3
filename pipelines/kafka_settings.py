"""The settings of a distributed installation."""

from __future__ import annotations

from typing import Literal

from undertow.pipelines.section import Positive, PositiveInt, Section

__all__ = ["Kafka"]


class Kafka(Section, frozen=True):
    """The broker of a distributed installation and what its roles agree on; `undertow run` does not read it."""

    servers: tuple[str, ...] = ()  # with any, commands speak to this installation and not to a watch on this machine
    client: Literal["kafka-python", "confluent-kafka"] = "kafka-python"
    runner: Literal["plain", "faust"] = "plain"  # of `undertow detect`
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    password_file: str | None = None
    ca_file: str | None = None  # certificates that vouch for the broker; the system's own without it
    certificate_file: str | None = None  # who we are, for a broker that asks
    key_file: str | None = None
    events: str = "llm.events"  # the topic that applications or a collector write
    prefix: str = "undertow"  # of our own topics and groups: undertow.partials, undertow-worker …
    event_partitions: PositiveInt = 8
    series_partitions: PositiveInt = 8  # of undertow.partials: over how many the series are spread, for good
    replication: PositiveInt = 3
    retention_h: Positive = 72.0
    max_message_bytes: PositiveInt = 8_388_608
    instance: str = ""  # a name of this process that survives its restart, so that a restart moves no partitions
    session_s: Positive = 6.0  # silence after which a process has lost its partitions to others
    commit_s: Positive = 1.0  # between two commits: how much a successor reads again, and how old what is told may be
    watchdog_s: Positive = 120.0  # work waits and nothing gets on for so long: the process ends, to be started again
    metrics: str = ""  # host:port on which a role shows its Prometheus metrics; nowhere without it
    user_key: str = ""  # keys the hash under which users are kept, alike for all workers; else one in the data folder
    user_key_file: str | None = None
