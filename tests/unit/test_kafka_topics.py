"""A topic that would lose data is refused, with the reason and the way out."""

import re

import pytest

from undertow.pipelines.kafka.topics import Names, TopicFacts, plans, problems, rewind_s
from undertow.pipelines.settings import Ingest, Kafka

SETTINGS = Kafka(replication=2)
WANTED = plans(SETTINGS, Ingest())
DEFAULTS = {"retention.bytes": "-1", "min.insync.replicas": "1"}


def _created() -> dict[str, TopicFacts]:
    """What `undertow topics` would have made."""
    made = {name: plan.facts(8) for name, plan in WANTED.items()}
    return {name: TopicFacts(f.partitions, f.replication, DEFAULTS | dict(f.config)) for name, f in made.items()}


def _with(topic: str, partitions: int | None = None, **config: str) -> dict[str, TopicFacts]:
    found = _created()
    facts = found[topic]
    changed = {name.replace("_", "."): value for name, value in config.items()}
    found[topic] = TopicFacts(partitions or facts.partitions, facts.replication, {**facts.config, **changed})
    return found


def test_what_is_created_passes_its_own_check() -> None:
    assert problems(_created(), WANTED, brokers=3) == []


def test_the_names_follow_the_settings() -> None:
    names = Names.of(Kafka(events="calls", prefix="team"))
    assert names.events == "calls"
    assert names.incidents == "team.incidents"
    assert set(plans(Kafka(events="calls", prefix="team"), Ingest())) == set(names)


def test_events_are_kept_as_long_as_a_worker_may_go_back() -> None:
    ingest = Ingest(dedup_horizon_s=1000, task_limit_s=100, task_idle_s=10, allowed_lateness_s=1)
    assert rewind_s(ingest) == 4000
    assert plans(Kafka(), ingest)["llm.events"].least_s == 4000
    assert rewind_s(Ingest(dedup_horizon_s=1, allowed_lateness_s=10, window_s=5)) == 60


@pytest.mark.parametrize(
    ("topic", "change", "said"),
    [
        ("undertow.partials", {"partitions": 4}, "has 4 partitions and must have 8"),
        ("undertow.verdicts", {"partitions": 2}, "has 2 partitions and must have 1"),
        ("llm.events", {"cleanup_policy": "compact"}, "one message of each key would be left"),
        ("undertow.rows", {"cleanup_policy": "compact,delete"}, "one message of each key would be left"),
        ("undertow.control", {"cleanup_policy": "delete"}, "would be deleted: set compact"),
        ("undertow.incidents", {"cleanup_policy": "compact,delete"}, "would be deleted: set compact"),
        ("undertow.partials", {"retention_ms": "3600000"}, "keeps messages for 3600 s .* 259200 s are needed"),
        ("llm.events", {"retention_ms": "60000"}, "keeps messages for 60 s"),
        ("undertow.rows", {"retention_bytes": "1000"}, "deletes beyond 1000 bytes"),
        ("undertow.partials", {"max_message_bytes": "1000"}, "up to 1000 bytes .* 8388608 are needed"),
        ("undertow.control", {"segment_bytes": "1073741824"}, "segment.bytes = 1073741824"),
        ("undertow.rows", {"min_insync_replicas": "3"}, "2 copies and min.insync.replicas = 3"),
    ],
)
def test_a_topic_that_would_lose_data_is_refused(topic: str, change: dict[str, object], said: str) -> None:
    found = problems(_with(topic, **change), WANTED, brokers=3)  # type: ignore[arg-type]
    assert [problem.topic for problem in found] == [topic]
    assert re.search(said, found[0].text), found[0].text


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        ("llm.events", {"partitions": 50}),
        ("llm.events", {"retention_ms": "-1"}),
        ("undertow.partials", {"max_message_bytes": "90000000"}),
        ("undertow.rows", {"segment_bytes": "1073741824"}),
        ("undertow.control", {"retention_ms": "1"}),
    ],
)
def test_what_does_no_harm_is_left_to_the_user(topic: str, change: dict[str, object]) -> None:
    assert problems(_with(topic, **change), WANTED, brokers=3) == []  # type: ignore[arg-type]


def test_too_few_brokers_for_the_copies_are_told_before_anything_is_created() -> None:
    said = problems({}, WANTED, brokers=1)
    assert len(said) == len(WANTED)
    assert "replication = 2: the cluster has 1 broker;" in said[0].text


def test_a_missing_topic_is_named_with_its_purpose() -> None:
    found = _created()
    del found["undertow.rows"]
    assert [p.text for p in problems(found, WANTED, brokers=2)] == [
        "undertow.rows does not exist (blocks of rows on their way into ClickHouse): `undertow topics` creates it"
    ]
