"""`undertow run` and the commands beside it: it follows a file, serves its store, takes decisions, stops cleanly."""

import hmac
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest
from pagerduty_server import PagerDutyServer

from undertow.pipelines.simulator import Scenario, generate
from undertow.pipelines.store_lock import holder

PATIENCE_S = 90.0


class Running:
    """A watch in a process of its own, following a file that the test writes."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.traffic, self.config, self.data = folder / "app.jsonl", folder / "undertow.toml", folder / "data"
        self.traffic.touch()
        self.config.write_text(
            f'data = "{self.data}"\n[ingest]\npaths = ["{self.traffic}"]\nidle_tick_s = 0.5\nallowed_lateness_s = 1\n'
            '[store]\nlisten = "127.0.0.1:0"\ncommit_s = 0.3\n' + more
        )
        self.log = folder / "log"
        self.start()

    def start(self) -> None:
        """Start the watch and wait for its port."""
        command = [sys.executable, "-m", "undertow.pipelines.cli", "run", "-c", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.url = self._wait_for_url()

    def _wait_for_url(self) -> str:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self.process.poll() is None:
            running = holder(self.data)
            if running and running.url:
                return running.url
            time.sleep(0.05)
        raise AssertionError(f"the watch did not start: {self.log.read_text()}")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command with the same configuration."""
        full = [sys.executable, "-m", "undertow.pipelines.cli", *words, "-c", str(self.config)]
        return subprocess.run(full, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/status", timeout=PATIENCE_S).json()
        return found

    def wait_for(self, name: str, least: float) -> dict[str, Any]:
        """Wait until a number of the status has reached a value."""
        until = time.monotonic() + PATIENCE_S
        while (status := self.status())[name] < least:
            assert time.monotonic() < until, f"{name} stays at {status[name]}, wanted {least}"
            time.sleep(0.1)
        return status

    def wait_for_none(self, name: str) -> None:
        """Wait until a number of the status is 0."""
        until = time.monotonic() + PATIENCE_S
        while self.status()[name]:
            assert time.monotonic() < until, f"{name} does not end"
            time.sleep(0.1)

    def wait_for_row(self, query: str) -> None:
        """Wait until the query counts something."""
        until = time.monotonic() + PATIENCE_S
        while not json.loads(self.command("sql", "--json", query).stdout)["n"]:
            assert time.monotonic() < until, query
            time.sleep(0.2)

    def end(self) -> None:
        """Kill the watch."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def pagerduty() -> Iterator[PagerDutyServer]:
    """Where the watch pages."""
    with PagerDutyServer(time.time) as server:
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, pagerduty: PagerDutyServer) -> Iterator[Running]:
    """A watch that has read an incident: refusals rise after an hour. Each test stands alone, on any worker."""
    key = "0123456789abcdef0123456789abcdef"
    paging = f'[alerts.pagerduty]\nrouting_key = "{key}"\nurl = "{pagerduty.url}"\nwebhook_secret = "s3cret"\n'
    watch = Running(tmp_path_factory.mktemp("run"), paging)
    try:
        _with_an_incident(watch)
        yield watch
    finally:
        watch.end()


def _with_an_incident(watch: Running) -> None:
    start = time.time() - 5400  # an hour and a half that ends now
    scenario = Scenario(seed=4, start=start, duration_s=5300, rate_per_s=6).plant("refusal_creep", after_s=3000)
    with watch.traffic.open("ab") as file:
        file.writelines(generate(scenario))
    lines = watch.traffic.read_bytes().count(b"\n")
    watch.wait_for("records", lines)
    watch.wait_for("open_incidents", 1)
    watch.wait_for_row("SELECT count() AS n FROM incidents WHERE state = 'paged'")


def test_what_was_written_is_read_judged_and_stored(running: Running) -> None:
    """Events reach the store, and the incident is open while the watch goes on."""
    lines = running.traffic.read_bytes().count(b"\n")
    status = running.status()
    assert (status["events"], status["rejected"], status["duplicates"]) == (lines, 0, 0)
    assert status["records"] == lines
    assert status["states"]["changed"] > 0


def test_sql_answers_beside_the_running_watch(running: Running) -> None:
    """`undertow sql` asks the port, as does any ClickHouse client."""
    events = running.status()["events"]
    answer = running.command("sql", "--json", "SELECT count() AS n FROM interactions")
    assert json.loads(answer.stdout) == {"n": events}
    host, port = running.url.removeprefix("http://").split(":")
    with clickhouse_connect.get_client(host=host, port=int(port)) as client:
        assert client.query("SELECT count() FROM interactions").result_rows == [(events,)]


def test_the_incident_is_listed_and_explained(running: Running) -> None:
    """Its id leads from the list to the page."""
    incident = json.loads(running.command("incidents", "--json").stdout.splitlines()[-1])
    page = running.command("explain", incident["id"]).stdout
    assert "answers that refuse" in page
    assert "v48" in page
    assert running.command("explain", "nosuchid").stderr.startswith("undertow: no incident 'nosuchid'")


def test_status_says_what_can_page(running: Running) -> None:
    """A person reads how many series can page and which still learn."""
    text = running.command("status").stdout
    assert "running at http://127.0.0.1:" in text
    assert "can page" in text
    assert "learning" in text


def test_the_monitors_own_numbers_are_there_for_prometheus(running: Running) -> None:
    """Counters and gauges come from the running watch."""
    metrics = httpx.get(f"{running.url}/metrics", timeout=PATIENCE_S).text
    assert f"undertow_events_total {float(running.status()['events'])}" in metrics
    assert 'undertow_series{state="watching"}' in metrics
    assert httpx.get(f"{running.url}/healthz").status_code == 200


def test_the_page_and_the_version_behind_it_reach_on_call(running: Running, pagerduty: PagerDutyServer) -> None:
    """One incident, told anew at most as its severity grows, and on the service's timeline the prompt behind it.

    What of the answers leads the first page (those that refuse, what they are about, their form) depends on the hour it
    is; it is the page of the incident that explains the refusals.
    """
    running.wait_for_none("undelivered")
    assert {alert.dedup_key.split("/")[1] for alert in pagerduty.alerts} == {
        pagerduty.alerts[0].dedup_key.split("/")[1]
    }
    summary = pagerduty.alerts[0].events[0]["payload"]["summary"]
    assert summary.startswith("support/prod: ")
    assert "answers" in summary
    incident = pagerduty.alerts[0].dedup_key.split("/")[1]
    assert "answers that refuse" in running.command("explain", incident).stdout
    told = [event["payload"] for event in pagerduty.changes if event["payload"]["custom_details"]["value"] == "v48"]
    assert {one["custom_details"]["dimension"] for one in told} == {"prompt_version"}
    assert len({one["summary"] for one in told}) == len(told) <= 2  # when it came, and later its card


def test_a_silence_is_set_listed_and_lifted(running: Running) -> None:
    """It needs an end, and says which incidents it is about."""
    told = json.loads(
        running.command("silence", "load test", "--hours", "2", "--service", "pay*", "--by", "anna").stdout
    )
    assert (told["about"], told["by"]) == ("service pay*", "anna")
    assert told["id"] in running.command("silences").stdout
    assert json.loads(running.command("lift", told["id"]).stdout) == {"lifted": told["id"]}
    assert running.command("silences").stdout == "no silence holds now\n"
    assert "a silence needs an end" in running.command("silence", "for ever").stderr


def test_a_declared_deployment_is_a_version_seen(running: Running) -> None:
    """`undertow deploy` becomes a suspect for what shifts around it."""
    told = running.command("deploy", "prompt v50", "--service", "support", "--environment", "prod")
    assert (told.returncode, json.loads(told.stdout)) == (0, {"declared": "prompt v50"})
    running.wait_for_row("SELECT count() AS n FROM versions WHERE declared = 'prompt v50'")


def test_what_on_call_does_elsewhere_and_here_is_the_life_of_the_incident(
    running: Running, pagerduty: PagerDutyServer
) -> None:
    """An acknowledgement comes back from PagerDuty, `undertow false` resolves, a second time there is nothing to do."""
    key = pagerduty.alerts[-1].dedup_key
    incident = key.split("/")[1]
    agent = {"type": "user_reference", "summary": "Anna"}
    event = {"event_type": "incident.acknowledged", "agent": agent, "data": {"incident_key": key}}
    body = json.dumps({"event": event}).encode()
    header = {"X-PagerDuty-Signature": "v1=" + hmac.new(b"s3cret", body, "sha256").hexdigest()}
    told = httpx.post(f"{running.url}/hooks/pagerduty", content=body, headers=header, timeout=PATIENCE_S)
    assert told.json() == {"incident": incident, "state": "acknowledged"}
    running.wait_for_row("SELECT count() AS n FROM incidents WHERE state = 'acknowledged'")
    assert "acknowledged by Anna" in running.command("explain", incident).stdout
    report = httpx.get(f"{running.url}/incidents/{incident}", timeout=PATIENCE_S)
    assert (report.status_code, f"incident · {incident}" in report.text) == (200, True)
    assert json.loads(running.command("false", incident).stdout) == {"incident": incident, "resolution": "false"}
    again = running.command("false", incident)
    assert (again.returncode, again.stdout) == (2, "")
    assert "no incident" in again.stderr


def test_a_pin_is_made_listed_and_dropped_beside_the_running_watch(running: Running) -> None:
    """Days to come are waited for; days that were not seen cannot be pinned."""
    first = datetime.now(UTC).date() + timedelta(days=2)
    to_come, long_ago = f"{first}..{first + timedelta(days=6)}", "2020-01-06..2020-01-12"
    service = min(series["service"] for series in running.status()["series"])
    refused = running.command("pin", "--service", service, "--days", long_ago, "--reason", "a good week")
    assert refused.returncode == 2
    assert "are not known" in refused.stderr
    made = running.command("pin", "--service", service, "--days", to_come, "--reason", "the week to come")
    pin = json.loads(made.stdout)["pinned"]
    listed = running.command("pins").stdout
    assert f"{pin}  {service} all metrics: {to_come}" in listed
    assert "waits for its days to be over" in listed
    assert "pins: 1" in running.command("status").stdout
    assert running.command("unpin", pin).returncode == 0
    assert running.status()["pins"] == []


def test_a_silent_source_closes_its_windows_by_the_clock(running: Running) -> None:
    """Nothing more is written after an event, and yet the watermark passes it."""
    now = time.time()
    with running.traffic.open("a") as file:
        file.write(json.dumps({"id": f"last-{now}", "time": now, "service": "support"}) + "\n")
    assert running.wait_for("watermark", now)["events"] > 0


def test_a_second_watch_on_the_same_data_is_refused_in_one_sentence(running: Running) -> None:
    """The message names the process that has it."""
    second = running.command("run")
    assert second.returncode == 2
    assert str(running.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_restart_goes_on_and_counts_nothing_twice(tmp_path: Path) -> None:
    """SIGTERM commits and ends with 0; what is appended meanwhile is read by the next run."""
    watch = Running(tmp_path)
    try:
        line = json.dumps({"id": "new", "time": time.time(), "service": "support", "output": "Hello."})
        for read, text in ((1, line + "\n"), (3, line + "\nnot json\n")):
            with watch.traffic.open("a") as file:
                file.write(text)
            watch.wait_for("records", read)
            watch.process.send_signal(signal.SIGTERM)
            assert watch.process.wait(PATIENCE_S) == 0
            watch.start()
        status = watch.status()
        assert (status["events"], status["duplicates"], status["rejected"]) == (1, 1, 1)
    finally:
        watch.end()
