"""Each role as its command, with one thing wrong: one sentence that names it, exit code 2, no stack trace."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_server import served
from installation import wait_until
from kafka import KafkaAdminClient
from kafka_broker import PASSWORD, USER, Addresses
from outside import give_up

from undertow.pipelines import cli, settings
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.kafka.setup import set_up
from undertow.pipelines.kafka.topics import Names

COMMANDS = {
    "topics": ["topics", "--check"],
    "worker": ["worker"],
    "detect": ["detect"],
    "pager": ["pager"],
    "store": ["store"],
    "send": ["send", "events.jsonl"],
}
STAYING = ("worker", "detect", "pager", "store")
SASL = {"security_protocol": "SASL_PLAINTEXT", "username": USER, "password": PASSWORD}
WRONG: dict[str, tuple[Callable[[Addresses], dict[str, Any]], str]] = {
    "address": (lambda _: {"servers": ["127.0.0.1:1"]}, "no broker answers at 127.0.0.1:1 "),
    "host": (
        lambda _: {"servers": ["no.such.host.invalid:9"]},
        "the host of 'no.such.host.invalid:9' in [kafka] servers is not known",
    ),
    "credentials": (
        lambda at: {"servers": [at.sasl], **SASL, "password": "wrong"},
        "does not let user 'undertow' in with SCRAM-SHA-512: check username and password in [kafka]",
    ),
    "no credentials": (lambda at: {"servers": [at.sasl]}, "wants a user to log in, but security_protocol = PLAINTEXT"),
    "TLS for a plain port": (
        lambda at: {"servers": [at.plaintext], "security_protocol": "SSL"},
        "does not speak TLS there, but security_protocol = SSL",
    ),
    "no TLS for its port": (lambda at: {"servers": [at.tls]}, "does not answer as a broker without TLS"),
    "certificate": (
        lambda at: {"servers": [at.tls], "security_protocol": "SSL"},
        "is not trusted (self-signed certificate): set ca_file in [kafka]",
    ),
    "topic": (lambda at: {"servers": [at.plaintext], "replication": 1}, "does not exist"),
}


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return what runs a command with these sections as its settings and returns its last words."""
    monkeypatch.chdir(tmp_path)
    Path("events.jsonl").write_text('{"id": "1", "time": 1, "service": "s"}\n')

    def ran(command: str, **sections: dict[str, Any]) -> str:
        lines = ["data = 'data'"]
        for name, section in sections.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        Path("undertow.toml").write_text("\n".join(lines))
        monkeypatch.setattr(sys, "argv", ["undertow", *COMMANDS[command]])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    return ran


def _is_one_sentence(said: str) -> None:
    assert said.startswith("undertow: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert PASSWORD not in said


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_mistake_is_said_by_every_role(
    run: Callable[..., str], kafka_addresses: Addresses, command: str, wrong: str
) -> None:
    kafka, expected = WRONG[wrong]
    if kafka_addresses.tls is None:
        give_up("the named broker has no TLS and SASL of the tests")
    prefix = f"u{uuid.uuid4().hex[:8]}"
    said = run(command, kafka={"prefix": prefix, "events": f"{prefix}.events", **kafka(kafka_addresses)})
    assert expected in said
    if (command, wrong) != ("topics", "topic"):  # it lists all that are missing
        _is_one_sentence(said)


@pytest.fixture
def topics(kafka_addresses: Addresses) -> dict[str, Any]:
    """The section of an installation whose topics are made."""
    prefix = f"u{uuid.uuid4().hex[:8]}"
    section: dict[str, Any] = {"servers": (kafka_addresses.plaintext,), "prefix": prefix, "events": f"{prefix}.events"}
    list(set_up(settings.Settings(kafka=settings.Kafka(**section, replication=1))))
    return {**section, "replication": 1}


def test_one_topic_that_was_deleted_is_named(run: Callable[..., str], topics: dict[str, Any]) -> None:
    name = Names.of(settings.Kafka(**topics)).state
    with closing(KafkaAdminClient(bootstrap_servers=list(topics["servers"]))) as admin:
        admin.delete_topics([name])
        wait_until(lambda: name not in {one["name"] for one in admin.describe_topics()}, "the topic is gone")
    for role in STAYING:
        said = run(role, kafka=topics)
        _is_one_sentence(said)
        assert f"{name} does not exist" in said


def test_topics_of_another_prefix_are_not_there(run: Callable[..., str], topics: dict[str, Any]) -> None:
    for role in STAYING:
        said = run(role, kafka={**topics, "prefix": "elsewhere"})
        _is_one_sentence(said)
        assert "elsewhere.state does not exist" in said
        assert "(7 more: `undertow topics --check` tells all)" in said


def test_a_store_of_an_older_version_is_refused(
    run: Callable[..., str], topics: dict[str, Any], tmp_path: Path
) -> None:
    with served(tmp_path / "server") as url:
        database = f"{url.rpartition('/')[0]}/u{uuid.uuid4().hex[:8]}"
        with closing(Store.open(settings.Store(url=database), tmp_path)) as store:
            store._writer.command("TRUNCATE TABLE meta")
            store._writer.raw_insert("meta", ["version"], "2\n", fmt="TabSeparated")
        said = run("store", kafka=topics, store={"url": database})
    _is_one_sentence(said)
    assert "has schema version 2, this Undertow needs version" in said
    assert "`undertow store --migrate` makes it so" in said


def test_a_port_for_metrics_that_is_taken_is_named(run: Callable[..., str], topics: dict[str, Any]) -> None:
    for role in ("worker", "detect", "pager"):
        said = run(role, kafka={**topics, "metrics": topics["servers"][0]}, alerts={"console": False})
        _is_one_sentence(said)
        assert f"[kafka] metrics = '{topics['servers'][0]}' cannot be listened on" in said
