"""A real Alertmanager, two replicas of it: alerts begin, are repeated, survive its restarts, and end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from alert_samples import change
from alertmanager_server import Replica
from free_ports import free_port

from undertow.alerts.channels.alertmanager import Alertmanager
from undertow.alerts.incident import Change, ChangeKind, Severity
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager import Pager

PATIENCE_S = 30
REMEMBERS_S = 100.0  # so that a reminder is due after twenty seconds


@pytest.fixture
def replicas(tmp_path: Path, alertmanager: str) -> Iterator[list[Replica]]:
    made = [Replica(alertmanager, tmp_path / f"am-{n}", free_port()) for n in range(2)]
    try:
        for replica in made:
            replica.start()
        yield made
    finally:
        for replica in made:
            replica.stop()


class Clock:
    """The true time, and what a test adds to it."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pager(replicas: list[Replica], clock: Clock, tmp_path: Path) -> Iterator[Pager]:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    yield Pager(outbox, {"alertmanager": Alertmanager([r.url for r in replicas], clock, REMEMBERS_S)}, clock)
    outbox.close()


def told(pager: Pager, *changes: Change) -> None:
    pager.submit(changes)
    while pager.pump().delivered:
        pass


def recent(kind: ChangeKind = ChangeKind.TRIGGER, number: int = 0, revision: int = 1, **more: Any) -> Change:
    """A change of an incident found just now: Alertmanager's clock is the true one."""
    return change(kind, number, revision, opened_at=time.time() - 5, **more)


def test_an_incident_becomes_one_alert_on_every_replica_and_its_resolve_ends_it(
    pager: Pager, replicas: list[Replica]
) -> None:
    told(pager, recent(), recent(ChangeKind.UPDATE, revision=2), recent(number=1))
    open_ones = {change().incident.id: "error", change(number=1).incident.id: "error"}
    assert [replica.firing() for replica in replicas] == [open_ones, open_ones]
    told(pager, recent(ChangeKind.RESOLVE, revision=3))
    assert [set(replica.firing()) for replica in replicas] == [{change(number=1).incident.id}] * 2


def test_an_incident_that_grows_becomes_a_graver_alert_and_the_milder_one_ends(
    pager: Pager, replicas: list[Replica]
) -> None:
    told(pager, recent(), recent(ChangeKind.UPDATE, revision=2, severity=Severity.CRITICAL))
    alerts = json.loads(httpx.get(f"{replicas[0].url}/api/v2/alerts", timeout=10).content)
    assert [alert["labels"]["severity"] for alert in alerts] == ["critical"]


def test_a_replica_that_was_down_hears_of_it_with_the_next_reminder(
    pager: Pager, replicas: list[Replica], clock: Clock
) -> None:
    replicas[1].stop()
    told(pager, recent())
    assert replicas[0].firing() == {change().incident.id: "error"}
    replicas[1].start()
    assert replicas[1].firing() == {}
    clock.ahead += REMEMBERS_S / 5
    pager.pump()
    assert replicas[1].firing() == {change().incident.id: "error"}


def test_an_alertmanager_that_lost_everything_is_told_again(
    pager: Pager, replicas: list[Replica], clock: Clock
) -> None:
    told(pager, recent(), recent(number=1))
    for replica in replicas:
        replica.stop()
        replica.start()
    clock.ahead += REMEMBERS_S / 5
    pager.pump()
    assert [len(replica.firing()) for replica in replicas] == [2, 2]


def test_an_alert_that_nobody_repeats_ends_by_itself(replicas: list[Replica], tmp_path: Path, clock: Clock) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    channel = Alertmanager([replicas[0].url], clock, resolve_timeout_s=5.0)
    told(Pager(outbox, {"alertmanager": channel}, clock), recent())
    outbox.close()
    assert len(replicas[0].firing()) == 1
    until = time.monotonic() + PATIENCE_S
    while replicas[0].firing():
        assert time.monotonic() < until, "the alert does not end"
        time.sleep(0.1)


def test_the_real_server_refuses_what_the_contract_forbids(replicas: list[Replica]) -> None:
    """What the tests without a server take for granted: 400 is final, 200 has no words."""
    sets_of_labels: list[dict[str, str]] = [{}, {"alertname": "x"}]
    answers = [
        httpx.post(f"{replicas[0].url}/api/v2/alerts", json=[{"labels": labels}], timeout=10)
        for labels in sets_of_labels
    ]
    assert [(answer.status_code, answer.content[:1]) for answer in answers] == [(400, b'"'), (200, b"")]
