"""The check: what of a file can be watched, what not and why, and what the settings do."""

import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from undertow.drift.metrics import METRICS
from undertow.pipelines.check import FileReport, explain_settings, inspect_file, render
from undertow.pipelines.gaps import HIDES
from undertow.pipelines.settings import Settings, parse
from undertow.pipelines.source import SourceError

START = 1_700_000_000.0


def events(count: int = 50, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": str(n), "time": START + n, "service": "support", **fields} for n in range(count)]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_metrics_that_lack_a_field_are_named_with_what_that_hides(file: Path) -> None:
    report = inspect_file(write(file, events(output="Sure.", latency=1.0)))
    assert {"refusal_rate", "output_length", "latency"} <= {metric.name for metric in report.metrics}
    gaps = {gap.metric: gap for gap in report.gaps}
    assert {"calls_per_task", "input_length", "cost_per_task", "truncation_rate"} <= set(gaps)
    assert "a call is its own task" in gaps["calls_per_task"].hides
    assert "Cannot be watched: truncation_rate, for want of finish_reason" in render(report)


def test_every_metric_is_either_watched_or_explained(file: Path) -> None:
    report = inspect_file(write(file, events()))
    named = {metric.name for metric in report.metrics} | {gap.metric for gap in report.gaps}
    assert named == {name for name in METRICS if "." not in name}
    assert set(HIDES) | {"error_rate"} == named


def test_shares_count_the_events_that_carry_a_field(file: Path) -> None:
    report = inspect_file(write(file, [*events(30, output="Sure."), *events(10)]))
    assert report.presence["output"] == pytest.approx(0.75)
    assert {metric.name: metric.share for metric in report.metrics}["output_length"] == pytest.approx(0.75)


def test_rejects_are_counted_with_an_example_whose_secrets_are_masked(file: Path) -> None:
    records = events(5) + [{"id": "x", "time": "soon", "service": "s", "user": "ana@example.com"}] * 3
    report = inspect_file(write(file, records))
    (reject,) = report.rejects
    assert (reject.field, reject.count, reject.line) == ("time", 3, 6)
    assert "ana@example.com" not in reject.excerpt
    assert (report.format, report.records, report.readable) == ("native", 8, 5)


def test_dimensions_show_how_many_values_they_have(file: Path) -> None:
    records = [{**event, "attributes": {"region": f"r{n % 3}"}} for n, event in enumerate(events(30))]
    slices = {part.dimension: part for part in inspect_file(write(file, records)).slices}
    assert (slices["region"].values, slices["region"].top) == (3, ["r0", "r1", "r2"])
    assert slices["agent"].values == 0


def test_a_file_with_the_newest_event_first_is_told_and_so_is_its_late_share(file: Path) -> None:
    order = inspect_file(write(file, events(500)[::-1])).order
    assert order is not None
    assert order.newest_first
    assert order.late_share == pytest.approx(0.86, abs=0.02)
    report = inspect_file(write(file, events(500)))
    assert report.order is not None
    assert (report.order.newest_first, report.order.late_share) == (False, 0.0)


def test_a_foreign_file_gets_a_map_that_the_settings_accept(file: Path) -> None:
    records = [{"at": START + n, "prompt": "Hi", "completion": "Hello", "meta": {"region": "eu"}} for n in range(20)]
    report = inspect_file(write(file, records))
    assert (report.format, report.readable) == ("foreign", 20)
    settings = parse(report.toml)
    assert settings.ingest.fields == report.proposal == tomllib.loads(report.toml)["ingest"]["fields"]
    again = inspect_file(file, settings)
    assert (again.readable, again.proposal) == (20, {})
    assert '"attributes.region" = "meta.region"' in render(report)


def test_a_foreign_file_without_a_time_says_so(file: Path) -> None:
    report = inspect_file(write(file, [{"prompt": "Hi", "completion": "Hello"}] * 5))
    assert report.readable == 0
    assert any("No field tells when" in note for note in report.notes)
    assert "This much of a map was found" in render(report)


@pytest.mark.parametrize(("wrap", "way"), [(lambda records: records, ".[]"), (lambda records: records[0], "jq -c . ")])
def test_a_json_document_is_recognised_and_its_records_are_proposed_for(file: Path, wrap: Any, way: str) -> None:
    records = [{"created_at": "2026-01-01T00:00:00Z", "prompt": "Hi", "completion": "Hello"}] * 3
    file.write_text(json.dumps(wrap(records), indent=2))
    report = inspect_file(file)
    assert any("one JSON document" in note and way in note for note in report.notes)
    assert report.proposal["output"] == "completion"


def test_ids_that_repeat_and_prices_that_lack_are_noted(file: Path) -> None:
    records = [{**event, "id": "same"} for event in events(3, model="in-house-7", input_tokens=5, output_tokens=5)]
    notes = " ".join(inspect_file(write(file, records)).notes)
    assert "2 events repeat an id" in notes
    assert "Not priced: in-house-7 ×3" in notes


@pytest.mark.parametrize("content", [b"", b"\n", b"not json\n", b"[]", b"{}", gzip.compress(b"", mtime=0)])
def test_no_file_is_too_poor_to_report_on(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    report = inspect_file(file)
    assert isinstance(report, FileReport)
    assert report.readable == 0
    assert render(report)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing"):
        inspect_file(tmp_path / "nothing")


def test_settings_are_explained_without_their_secrets() -> None:
    settings = parse(
        '[ingest]\npaths = ["a.jsonl"]\n[alerts.pagerduty]\nrouting_key = "k-123"\n'
        '[alerts.webhook]\nurl = "https://x"\nsecret = "w-456"\n'
        '[store]\nurl = "http://user:p-789@db:8123/u"\n[budget]\nnotify = "shadow"\n'
    )
    text = "\n".join(explain_settings(settings))
    for told in ("a.jsonl", "pagerduty, webhook, console", "recorded, not sent", "http://db:8123/u", "refusal_rate"):
        assert told in text
    for secret in ("k-123", "w-456", "p-789"):
        assert secret not in text


def test_the_number_of_series_is_what_the_settings_bring() -> None:
    off = [name for name in METRICS if "." not in name and name != "refusal_rate"]
    text = f"[detection]\nmetrics_off = {json.dumps(off)}\ndimensions = ['region']\nvalues_per_dimension = 3\n"
    told = explain_settings(parse(text))
    assert any("Series: 1 for a service as a whole, at most 5 with its slices" in sentence for sentence in told)
    assert explain_settings(Settings())[0].startswith("Events: none configured")
