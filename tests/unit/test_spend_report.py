"""What `undertow spend` reads from the store and says."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from math import log
from typing import Any

import pytest

from undertow.drift.interaction import Interaction
from undertow.drift.prices import DatedPrice, Price, PriceTable
from undertow.drift.projection import PICO
from undertow.drift.spend import Spend, SpendRow
from undertow.pipelines import spend_report
from undertow.pipelines.prices import retirements
from undertow.pipelines.spend_report import SpendReport, spend_columns
from undertow.pipelines.spend_text import render

DAY = 86_400.0
START = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
SPLIT = START + 7 * DAY
PRICES = PriceTable(
    {"small": [DatedPrice(Price(1.0, 4.0)), DatedPrice(Price(2.0, 8.0), since=SPLIT + 3600.0)]},
)


def stored() -> list[SpendRow]:
    """Return two weeks of hours: in the second one the price doubles, another user comes and a model has no price."""
    spend, rows = Spend(lambda user: f"#{user}"), []
    for hour in range(14 * 24):
        time = START + hour * 3600.0
        for number, user in enumerate(["ana"] if time < SPLIT else ["ana", "eval"]):
            event = Interaction(id=f"{hour}-{number}", time=time, service="support", environment="prod", user=user)
            event.model = "small"
            event.input_tokens, event.output_tokens = 1_000_000, 0
            rows += spend.observe(event, PRICES.charge(event), time)
            spend.observe_task("support", "prod", time)
        if time >= SPLIT or hour == 0:
            model = "mystery" if time >= SPLIT else "forgotten"
            event = Interaction(id=f"{hour}-m", time=time, service="support", environment="prod", model=model)
            rows += spend.observe(event, None, time)
    return rows + spend.close_all()


class FakeStore:
    """Answers the report's three questions from rows, as the store does."""

    def __init__(self, rows: list[SpendRow]) -> None:
        columns = spend_columns(rows)
        self.rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def __call__(self, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if sql == spend_report.LATEST_SQL:
            return [(max((row["hour"] for row in self.rows), default=0),)]
        if sql == spend_report.PROVIDERS_SQL:
            return [("small", "openai", 300), ("mystery", "", 168)]
        rows = [row for row in self.rows if given["since"] <= row["hour"] <= given["until"]]
        if sql == spend_report.HOURS_SQL:
            hours: Counter[tuple[str, str, int]] = Counter()
            for row in rows:
                hours[row["service"], row["environment"], int(row["hour"] // 3600)] += row["picodollars"]
            return [(*key, cost) for key, cost in hours.items()]
        names = [name for name in self.rows[0] if name != "hour"]
        return [
            (*(row[name] for name in names[:4]), row["hour"] >= given["split"], *(row[name] for name in names[4:]))
            for row in rows
        ]


def report() -> SpendReport:
    dates = retirements({"small": date(2026, 7, 15)})
    found = spend_report.spend_report(FakeStore(stored()), PRICES, dates)
    assert found is not None
    return found


def test_the_columns_of_the_store_hold_every_sum() -> None:
    row = next(row for row in stored() if row.model == "small")
    columns = spend_columns([row])
    assert len(columns) == 5 + len(row.totals.__struct_fields__)
    assert columns["picodollars"] == columns["input_picodollars"] == [1 * PICO]
    assert columns["principal"] == ["#ana"]


def test_a_report_compares_two_periods_and_projects_the_month() -> None:
    found = report()
    assert found.now == START + 14 * DAY
    (service,) = found.services
    assert (service.change.before, service.change.after) == pytest.approx((168.0, 2 * 334 + 2))
    effects = {one.name: one.log for one in service.change.effects if abs(one.log) > 0.01}
    assert effects == pytest.approx({"volume": log(2), "price": log(670 / 336)})
    assert {one.name: (one.before, round(one.after, 2)) for one in service.principals if one.name} == {
        "#ana": (1.0, 0.5),
        "#eval": (0.0, 0.5),
    }
    assert service.projection.spent == pytest.approx(168 + 670)
    assert service.projection.low < 168 + 670 + 16 * 96 < service.projection.high


def test_a_report_names_price_changes_retiring_and_unpriced_models() -> None:
    found = report()
    assert [(one.model, one.dated.price.output) for one in found.price_changes] == [("small", 8.0)]
    assert [(one.model, round(one.days)) for one in found.retiring] == [("small", 30)]
    assert found.unpriced == {"mystery": 168}


def test_an_empty_store_has_no_report() -> None:
    assert spend_report.spend_report(FakeStore([]), PRICES, retirements()) is None


def test_the_text_says_what_on_call_asks() -> None:
    text = render(report())
    for part in (
        "Spend until 2026-06-15 00:00 UTC, the last 7 days against the 7 days before",
        "support (prod): $670 in 7 days, before $168 (x 3.99)",
        "this month: $838 so far, $",
        "price of a token: small +$",
        "; the last 24 hours: x 4.00",
        "user #eval: 0% → 50% of the spend",
        "small has another list price since 2026-06-08: $2 and $8 a million input and output tokens",
        "small is switched off on 2026-07-15, in 30 days (configuration); 300 calls used it",
        "No price is known for: mystery (168 calls)",
        "calls without a price: 1% → 33%; what they cost is not seen",
    ):
        assert part in text, f"{part!r} is not in\n{text}"
