"""Calls that a ClickHouse server holds, put into a page by the statement that the pager asks."""

from pathlib import Path

from alert_samples import incident, series, verdict
from clickhouse_server import served
from stored import START, insert_calls

from undertow.alerts.incident import Incident
from undertow.pipelines import settings
from undertow.pipelines.clickhouse import Store, ask_server
from undertow.pipelines.stored_calls import illustrate

CHANGED = START + 200
SLICE = {"service": "support", "environment": "prod", "attributes": {"region": "o'eu"}}


def refusals_rose() -> Incident:
    where = series(region="o'eu")
    return incident(verdicts=[verdict(where, at=CHANGED + 100, changed=CHANGED, before=0.0, after=0.9)])


def test_a_page_shows_calls_of_its_slice_from_before_and_since(tmp_path: Path) -> None:
    rose = [n >= 200 for n in range(300)]
    calls = [
        {**SLICE, "time": START + n, "output": f"I cannot discuss policy {n}." if bad else f"Your parcel {n} left."}
        for n, bad in enumerate(rose)
    ]
    elsewhere = [{**SLICE, "attributes": {"region": "us"}, "time": START + n, "output": "Elsewhere."} for n in range(9)]
    with served(tmp_path / "server") as url:
        where = settings.Store(url=url)
        with Store.open(where, tmp_path) as store:
            refused = [*map(float, rose), *[1.0] * len(elsewhere)]
            insert_calls(store, *calls, *elsewhere, block="calls", refusal_rate=refused)
        found = illustrate(refusals_rose(), lambda sql: ask_server(where, sql, patience_s=10.0).rows)
    before, since = ([call["output"] for call in found.shown[side]] for side in ("before", "since"))
    assert before
    assert since
    assert all(said.startswith("Your parcel") for said in before)
    assert all(said.startswith("I cannot discuss") for said in since)
    assert any("policy" in words for words in found.words)
