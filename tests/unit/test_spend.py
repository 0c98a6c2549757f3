"""What is spent: closed hours, their limits, projections, and money that cannot be true."""

import json
import math
import random
from collections import defaultdict
from typing import Any

import pytest

from undertow.drift.decomposition import decompose
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.prices import Charge, Price, PriceTable
from undertow.drift.projection import PICO
from undertow.drift.spend import OTHER, Spend, SpendConfig, SpendRow, Totals, added_up

PRICES = PriceTable({"small": Price(input=1.0, output=4.0, cached=0.1), "large": Price(input=10.0, output=40.0)})
HOUR = 3600.0


def pseudonym(user: str) -> str:
    return f"#{user[::-1]}"


def call(number: int = 0, time: float = 0.0, **fields: Any) -> Interaction:
    given: dict[str, Any] = {"model": "small", "input_tokens": 1000, "cached_tokens": 400, "output_tokens": 50}
    return Interaction(id=str(number), time=time, service="support", **given | fields)


def traffic(count: int = 600, hours: int = 4) -> list[Interaction]:
    rng = random.Random(5)
    return [
        call(
            number,
            rng.uniform(0, hours * HOUR),
            model=rng.choice(["small", "large", "mystery"]),
            user=rng.choice([None, "ana", "bo", "cy", "di"]),
            input_tokens=rng.randrange(500, 5000),
            environment=rng.choice(["prod", "test"]),
        )
        for number, _ in enumerate(range(count))
    ]


def run(spend: Spend, events: list[Interaction], lateness: float = float("inf")) -> list[SpendRow]:
    rows: list[SpendRow] = []
    latest = 0.0
    for event in events:
        latest = max(latest, event.time)
        rows += spend.observe(event, PRICES.charge(event), latest - lateness)
    return rows + spend.close_all()


def merged(rows: list[SpendRow]) -> dict[tuple[Any, ...], list[int]]:
    sums: dict[tuple[Any, ...], Totals] = defaultdict(Totals)
    for row in rows:
        sums[row.hour, row.service, row.environment, row.model, row.principal].add(row.totals)
    return {key: [getattr(totals, name) for name in totals.__struct_fields__] for key, totals in sums.items()}


def by_model(rows: list[SpendRow]) -> dict[str, Totals]:
    return added_up(rows, lambda row: row.model)


def test_an_hour_closes_when_the_watermark_reaches_its_end_and_not_before() -> None:
    spend = Spend(pseudonym)
    assert spend.observe(call(1, 10.0), PRICES.charge(call()), 10.0) == []
    assert spend.observe(call(2, HOUR + 50), PRICES.charge(call()), HOUR - 0.1) == []
    (row,) = spend.observe(call(3, HOUR + 60), PRICES.charge(call()), HOUR)
    assert (row.hour, row.service, row.model, row.principal, row.totals.calls) == (0.0, "support", "small", "", 1)
    assert spend.expire(1.9 * HOUR) == []
    assert [row.totals.calls for row in spend.close_all()] == [2]


def test_a_row_holds_every_sum_of_its_hour() -> None:
    usage = {"cache_write_tokens": 100, "reasoning_tokens": 20}
    (row,) = run(Spend(pseudonym), [call(n, user="ana", **usage) for n in range(3)])
    assert row.principal == "#ana"
    assert row.totals == Totals(
        calls=3,
        plain=1500,
        cached=1200,
        written=300,
        output=150,
        reasoning=60,
        cost=3 * (500 + 40 + 100 + 200) * PICO // 10**6,
        cost_plain=3 * 500 * PICO // 10**6,
        cost_cached=3 * 40 * PICO // 10**6,
        cost_written=3 * 100 * PICO // 10**6,
        cost_output=3 * 200 * PICO // 10**6,
    )


def test_roundings_of_parts_are_no_fee() -> None:
    """Prices that no whole number of picodollars meets: the parts still add up to the cost."""
    table = PriceTable({"small": Price(input=1 / 3, output=10 / 7, cached=1 / 11, cache_write=2 / 3)})
    spend = Spend(pseudonym)
    for number in range(200):
        event = call(number, input_tokens=1000 + number, cache_write_tokens=7 * number % 501)
        spend.observe(event, table.charge(event), 0.0)
    (row,) = spend.close_all()
    totals = row.totals
    assert totals.cost == totals.cost_plain + totals.cost_cached + totals.cost_written + totals.cost_output


def test_a_call_without_a_price_counts_as_unpriced_with_its_tokens() -> None:
    (row,) = run(Spend(pseudonym), [call(model="mystery")])
    assert (row.model, row.totals.calls, row.totals.unpriced, row.totals.cost) == ("mystery", 1, 1, 0)
    assert row.totals.plain == 600


def test_the_order_of_events_changes_nothing() -> None:
    events = traffic()
    expected = merged(run(Spend(pseudonym), events))
    for seed in range(5):
        assert merged(run(Spend(pseudonym), random.Random(seed).sample(events, len(events)))) == expected


def test_what_comes_late_is_added_in_a_row_of_its_own() -> None:
    """Whatever the lateness allowed, rows of the same hour and key add up to the same."""
    events = traffic()
    late = run(Spend(pseudonym), events, lateness=600.0)
    assert len(late) > len(run(Spend(pseudonym), events))
    assert merged(late) == merged(run(Spend(pseudonym), events))


def test_a_resumed_spend_goes_on_as_if_nothing_had_happened() -> None:
    events = sorted(traffic(), key=lambda event: event.time)
    whole = run(Spend(pseudonym), events, lateness=60.0)
    for cut in (0, 1, 250, 599):
        rows: list[SpendRow] = []
        spend, latest = Spend(pseudonym), 0.0
        for number, event in enumerate(events):
            if number == cut:
                state = json.loads(json.dumps(spend.snapshot()))
                spend = Spend.build(pseudonym, state=state)
            latest = max(latest, event.time)
            rows += spend.observe(event, PRICES.charge(event), latest - 60.0)
        assert rows + spend.close_all() == whole
    with pytest.raises(ValueError, match="version 7"):
        Spend.build(pseudonym, state={"version": 7})


def test_projections_survive_a_restart() -> None:
    spend = Spend(pseudonym)
    for hour in range(100):
        event = call(hour, hour * HOUR)
        spend.observe(event, PRICES.charge(event), event.time)
    again = Spend.build(pseudonym, state=json.loads(json.dumps(spend.snapshot())))
    now = 100 * HOUR
    assert again.projection(now, "support") == spend.projection(now, "support")
    assert spend.projection(now, "support").value == pytest.approx(744 * 0.00084, rel=1e-6)
    assert spend.projections(now).keys() == {("support", "")}
    assert spend.projection(now, "nobody").spent == 0.0


def test_no_plain_name_of_a_user_is_in_the_state_or_in_a_row() -> None:
    spend = Spend(lambda user: "7f3a")
    rows = spend.observe(call(user="ana@example.org"), None, 0.0)
    assert "ana" not in json.dumps(spend.snapshot())
    assert "ana" not in str(rows + spend.close_all())


def test_too_many_principals_are_added_up_by_model_in_any_order() -> None:
    events = [call(n, user=f"user{n}", model=("small", "large")[n % 2]) for n in range(300)]
    config = SpendConfig(max_keys=20)
    spend = Spend(pseudonym, config)
    rows = run(spend, events)
    assert len(rows) == 22
    assert {row.model for row in rows if row.principal == OTHER} == {"small", "large"}
    assert sum(row.totals.calls for row in rows) == 300
    assert spend.folded == 280
    for seed in range(5):
        assert run(Spend(pseudonym, config), random.Random(seed).sample(events, 300)) == rows


def test_a_closed_hour_keeps_those_who_cost_most() -> None:
    events = [call(n, user=f"user{n}", input_tokens=1000 + n) for n in range(100)]
    spend = Spend(pseudonym, SpendConfig(max_rows=10))
    rows = run(spend, events)
    assert {row.principal for row in rows} == {pseudonym(f"user{n}") for n in range(90, 100)} | {OTHER}
    assert sum(row.totals.calls for row in rows) == 100
    assert spend.folded == 90


def test_models_and_services_without_end_take_bounded_memory() -> None:
    spend = Spend(pseudonym, SpendConfig(max_keys=10, max_services=5))
    for number in range(5000):
        spend.observe(call(number, model=f"m{number}", cost=0.1), Charge(0.1), 0.0)
    assert len(spend.snapshot()["open"][0][1][0]) == 10
    assert len(spend.snapshot()["open"][0][1][1]) == 1000
    events = [Interaction(id=str(n), time=0.0, service=f"s{n}", cost=1.0) for n in range(50)]
    for event in events:
        spend.observe(event, PRICES.charge(event), 0.0)
    spend.close_all()
    kept, rest = spend.snapshot()["history"]
    assert (len(kept), len(rest)) == (5, 1)
    assert sum(found.spent for found in spend.projections(HOUR).values()) == pytest.approx(50.0 + 500.0)


def test_hours_of_six_weeks_are_remembered_and_no_more() -> None:
    spend = Spend(pseudonym)
    for hour in range(1500):
        event = call(hour, hour * HOUR)
        spend.observe(event, PRICES.charge(event), event.time)
    (((_, hours),), _) = spend.snapshot()["history"]
    assert len(hours) == 1008
    assert hours[-1][0] == 1498


@pytest.mark.parametrize(
    ("fields", "charge"),
    [
        ({"input_tokens": 10**18}, None),
        ({"output_tokens": -5}, None),
        ({"cached_tokens": float("nan")}, None),
        ({"time": float("nan")}, None),
        ({"time": -1.0}, None),
        ({"time": 1e300}, None),
        ({}, Charge(float("nan"))),
        ({}, Charge(-1.0)),
        ({}, Charge(float("inf"))),
        ({}, Charge(1e9)),
    ],
)
def test_figures_that_cannot_be_true_are_counted_and_change_nothing(
    fields: dict[str, Any], charge: Charge | None
) -> None:
    spend = Spend(pseudonym)
    spend.observe(call(1), PRICES.charge(call()), 0.0)
    before = spend.snapshot()
    assert spend.observe(call(**{"number": 2} | fields), charge, 0.0) == []
    assert sum(spend.refused.values()) == 1
    assert spend.snapshot() | {"refused": {}} == before


def test_tools_scores_and_changes_only_let_time_pass() -> None:
    spend = Spend(pseudonym)
    spend.observe(call(1), PRICES.charge(call()), 0.0)
    for kind in (Kind.TOOL, Kind.SCORE, Kind.CHANGE):
        assert spend.observe(call(2, kind=kind, cost=5.0), Charge(5.0), 10.0) == []
    (row,) = spend.observe(call(3, 2 * HOUR, kind=Kind.SCORE), None, 2 * HOUR)
    assert row.totals.calls == 1


def test_a_task_counts_in_the_hour_in_which_it_closed_for_its_service() -> None:
    spend = Spend(pseudonym)
    run_calls = [call(n, n * 100.0, task="t") for n in range(3)]
    for event in run_calls:
        spend.observe(event, PRICES.charge(event), event.time)
    spend.observe_task("support", "", HOUR + 5.0)
    spend.observe_task("support", "", float("nan"))
    rows = spend.close_all()
    assert [(row.hour, row.model, row.totals.calls, row.totals.tasks) for row in rows] == [
        (0.0, "small", 3, 0),
        (HOUR, "", 0, 1),
    ]


def test_a_prototype_that_goes_to_production_is_projected_and_its_growth_explained() -> None:
    """Thirty times the tasks at three calls each: ninety times the spend, seen after a day and told apart."""
    spend, rows = Spend(pseudonym), []
    jump, now = 21 * 24, 22 * 24 * HOUR
    for hour in range(22 * 24):
        tasks, calls = (30, 90) if hour >= jump else (1, 1)
        for number in range(calls):
            event = call(number, hour * HOUR)
            rows += spend.observe(event, PRICES.charge(event), event.time)
        for _ in range(tasks):
            spend.observe_task("support", "", hour * HOUR)
    found = spend.projection(now, "support")
    assert found.pace == pytest.approx(90.0)
    truth = (jump + 90 * (31 * 24 - jump)) * 0.00084
    assert found.value == pytest.approx(truth, rel=0.01)
    assert found.low < truth / 3, "a day may be a blip"
    rows += spend.close_all()
    before = [row for row in rows if row.hour < jump * HOUR]
    after = [row for row in rows if row.hour >= jump * HOUR]
    closed = tuple(sum(row.totals.tasks for row in period) for period in (before, after))
    change = decompose(by_model(before), by_model(after), (closed[0], closed[1]), (jump, 24.0))
    factors = {one.name: round(math.exp(one.log), 6) for one in change.effects if abs(one.log) > 1e-6}
    assert factors == {"volume": 30.0, "calls_per_task": 3.0}


def test_a_principal_that_takes_over_shows_in_the_mix() -> None:
    events = [call(n, 0.0, user="app") for n in range(90)] + [call(n, 0.0, user="eval") for n in range(90, 100)]
    events += [call(n, HOUR, user="app") for n in range(100, 200)]
    events += [call(n, HOUR, user="eval", model="large") for n in range(200, 260)]
    share = {}
    for hour in (0.0, HOUR):
        rows = [row for row in run(Spend(pseudonym), events) if row.hour == hour]
        whole = sum(row.totals.cost for row in rows)
        share[hour] = sum(row.totals.cost for row in rows if row.principal == pseudonym("eval")) / whole
    assert share[0.0] == pytest.approx(0.1)
    assert share[HOUR] > 0.8
