"""Pins as people ask for them: from the words of a command, through journal and restart, to what is listed."""

import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.pipelines.app import App, opened
from undertow.pipelines.pins import PinError, pin_of, pins_text, status_of_pins
from undertow.pipelines.processor import Processor
from undertow.pipelines.reference import ReferenceFileError, read_reference
from undertow.pipelines.server import ControlError
from undertow.pipelines.settings import Detection, Embeddings, Ingest, Settings
from undertow.pipelines.status import status_of, status_text

DAY = 86_400.0
START = 1_772_409_600.0  # 2026-03-02
A_DAY = 300
WEEK = {"service": "s", "days": "2026-03-02..2026-03-08", "reason": "before the move", "by": "ada"}


def calls(days: int, factor_from: int = 99, factor: float = 1.0, seed: int = 1) -> list[Interaction]:
    """Return calls of service s, half of them from each region, whose answers are `factor` × as long from a day on."""
    chance = random.Random(seed)
    found = []
    for number in range(days * A_DAY):
        day = number // A_DAY
        length = 200 * chance.lognormvariate(0, 0.3) * (factor if day >= factor_from else 1.0)
        found.append(
            Interaction(
                id=str(number),
                time=START + number * DAY / A_DAY,
                service="s",
                output="x" * int(length),
                refused=chance.random() < 0.1,
                attributes={"region": "eu" if number % 2 else "us"},
            )
        )
    return found


def plain(folder: Path | None = None) -> Settings:
    return Settings(
        data=str(folder or "unused"),
        embeddings=Embeddings(source="off"),
        ingest=Ingest(window_s=3600.0),
        detection=Detection(dimensions=("region",), min_events=600, strict_events=200),
    )


def processor(events: list[Interaction]) -> Processor:
    found = Processor(plain(), PriceTable())
    found.step(events, [0] * len(events))
    return found


def write(path: Path, events: list[Interaction]) -> Path:
    lines = []
    for event in events:
        record = msgspec.to_builtins(event)
        lines.append(json.dumps({name: value for name, value in record.items() if value is not None}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"days": ""}, "one of --days"),
        ({"version": "prompt_version=v1"}, "one of --days"),
        ({"service": ""}, "wants --service"),
        ({"reason": " "}, "wants a --reason"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"days": "2026-03-02"}, "not of the form"),
        ({"days": "2026-03-02..soon"}, "not of the form"),
        ({"days": "2026-03-02..2026-03-05"}, "are 4 days; pin 7 to 28"),
        ({"days": "2026-03-08..2026-03-02"}, "are -5 days"),
        ({"slice": "eu"}, "--slice eu is not of the form dimension=value"),
        ({"metric": "refusal_rat"}, "did you mean 'refusal_rate'"),
        ({"metric": "tool_mix"}, "cannot be compared with a pin"),
        ({"days": "", "reference": "[{]"}, "the reference cannot be used"),
    ],
)
def test_what_is_no_pin_is_refused_by_name(change: dict[str, str], reason: str) -> None:
    with pytest.raises(PinError, match=reason):
        pin_of(WEEK | change, START, 20_000)


def test_the_same_words_at_the_same_time_are_the_same_pin() -> None:
    assert pin_of(WEEK, START, 20_000) == pin_of(dict(reversed(WEEK.items())), START, 20_000)
    assert pin_of(WEEK, START + 1, 20_000).id != pin_of(WEEK, START, 20_000).id


@contextmanager
def watching(folder: Path, traffic: Path) -> Iterator[App]:
    with opened(plain(folder / "data"), [str(traffic)], follow=False, console=io.StringIO(), serve=False) as app:
        app.run()
        yield app


def test_a_pin_is_journalled_listed_and_dropped(tmp_path: Path) -> None:
    """What was decided after the last commit is decided again after a crash, under the same id."""
    traffic = write(tmp_path / "app.jsonl", calls(10))
    with watching(tmp_path, traffic) as app:
        answer = app.control("pin", WEEK | {"slice": "region=eu"})
    settings = plain(tmp_path / "data")
    with watching(tmp_path, traffic) as app:
        (pin,) = app.status()["pins"]
        assert (pin["id"], pin["by"], pin["held"]) == (answer["pinned"], "ada", True)
        assert {(s["metric"], s["segment"]["region"]) for s in pin["series"]} >= {("refusal_rate", "eu")}
        with pytest.raises(ControlError, match="no pin 'nonsense'; `undertow pins` lists"):
            app.control("unpin", {"id": "nonsense"})
        with pytest.raises(ControlError, match="before 2026-03-02 are not known"):
            app.control("pin", WEEK | {"days": "2026-02-20..2026-03-01"})
        app.watch.commit()
    status = status_of(settings)
    assert "pins: 1, with" in status_text(status)
    shown = pins_text(status["pins"])
    assert shown.startswith(f"{answer['pinned']}  s region=eu all metrics: 2026-03-02..2026-03-08, pinned 0 days ago")
    assert "before the move" in shown
    with watching(tmp_path, traffic) as app:
        assert app.control("unpin", {"id": answer["pinned"]}) == {"unpinned": answer["pinned"]}
        assert pins_text(app.status()["pins"]).startswith("Nothing is pinned")


def test_a_change_is_paged_through_an_incident_and_accepting_it_pins_the_week_that_follows() -> None:
    events = calls(30, factor_from=12, factor=1.5)
    split = 8 * A_DAY
    mine = processor(events[:split])
    mine.monitor.pinned.pin(pin_of(WEEK, START + 8 * DAY, mine.monitor.pinned.last_day))
    later = events[split : 15 * A_DAY]
    step = mine.step(later, [0] * len(later))
    found = [verdict for verdict in step.verdicts if verdict.detector == "pinned" and not verdict.series.segment]
    assert {(verdict.series.metric, verdict.kind) for verdict in found} >= {("output_length", "page")}
    assert len({verdict.id for verdict in step.verdicts}) == len(step.verdicts)
    (incident, *_) = [
        one for one in mine.incidents.open if any(verdict.detector == "pinned" for verdict in one.verdicts)
    ]
    mine.decide(incident.id, "accepted", START + 15 * DAY, "ada", "longer answers are wanted")
    _, accepted = status_of_pins(mine.monitor.pins(), START + 15 * DAY)
    assert (accepted["held"], accepted["by"], accepted["reason"]) == (False, "ada", "longer answers are wanted")
    assert accepted["source"] == "2026-03-15..2026-03-21"
    assert "output_length" in accepted["scope"]
    rest = events[15 * A_DAY :]
    quiet = mine.step(rest, [0] * len(rest))
    about = {verdict.series for verdict in incident.verdicts}
    assert [v for v in quiet.verdicts if v.detector == "pinned" and v.kind == "page" and v.series in about] == []
    _, accepted = status_of_pins(mine.monitor.pins(), START + 30 * DAY)
    assert accepted["held"]
    assert {one["metric"] for one in accepted["series"]} >= {"output_length"}


def test_a_reference_file_in_any_order_is_compared_with_the_service(tmp_path: Path) -> None:
    evals = calls(2, seed=2)
    random.Random(3).shuffle(evals)
    file = write(tmp_path / "evals.jsonl", [msgspec.structs.replace(one, service="evals") for one in evals])
    text = read_reference(plain(), str(file), "s")
    mine = processor(calls(9))
    asked = {"service": "s", "reference": text, "file": "evals.jsonl", "reason": "the eval set"}
    pin = pin_of(asked, START, 0)
    mine.monitor.pinned.check(pin)
    mine.monitor.pinned.pin(pin)
    (shown,) = status_of_pins(mine.monitor.pins(), START)
    levels = {one["metric"]: one for one in shown["series"] if not one["segment"]}
    assert shown["source"] == "evals.jsonl"
    assert levels["output_length"]["level"] == pytest.approx(200, rel=0.05)
    assert levels["refusal_rate"]["level"] == pytest.approx(0.1, abs=0.03)
    assert levels["output_length"]["days"] == 7
    assert "tool_mix" not in levels


def test_a_reference_is_of_one_service_and_says_something(tmp_path: Path) -> None:
    two = [msgspec.structs.replace(one, service=name) for one in calls(1)[:3] for name in ("a", "b")]
    file = write(tmp_path / "two.jsonl", two)
    with pytest.raises(ReferenceFileError, match="no events of service 's'; it has a, b"):
        read_reference(plain(), str(file), "s")
    with pytest.raises(ReferenceFileError, match="says nothing of latency"):
        read_reference(plain(), str(file), "a", "latency")
    (part,) = [p for p in json.loads(read_reference(plain(), str(file), "a", "refusal_rate")) if not p["segment"]]
    assert sum(part["counts"]) == 3
