"""`undertow topics` against a real broker: what it makes, what it refuses, and what it says when it cannot come in."""

import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer
from kafka_broker import PASSWORD, USER, Addresses
from outside import give_up

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.errors import BrokerUnreachableError, CredentialsError, KafkaError, TlsError, TopicError
from undertow.pipelines.kafka.probe import probe
from undertow.pipelines.kafka.setup import check_topics, set_up
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Kafka, Settings


@pytest.fixture
def installation(kafka_addresses: Addresses) -> Settings:
    """An installation of its own on the shared broker."""
    prefix = f"u{uuid.uuid4().hex[:8]}"
    servers = (kafka_addresses.plaintext,)
    return Settings(kafka=Kafka(servers=servers, prefix=prefix, events=f"{prefix}.events", replication=1))


def _write(settings: Settings, events: list[tuple[str, str, int]]) -> None:
    """Write events: id, task, partition."""
    with closing(client_of(settings.kafka).producer()) as producer:
        for id_, task, partition in events:
            event = {"id": id_, "time": 1_700_000_000.0, "service": "s", "task": task}
            producer.send(settings.kafka.events, msgspec.json.encode(event), task.encode(), partition)
        producer.send(settings.kafka.events, b"{broken", None, 0)
        producer.flush(60.0)


def test_the_topics_are_made_once_and_pass_their_check(installation: Settings) -> None:
    first, second = list(set_up(installation)), list(set_up(installation))
    assert sum(line.startswith("created ") for line in first) == len(Names.of(installation.kafka))
    assert not any(line.startswith("created ") for line in second)
    assert f"{installation.kafka.prefix}.control: 1 partitions × 1, compact" in second
    assert "holds no events yet" in second[-1]
    assert check_topics(installation)[installation.kafka.events].partitions == installation.kafka.event_partitions


def test_nothing_is_made_where_only_a_check_was_asked_for(installation: Settings) -> None:
    with pytest.raises(TopicError, match=rf"{installation.kafka.events} does not exist"):
        list(set_up(installation, create=False))
    with pytest.raises(TopicError, match="does not exist"):
        check_topics(installation)


def test_more_copies_than_brokers_are_refused_before_anything_is_made(installation: Settings) -> None:
    wanted = msgspec.structs.replace(installation, kafka=msgspec.structs.replace(installation.kafka, replication=99))
    with pytest.raises(TopicError, match="replication = 99: the cluster has 1 broker"):
        list(set_up(wanted))
    with Admin(installation.kafka) as admin:
        assert admin.topics(list(Names.of(installation.kafka))) == {}


def test_a_topic_that_cannot_work_stops_the_command(installation: Settings) -> None:
    with Admin(installation.kafka) as admin:
        admin.create({installation.kafka.events: TopicFacts(3, 1, {"cleanup.policy": "compact"})})
    with pytest.raises(TopicError, match=r"cleanup.policy = compact, so one message of each key would be left"):
        list(set_up(installation))


def test_tasks_that_stay_together_are_praised(installation: Settings) -> None:
    list(set_up(installation))
    _write(installation, [(f"{task}-{i}", f"t{task}", task % 3) for task in range(20) for i in range(3)])
    last = list(set_up(installation))[-1]
    assert "sampled 60 events and 1 unreadable records" in last
    assert "20 tasks with several events, 0 of them spread" in last


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (
            [("1", "t", 0), ("2", "t", 1), ("3", "u", 0), ("4", "u", 0)],
            "1 of 2 tasks with several events .* are spread",
        ),
        ([("1", "t", 0), ("1", "u", 1)], "1 events lie in .* more than once, in different partitions"),
    ],
)
def test_what_belongs_together_and_does_not_lie_together_is_refused(
    installation: Settings, events: list[tuple[str, str, int]], said: str
) -> None:
    list(set_up(installation))
    _write(installation, events)
    with pytest.raises(TopicError, match=said):
        list(set_up(installation))


def _produced(settings: Settings, keyed: bool) -> None:
    """Write events as an application does: its library's producer chooses the partition, by the key if there is one."""
    producer = KafkaProducer(bootstrap_servers=list(settings.kafka.servers))
    for task in range(20):
        for step in range(4):
            event = {"id": f"{task}-{step}", "time": 1_700_000_000.0, "service": "s", "task": f"t{task}"}
            key = f"t{task}".encode() if keyed else None
            producer.send(settings.kafka.events, msgspec.json.encode(event), key=key)
    producer.flush(60.0)
    producer.close()


def test_what_an_application_keys_by_its_tasks_stays_together_and_without_keys_it_does_not(
    installation: Settings,
) -> None:
    list(set_up(installation))
    _produced(installation, keyed=True)
    assert list(set_up(installation))[-1].endswith("20 tasks with several events, 0 of them spread over partitions")
    _produced(installation, keyed=False)
    with pytest.raises(
        TopicError, match=r"of 20 tasks .* are spread .*: let producers use the task .* as the message key"
    ):
        list(set_up(installation))


def _secured(addresses: Addresses, **changed: object) -> Kafka:
    if addresses.sasl is None:
        give_up("the named broker has no TLS and SASL of the tests")
    known = {"servers": [addresses.sasl], "security_protocol": "SASL_PLAINTEXT", "username": USER, "password": PASSWORD}
    return Kafka(**(known | changed))  # type: ignore[arg-type]


def _over_tls(addresses: Addresses, **changed: object) -> Kafka:
    if addresses.tls is None:
        give_up("the named broker has no TLS and SASL of the tests")
    return Kafka(**({"servers": [addresses.tls], "security_protocol": "SSL"} | changed))  # type: ignore[arg-type]


WRONG: dict[str, tuple[Callable[[Addresses], Kafka], type[KafkaError], str]] = {
    "port": (lambda _: Kafka(servers=("127.0.0.1:1",)), BrokerUnreachableError, "no broker answers at 127.0.0.1:1 "),
    "host": (
        lambda _: Kafka(servers=("no.such.host.invalid:9",)),
        BrokerUnreachableError,
        "host of 'no.such.host.invalid:9' .* not known",
    ),
    "form": (lambda _: Kafka(servers=("localhost",)), BrokerUnreachableError, "'localhost' .* is not host:port"),
    "none": (lambda _: Kafka(servers=()), BrokerUnreachableError, "servers is empty"),
    "password": (lambda a: _secured(a, password="x"), CredentialsError, "does not let user 'undertow' in"),  # noqa: S106
    "mechanism": (
        lambda a: _secured(a, sasl_mechanism="PLAIN"),
        CredentialsError,
        "know .* PLAIN; it offers SCRAM-SHA-512",
    ),
    "no login": (lambda a: _secured(a, security_protocol="PLAINTEXT"), CredentialsError, "wants a user to log in"),
    "needless login": (lambda a: _secured(a, servers=(a.plaintext,)), CredentialsError, "lets nobody log in there"),
    "certificate": (_over_tls, TlsError, "certificate of the broker at .* is not trusted"),
    "no certificate": (lambda a: _over_tls(a, ca_file="/nowhere"), TlsError, "cannot be read"),
    "TLS for plain": (lambda a: _over_tls(a, servers=(a.plaintext,)), TlsError, "does not speak TLS there"),
    "plain for TLS": (
        lambda a: _over_tls(a, security_protocol="PLAINTEXT"),
        TlsError,
        "not answer as a broker without TLS",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_mistake_has_its_own_sentence(case: str, kafka_addresses: Addresses) -> None:
    settings, error, said = WRONG[case]
    with pytest.raises(error, match=said) as caught:
        probe(settings(kafka_addresses))
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_right_settings_come_in(kafka_addresses: Addresses) -> None:
    probe(
        Kafka(
            servers=(
                "127.0.0.1:1",
                kafka_addresses.plaintext,
            )
        )
    )
    probe(_secured(kafka_addresses))
    probe(_over_tls(kafka_addresses, ca_file=kafka_addresses.ca_file))


def test_the_command_ends_with_one_sentence_and_code_2(tmp_path: Path) -> None:
    config = tmp_path / "undertow.toml"
    config.write_text('[kafka]\nservers = ["127.0.0.1:1"]\n')
    command = [sys.executable, "-m", "undertow.pipelines.cli", "topics", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("undertow: no broker answers at 127.0.0.1:1 ")
    assert done.stderr.count("\n") == 1
