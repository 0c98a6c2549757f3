"""Calls that a ClickHouse server holds, put into a page by the statement that the pager asks."""

from pathlib import Path

from clickhouse_server import served
from stored import START, insert_calls

from undertow.alerts.incident import Incident, Severity, State
from undertow.drift.verdict import Estimate, Series, Verdict
from undertow.pipelines import settings
from undertow.pipelines.clickhouse import Store, ask_server
from undertow.pipelines.stored_calls import illustrate

CHANGED = START + 200
SLICE = {"service": "support", "environment": "prod", "attributes": {"region": "o'eu"}}


def refusals_rose() -> Incident:
    verdict = Verdict(
        id="v",
        kind="page",
        series=Series("support", "prod", (("region", "o'eu"),), "refusal_rate"),
        direction="up",
        detected_at=CHANGED + 100,
        changed_at=CHANGED,
        changed_from=CHANGED - 5,
        changed_to=CHANGED + 5,
        before=Estimate(0.0, 0.0, 0.01, 200),
        after=Estimate(0.9, 0.8, 0.95, 100),
        events=100,
        statistic=12.0,
        threshold=9.0,
        detector="beta_binomial",
        reason="refusals rose",
    )
    return Incident(
        id="i",
        service="support",
        environment="prod",
        state=State.OPEN,
        severity=Severity.ERROR,
        opened_at=CHANGED + 100,
        changed_at=CHANGED,
        changed_from=CHANGED - 5,
        changed_to=CHANGED + 5,
        headline="refusals rose",
        verdicts=[verdict],
    )


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
