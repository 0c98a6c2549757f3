"""The command line: what it prints, what it refuses, and never a stack trace for what the user can mend."""

import json
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from undertow.drift.interaction import Interaction
from undertow.pipelines.cli import main

START = 1_772_442_000.0
INCIDENT = {"id", "service", "environment", "opened_at", "changed_at", "severity", "headline", "causes", "verdicts"}
VERDICT = {"metric", "segment", "direction", "detected_at", "changed_at", "before", "after", "events"}


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    sys.argv = ["undertow", *words]
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    else:
        code = 0
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def shortened(tmp_path: Path) -> Path:
    """Answers that become a third shorter after 4,000 of them."""
    chance, path = random.Random(3), tmp_path / "events.jsonl"
    with path.open("wb") as file:
        for i in range(1, 5501):
            length = int(chance.lognormvariate(5.5 if i <= 4000 else 5.1, 0.5)) + 1
            event = Interaction(id=str(i), time=START + i, service="support", output="x" * length)
            file.write(msgspec.json.encode(event) + b"\n")
    return path


def test_replay_prints_one_incident_a_line_with_stable_names(
    capsys: pytest.CaptureFixture[str], shortened: Path
) -> None:
    """Times are RFC 3339 in event time, segments are objects, levels are numbers."""
    code, out, err = _run(capsys, "replay", "--json", str(shortened))
    assert code == 0
    (incident,) = [json.loads(line) for line in out.splitlines()]
    assert set(incident) >= INCIDENT
    assert incident["changed_from"] <= "2026-03-02T10:06:40Z" <= incident["changed_to"]
    for verdict in incident["verdicts"]:
        assert set(verdict) >= VERDICT
        assert verdict["direction"] in {"up", "down"}
        assert verdict["segment"] == {}
    lengths = next(v for v in incident["verdicts"] if v["metric"] == "output_length")
    assert lengths["before"] == pytest.approx(244, rel=0.1)
    assert lengths["after"] == pytest.approx(164, rel=0.15)
    assert "5,500 records, 5,500 events: 1 incidents" in err


def test_replay_prints_the_page(capsys: pytest.CaptureFixture[str], shortened: Path) -> None:
    """Without --json a person reads what on-call would get."""
    _, out, _ = _run(capsys, "replay", str(shortened))
    assert "support: length of answers" in out
    assert "since     2026-03-02 10:0" in out


def test_learning_from_history_lets_series_page_at_once(
    capsys: pytest.CaptureFixture[str], shortened: Path, tmp_path: Path
) -> None:
    """The state that `learn` leaves is what `status` shows, and a second time it refuses to overwrite it."""
    config = tmp_path / "undertow.toml"
    config.write_text(f'data = "{tmp_path}/data"\n')
    code, out, _ = _run(capsys, "learn", "-c", str(config), str(shortened))
    assert code == 0
    assert "found in the history: support: length of answers" in out
    code, out, _ = _run(capsys, "status", "-c", str(config), "--json")
    found = json.loads(out)
    assert (found["events"], found["open_incidents"], found["running"]) == (5500, 0, None)
    assert found["states"]["watching"] > 0
    assert "can page" in _run(capsys, "status", "-c", str(config))[1]
    code, _, err = _run(capsys, "learn", "-c", str(config), str(shortened))
    assert code == 2
    assert "holds what a watch has learned already" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run"], "nothing to watch"),
        (["replay", "no-such-file.jsonl"], "no file at 'no-such-file.jsonl'"),
        (["run", "-c", "no-such.toml", "x"], "cannot read the configuration no-such.toml"),
        (["deploy", "v2", "--service", "s"], "acts on a running watch"),
        (["simulate", "--incident", "refusal_crepe"], "did you mean 'refusal_creep'"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    told: str,
) -> None:
    """Exit code 2, the reason on standard error, no stack trace."""
    monkeypatch.chdir(tmp_path)
    code, out, err = _run(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert err.startswith("undertow: ")


def test_a_wrong_key_in_the_configuration_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The nearest known name is offered."""
    config = tmp_path / "undertow.toml"
    config.write_text("[budget]\nfalse_page_per_week = 2\n")
    code, _, err = _run(capsys, "check", "-c", str(config))
    assert code == 2
    assert "unknown key 'false_page_per_week' in [budget]; did you mean 'false_pages_per_week'?" in err


def test_check_says_what_is_missing(capsys: pytest.CaptureFixture[str], shortened: Path) -> None:
    """A readable file ends with 0, one without a single event with 1."""
    code, out, _ = _run(capsys, "check", str(shortened))
    assert code == 0
    assert "Cannot be watched: schema_violation_rate" in out
    nothing = shortened.with_name("nothing.jsonl")
    nothing.write_text("not json\n")
    assert _run(capsys, "check", str(nothing))[0] == 1


def test_simulate_names_its_incidents_and_tells_what_it_planted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The list, the file and the truth."""
    assert "refusal_creep" in _run(capsys, "simulate", "--list")[1]
    path = tmp_path / "trial.jsonl"
    words = ("simulate", str(path), "--hours", "0.1", "--incident", "chatty_prompt@100", "--truth")
    code, _, err = _run(capsys, *words)
    assert code == 0
    assert json.loads(err.splitlines()[-1])[0]["name"] == "chatty_prompt"
    assert path.read_bytes().count(b"\n") > 100


@pytest.mark.parametrize("role", ["topics", "worker", "store", "send"])
def test_a_role_without_the_package_for_kafka_says_how_to_get_it(role: str) -> None:
    code = "import sys; sys.modules['kafka'] = None; from undertow.pipelines.cli import main; main()"
    command = [sys.executable, "-c", code, role, *(["-"] if role == "send" else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (
        2,
        "undertow: the package kafka is not installed: pip install 'undertow[kafka]'\n",
    )
