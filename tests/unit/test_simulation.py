"""What `undertow simulate` makes of its arguments."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from undertow.pipelines import cli
from undertow.pipelines.simulation import Plan, catalogue, planted, scenario, write_to
from undertow.pipelines.simulator import INCIDENTS, MONDAY, ScenarioError

START = "2026-03-02T09:00:00Z"  # MONDAY


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("schema_slip", Plan("schema_slip")),
        ("schema_slip@600", Plan("schema_slip", 600.0)),
        ("schema_slip@600:90.5", Plan("schema_slip", 600.0, 90.5)),
        ("schema_slip@0", Plan("schema_slip", 0.0)),
    ],
)
def test_an_incident_is_named_with_its_time_and_length(text: str, plan: Plan) -> None:
    assert Plan.parse(text) == plan


@pytest.mark.parametrize("text", ["schema_slip@", "schema_slip@soon", "schema_slip@60:", "schema_slip@60:ever"])
def test_what_is_no_number_of_seconds_is_refused_by_name(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"no number of seconds; write NAME\[@SECONDS"):
        Plan.parse(text)


def test_an_incident_without_a_time_begins_at_sixty_percent_and_stays() -> None:
    only = scenario(["schema_slip"], hours=2, rate=1, seed=1, start=START).incidents[0]
    assert (only.at, only.until) == (MONDAY + 0.6 * 7200, None)


def test_several_incidents_keep_their_own_times() -> None:
    both = scenario(["schema_slip@600:60", "chatty_prompt@900"], hours=1, rate=1, seed=1, start=START)
    assert [(one.name, one.at - MONDAY) for one in both.incidents] == [("schema_slip", 600), ("chatty_prompt", 900)]
    assert both.incidents[0].until == MONDAY + 660


@pytest.mark.parametrize("text", ["nonsense", "schema_slip@7200", "schema_slip@-1", "schema_slip@60:0", "x@1:nan"])
def test_an_incident_that_cannot_be_planted_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        scenario([text], hours=2, rate=1, seed=1, start=START)


def test_a_misspelt_incident_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'schema_slip'"):
        scenario(["schema_slp"], hours=1, rate=1, seed=1, start=START)


def test_without_a_start_the_traffic_ends_now_in_whole_seconds() -> None:
    made = scenario([], hours=1, rate=1, seed=1, start=None, now=MONDAY + 0.7)
    assert (made.start, made.end) == (MONDAY - 3600, MONDAY)


@pytest.mark.parametrize("text", [START, "2026-03-02T09:00:00", "2026-03-02T10:00:00+01:00"])
def test_a_start_is_rfc_3339_and_utc_unless_it_says_otherwise(text: str) -> None:
    assert scenario([], hours=1, rate=1, seed=1, start=text).start == MONDAY


def test_a_start_that_cannot_be_read_is_shown() -> None:
    with pytest.raises(ScenarioError, match="start = 'yesterday' is not RFC 3339"):
        scenario([], hours=1, rate=1, seed=1, start="yesterday")


@pytest.mark.parametrize(("hours", "rate", "seed"), [(0, 1, 1), (1, 0, 1), (1, 1, -1), (float("nan"), 1, 1)])
def test_numbers_out_of_range_are_refused(hours: float, rate: float, seed: int) -> None:
    with pytest.raises(ScenarioError):
        scenario([], hours=hours, rate=rate, seed=seed, start=START)


def test_the_catalogue_names_every_incident_and_what_shows_it() -> None:
    text = catalogue()
    assert all(f"{name} " in text for name in INCIDENTS)
    assert all(metric in text for incident in INCIDENTS.values() for metric in incident.metrics)
    assert "nothing must page" in text.split("traffic_up_40")[1]


def test_the_same_seed_and_start_write_the_same_bytes(tmp_path: Path) -> None:
    made = scenario(["schema_slip@30"], hours=0.02, rate=5, seed=3, start=START)
    written = [write_to(made, str(tmp_path / name)) for name in ("a.jsonl", "b.jsonl")]
    first, second = (tmp_path / "a.jsonl").read_bytes(), (tmp_path / "b.jsonl").read_bytes()
    assert first == second
    assert written == [len(first.splitlines())] * 2
    assert written[0] > 100


def test_a_reader_that_has_had_enough_ends_it_quietly() -> None:
    command = [sys.executable, "-c", "from undertow.pipelines.cli import main; main()", "simulate", "--start", START]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"id":"1"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_the_command_lists_the_catalogue() -> None:
    answer = CliRunner().invoke(cli.app, ["simulate", "--list"])
    assert (answer.exit_code, answer.stdout.strip()) == (0, catalogue())


def test_the_command_prints_the_truth_beside_the_traffic(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    arguments = ["--incident", "schema_slip@30:10", "--hours", "0.02", "--start", START, "--no-texts", "--truth"]
    answer = CliRunner().invoke(cli.app, ["simulate", str(output), *arguments])
    assert answer.exit_code == 0
    assert '"name":"schema_slip"' in answer.stderr
    assert '"output":' not in output.read_text()


def test_what_was_planted_is_told_in_order_of_time() -> None:
    made = scenario(["chatty_prompt@900", "schema_slip@600"], hours=1, rate=1, seed=1, start=START)
    assert [one["name"] for one in planted(made)] == ["schema_slip", "chatty_prompt"]
