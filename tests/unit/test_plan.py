"""`undertow plan` tells of the user's own traffic how small a change is found, and says why where it cannot."""

import json
import random
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from undertow.dashboards.plan import Direction, Plan, SeriesPlan, plan_text, sentences
from undertow.dashboards.plan_page import render_plan
from undertow.drift.interaction import Interaction
from undertow.pipelines.cli import main
from undertow.pipelines.learn import learn_from
from undertow.pipelines.plan import plan_of
from undertow.pipelines.settings import Settings, parse

START = 1_772_442_000.0


def write(path: Path, events: int, seconds: float = 1.0) -> Path:
    """Write answers of which every fiftieth or so is cut off; one in ten comes from the region eu."""
    chance = random.Random(3)
    with path.open("wb") as file:
        for i in range(events):
            event = Interaction(
                id=str(i),
                time=START + i * seconds,
                service="support",
                attributes={"region": "eu" if chance.random() < 0.1 else "us"},
                output="x" * (int(chance.lognormvariate(5.5, 0.5)) + 1),
                finish_reason="length" if chance.random() < 0.02 else "stop",
            )
            file.write(msgspec.json.encode(event) + b"\n")
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("plan")
    settings = parse(f'data = "{folder}/data"\n[embeddings]\nsource = "off"')
    learn_from(settings, [str(write(folder / "events.jsonl", 6000))])
    return settings


def one(plan: Plan, metric: str, segment: dict[str, str]) -> SeriesPlan:
    (found,) = [series for series in plan.series if (series.metric, series.segment) == (metric, segment)]
    return found


def test_the_plan_of_a_saved_watch_and_of_its_files_are_the_same(learned: Settings) -> None:
    again = plan_of(learned, [str(Path(learned.data).parent / "events.jsonl")])
    assert again == plan_of(learned)


def test_more_time_and_more_traffic_find_less_and_a_slice_finds_less_than_the_whole(learned: Settings) -> None:
    plan = plan_of(learned)
    whole, eu = (one(plan, "truncation_rate", segment) for segment in ({}, {"region": "eu"}))
    assert whole.level == pytest.approx(0.02, rel=0.35)
    assert whole.rise is not None
    assert eu.rise is not None
    hour, day, week = whole.rise.within.values()
    assert hour is not None
    assert day is not None
    assert week is not None
    assert whole.level < whole.rise.band <= whole.rise.page_from <= week <= day <= hour
    small = eu.rise.within["hour"]
    assert small is not None
    assert small > hour
    more, less = (whole.rise.other[name]["hour"] for name in ("traffic × 10", "traffic ÷ 10"))
    assert more is not None
    assert less is not None
    assert more < hour < less
    assert [level for _, level in whole.rise.curve] == sorted((level for _, level in whole.rise.curve), reverse=True)


def test_what_hurts_nobody_is_not_planned_and_what_does_is(learned: Settings) -> None:
    plan = plan_of(learned)
    assert one(plan, "truncation_rate", {}).fall is None  # fewer answers cut off hurt nobody
    length = one(plan, "output_length", {})
    assert length.rise is not None
    assert length.fall is not None
    assert length.rise.pages


def test_page_from_and_band_bound_what_is_paged(tmp_path: Path) -> None:
    text = "[detection]\npage_from = { truncation_rate = 4.0 }\nband = { truncation_rate = 2.0 }"
    plan = plan_of(parse(text), [str(write(tmp_path / "events.jsonl", 3000))], ["truncation_rate"], ["all"])
    (series,) = plan.series
    rise, odds = series.rise, series.level / (1 - series.level)
    assert rise is not None
    assert rise.page_from / (1 - rise.page_from) == pytest.approx(4 * odds, rel=1e-6)
    assert rise.band / (1 - rise.band) == pytest.approx(3 * odds, rel=1e-6)
    assert series.hidden_by == "band"


def test_series_that_learn_and_those_without_a_formula_are_told_with_the_reason(tmp_path: Path) -> None:
    plan = plan_of(Settings(), [str(write(tmp_path / "events.jsonl", 900))])
    reasons = {(series.metric, series.segment.get("region", "")): series.reason for series in plan.series}
    assert reasons["truncation_rate", "eu"] == "learning until 200 events"
    assert reasons["truncation_rate", "us"] == ""
    assert reasons["output_format", ""] == "not planned, a mix of categories"
    young = one(plan, "truncation_rate", {})
    assert young.hidden_by == "young baseline"
    text = plan_text(plan)
    assert "learning until 200 events: " in text
    assert "young baseline" in text


def test_low_traffic_says_that_nothing_is_found(tmp_path: Path) -> None:
    plan = plan_of(Settings(), [str(write(tmp_path / "events.jsonl", 600, 3600.0))], ["truncation_rate"], ["all"])
    (series,) = plan.series
    assert series.rise is not None
    assert series.rise.within["hour"] is None
    assert "within an hour" not in sentences(series)


def test_nothing_learned_and_unknown_metrics_are_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing has been learned below .*undertow plan FILE"):
        plan_of(Settings(data=str(tmp_path)))
    with pytest.raises(KeyError, match="did you mean 'refusal_rate'"):
        plan_of(Settings(data=str(tmp_path)), metrics=["refusal_rat"])


def test_no_direction_that_is_found_is_a_sentence_too() -> None:
    nothing = dict.fromkeys(("hour", "day", "week"))
    rise = Direction(True, 0.1, 0.1, nothing, {}, [])
    series = SeriesPlan(
        service="s",
        environment="",
        segment={},
        metric="error_rate",
        unit="share of events",
        level=0.05,
        learned=300,
        rise=rise,
    )
    assert sentences(series).endswith("a rise from 5.0 % is not found within a week, however large.")


def test_the_command_prints_a_table_json_lines_and_a_picture(
    learned: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, page = tmp_path / "undertow.toml", tmp_path / "plan.html"
    config.write_text(f'data = "{learned.data}"\n[embeddings]\nsource = "off"\n')
    sys.argv = ["undertow", "plan", "-c", str(config), "--slice", "all", "--json", "--html", str(page)]
    with pytest.raises(SystemExit):
        main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["metric"] for line in lines} >= {"truncation_rate", "output_length"}
    assert all(line["reason"] or line["rise"] or line["fall"] for line in lines)
    text = page.read_text()
    assert "truncation_rate" in text
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    assert len(ET.fromstring(svg).findall("g")) >= 2  # noqa: S314 - our own output
    assert render_plan(plan_of(learned, slices=["all"])) == text
