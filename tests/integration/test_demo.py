"""The demo: traffic, watch, page, store and report together, and what it leaves behind."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from undertow.pipelines import cli, demo
from undertow.pipelines.demo import DemoError, Played, run, traffic
from undertow.pipelines.demo_judgement import Judgement
from undertow.pipelines.simulator import MONDAY, Scenario, ScenarioError
from undertow.pipelines.store_lock import StoreLock

HALF_AN_HOUR = Scenario(seed=2, duration_s=1800, rate_per_s=15, inline_schemas=False)


def play(folder: Path, scenario: Scenario) -> tuple[Played, str]:
    out = io.StringIO()
    return run(scenario, folder, 0.5, Console(file=out, width=120)), out.getvalue()


@pytest.fixture(scope="module")
def slip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, str]:
    """Half an hour in which JSON begins to break after twenty minutes."""
    return play(tmp_path_factory.mktemp("demo") / "here", HALF_AN_HOUR.plant("schema_slip", after_s=1200))


def test_the_planted_incident_is_paged_and_nothing_before_it(slip: tuple[Played, str]) -> None:
    judgement = slip[0].judgement
    assert judgement.passed
    assert judgement.before == []
    assert judgement.finding is not None
    assert judgement.finding.by.series.metric == "schema_violation_rate"
    assert judgement.finding.declared
    assert 0 < judgement.finding.delay_s < 300
    assert judgement.finding.events > 0


def test_without_a_terminal_the_page_is_printed_as_lines(slip: tuple[Played, str]) -> None:
    lines = slip[1].splitlines()
    assert any("PAGE (" in line for line in lines)
    assert any(line.strip().startswith("HTTP") and "green" in line for line in lines)
    assert any("first seen: prompt_version=v14 (support)" in line for line in lines)
    assert any("planted: A reworded prompt" in line for line in lines)
    assert "\x1b" not in slip[1]


def test_the_page_names_the_version_that_was_planted(slip: tuple[Played, str]) -> None:
    pages = (slip[0].report.parent / "pages.txt").read_text()
    assert pages.count("TRIGGER") == 1
    assert "prompt_version=v14 was first seen" in pages


def test_the_truth_is_told_beside_what_was_paged(slip: tuple[Played, str]) -> None:
    told = dict(line.split("  ", 1) for line in slip[0].text.splitlines() if "  " in line)
    assert "schema_slip at 09:20:00" in told["planted"]
    assert "answers that break their JSON Schema" in told["paged"]
    assert "0 before the change" in told["false pages"]
    assert told["result"].strip() == "found"


class References(HTMLParser):
    """Collects what a page would fetch, its texts, and how many of each element it has."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.texts: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.fetched += [value or "" for name, value in attrs if name in {"src", "srcset", "data", "poster"}]
        self.fetched += [value or "" for name, value in attrs if name == "href" and tag != "a"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(slip: tuple[Played, str]) -> References:
    parsed = References()
    parsed.feed(slip[0].report.read_text(encoding="utf-8"))
    return parsed


def test_the_report_holds_all_it_needs(page: References, slip: tuple[Played, str]) -> None:
    assert page.fetched == []
    text = slip[0].report.read_text(encoding="utf-8")
    assert re.findall(r"url\(|@import|https?://", text) == []


def test_the_report_shows_what_moved_what_did_not_and_real_exchanges(page: References) -> None:
    text = " ".join(page.texts)
    assert "HTTP metrics: green" in text
    assert "prompt_version=v14 was first seen" in text
    assert "Before and after" in text
    assert "breaks its schema" in text
    assert "satisfies its schema" in text
    assert '"category":"' in text
    assert "false pages a week allowed" in text
    assert "planted" in text
    assert page.counts["svg"] >= 5


def test_every_text_of_the_report_comes_from_the_traffic(page: References, slip: tuple[Played, str]) -> None:
    """An exchange that is shown was played: its answer stands in the traffic's file."""
    lines = (slip[0].report.parent / "traffic.jsonl").read_bytes().splitlines()
    played = {msgspec.json.decode(line).get("output") for line in lines}
    answers = [text for text in page.texts if text.startswith('{"category"')]
    assert answers
    assert set(answers) <= played


def test_a_null_is_played_without_a_page(tmp_path: Path) -> None:
    """40 % more traffic pages nobody, and the report says so."""
    played, _ = play(tmp_path / "demo", HALF_AN_HOUR.plant("traffic_up_40", after_s=900))
    assert played.judgement.passed
    assert "quiet, as it should be" in played.text
    assert "No behaviour change worth a page" in played.report.read_text(encoding="utf-8")


def test_a_miss_is_a_failure(tmp_path: Path) -> None:
    """What is too small to be seen is missed, and the demo says so in place of a finding."""
    small = HALF_AN_HOUR.plant("schema_slip", after_s=1700, strength=0.01)
    played, _ = play(tmp_path / "demo", small)
    assert not played.judgement.passed
    assert "MISSED" in played.text


# -- the folder -------------------------------------------------------------------------------------------------------

BRIEFLY = Scenario(seed=1, duration_s=60, rate_per_s=5).plant("schema_slip", after_s=30)


def test_a_run_removes_what_an_earlier_one_left_and_nothing_else(tmp_path: Path) -> None:
    first, _ = play(tmp_path, BRIEFLY)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "data" / "stale").write_text("of the demo")
    first.report.write_text("stale")
    second, _ = play(tmp_path, BRIEFLY)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "data" / "stale").exists()
    assert second.report.read_text() != "stale"


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_text("mine")
    with pytest.raises(DemoError, match="holds something else than a demo"):
        play(tmp_path, BRIEFLY)
    assert (tmp_path / "data" / "precious").read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data"]


def test_a_file_in_the_folder_s_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(DemoError, match="holds something else"):
        play(tmp_path / "demo", BRIEFLY)
    assert (tmp_path / "demo").read_text() == "mine"


def test_a_demo_that_is_running_there_is_not_disturbed(tmp_path: Path) -> None:
    (tmp_path / demo.MARKER).touch()
    (tmp_path / "traffic.jsonl").write_text("being played")
    lock = StoreLock(tmp_path / "data")
    try:
        with pytest.raises(DemoError, match="a demo is running"):
            play(tmp_path, BRIEFLY)
    finally:
        lock.release()
    assert (tmp_path / "traffic.jsonl").read_text() == "being played"


# -- the command ------------------------------------------------------------------------------------------------------


def test_a_misspelt_incident_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean 'schema_slip'"):
        demo.play("schema_slp", tmp_path / "demo", 1.0)
    with pytest.raises(ScenarioError, match="seconds = 0"):
        demo.play("schema_slip", tmp_path / "demo", 0.0)
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(("planted", "code"), [("traffic_up_40", 0), ("schema_slip", 1)])
def test_the_exit_code_says_whether_it_was_found(
    planted: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was paged: right for a null, a failure for anything else."""
    judgement = Judgement(traffic(planted, 35.0, MONDAY).incidents[0], None, [], [])
    monkeypatch.setattr(demo, "play", lambda *_: Played(tmp_path / "report.html", judgement, ""))
    answer = CliRunner().invoke(cli.app, ["demo", "--incident", planted])
    assert answer.exit_code == code
    assert f"report: {tmp_path / 'report.html'}" in answer.stdout
