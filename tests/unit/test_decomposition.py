"""What has made the spend change, to the last cent."""

import math
from math import exp, log
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.drift.decomposition import EFFECTS, decompose, moved_shares
from undertow.drift.interaction import Interaction
from undertow.drift.prices import DatedPrice, Price, PriceTable
from undertow.drift.projection import PICO
from undertow.drift.spend import Totals
from undertow.drift.usage import Fault, usage_of

TABLE = PriceTable(
    {
        "small": [
            DatedPrice(Price(input=1.0, output=4.0, cached=0.1)),
            DatedPrice(Price(input=2.0, output=8.0, cached=0.2), since=1000.0),
        ],
        "large": Price(input=10.0, output=40.0, cached=1.0, cache_write=12.5),
        "search": Price(input=1.0, output=4.0, request=0.005),
    }
)


def traffic(
    calls: int = 100, model: str = "small", time: float = 0.0, cost: float | None = None, **usage: int
) -> dict[str, Totals]:
    """Return the totals of calls that are all alike, priced by the table as live traffic is."""
    totals = Totals()
    given: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 200, "cached_tokens": 500} | usage
    for number in range(calls):
        event = Interaction(id=str(number), time=time, service="s", model=model, cost=cost, **given)
        usage_seen = usage_of(event)
        assert not isinstance(usage_seen, Fault)
        totals.count(usage_seen, TABLE.charge(event))
    return {model: totals}


def effects(
    before: dict[str, Totals], after: dict[str, Totals], tasks: tuple[int, int] = (100, 100)
) -> dict[str, float]:
    """Return the factors by which each cause multiplied the spend, leaving out what rounds to 1."""
    found = decompose(before, after, tasks)
    return {one.name: round(exp(one.log), 6) for one in found.effects if abs(one.log) > 1e-6}


def test_more_tasks_are_volume() -> None:
    assert effects(traffic(), traffic(calls=300), tasks=(100, 300)) == {"volume": 3.0}


def test_more_calls_for_the_same_tasks_are_calls_per_task() -> None:
    assert effects(traffic(), traffic(calls=300)) == {"calls_per_task": 3.0}


def test_without_tasks_calls_are_the_volume() -> None:
    assert effects(traffic(), traffic(calls=300), tasks=(0, 7)) == {"volume": 3.0}


def test_a_price_change_with_the_same_tokens_is_price_and_nothing_else() -> None:
    assert effects(traffic(), traffic(time=1000.0)) == {"price": 2.0}


def test_chattier_answers_at_the_same_prices_are_output_tokens_and_nothing_else() -> None:
    """Although dearer output now makes up more of the bill, so that a token costs more on average."""
    assert effects(traffic(), traffic(output_tokens=400)).keys() == {"output_per_call"}


def test_longer_prompts_cached_as_before_are_input_tokens_and_nothing_else() -> None:
    longer = traffic(input_tokens=2000, cached_tokens=1000)
    assert effects(traffic(), longer).keys() == {"input_per_call"}


def test_a_lost_cache_is_cache_share_and_nothing_else() -> None:
    found = decompose(traffic(), traffic(cached_tokens=0), (100, 100))
    (effect,) = [one for one in found.effects if abs(one.log) > 1e-6]
    assert effect.name == "cache_share"
    assert effect.dollars == pytest.approx(100 * 500 * (1.0 - 0.1) / 1e6)


def test_another_model_for_a_part_of_the_calls_is_model_mix_and_nothing_else() -> None:
    both = traffic(calls=60) | traffic(calls=40, model="large")
    assert effects(traffic(), both).keys() == {"model_mix"}


def test_a_fee_for_each_call_does_not_grow_with_its_tokens() -> None:
    only_fees = {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}
    before, after = traffic(model="search", **only_fees), traffic(model="search", **only_fees, calls=200)
    assert effects(before, after) == {"calls_per_task": 2.0}
    longer = traffic(model="search", output_tokens=2000)
    assert effects(traffic(model="search"), longer).keys() == {"output_per_call"}


def test_a_stated_cost_of_an_unknown_model_is_told_by_its_tokens() -> None:
    assert effects(traffic(model="own", cost=0.01), traffic(model="own", cost=0.03)) == {"price": 3.0}
    twice = traffic(model="own", cost=0.02, input_tokens=2000, output_tokens=400)
    assert effects(traffic(model="own", cost=0.01), twice) == {"tokens_per_call": 2.0}


def test_a_discount_on_a_known_model_is_price() -> None:
    listed = 500 / 1e6 + 500 * 0.1 / 1e6 + 200 * 4 / 1e6
    assert effects(traffic(), traffic(cost=listed / 2)) == {"price": 0.5}


def test_models_that_grew_dearer_are_named() -> None:
    before = traffic() | traffic(model="large", calls=10)
    after = traffic(time=1000.0) | traffic(model="large", calls=10, output_tokens=300)
    found = {one.name: one.models for one in decompose(before, after, (50, 50)).effects if abs(one.log) > 1e-6}
    assert [model for model, _ in found["price"] if abs(_) > 1e-9] == ["small"]
    assert [model for model, _ in found["output_per_call"]] == ["large"]


def test_periods_of_different_length_are_compared_by_the_second() -> None:
    found = decompose(traffic(calls=700), traffic(calls=100), (70, 10), (7 * 86_400.0, 86_400.0))
    assert found.before == pytest.approx(found.after)
    assert not [one for one in found.effects if abs(one.dollars) > 1e-15]


def test_unpriced_calls_are_told_since_they_hide_a_part() -> None:
    after = traffic(calls=50) | traffic(calls=50, model="mystery")
    assert decompose(traffic(), after).unpriced == (0.0, 0.5)


def test_a_bill_of_nothing_has_dollars_but_no_logarithm() -> None:
    found = decompose({}, traffic(), (0, 100))
    assert sum(one.dollars for one in found.effects) == pytest.approx(found.after)
    assert all(math.isnan(one.log) for one in found.effects)
    assert decompose({}, {}).effects == ()


def test_a_length_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds = 0"):
        decompose(traffic(), traffic(), seconds=(1.0, 0.0))


COUNTS = st.integers(0, 10**7)


@st.composite
def totals(draw: st.DrawFn) -> Totals:
    calls = draw(st.integers(0, 10**6))
    tokens = [draw(COUNTS) if calls else 0 for _ in range(4)]
    costs = [draw(st.integers(0, 10**12)) if count else 0 for count in tokens]
    fees = draw(st.integers(0, 10**9)) if calls else 0
    if draw(st.booleans()):
        costs, fees = [0] * 4, draw(st.integers(0, 10**12)) if any(tokens) else 0
    plain, cached, written, output = tokens
    by_kind = dict(zip(("cost_plain", "cost_cached", "cost_written", "cost_output"), costs, strict=True))
    return Totals(
        calls=calls, plain=plain, cached=cached, written=written, output=output, cost=sum(costs) + fees, **by_kind
    )


periods = st.dictionaries(st.sampled_from(["a", "b", "c"]), totals(), max_size=3)
task_counts = st.tuples(st.integers(0, 10**5), st.integers(0, 10**5))


@settings(max_examples=300)
@given(periods, periods, task_counts)
def test_the_parts_add_up_to_the_change_in_dollars_and_in_logarithms(
    before: dict[str, Totals], after: dict[str, Totals], tasks: tuple[int, int]
) -> None:
    found = decompose(before, after, tasks)
    scale = max(found.before, found.after)
    assert sum(one.dollars for one in found.effects) == pytest.approx(found.after - found.before, abs=1e-9 * scale)
    if found.before and found.after:
        logs = sum(one.log for one in found.effects)
        assert logs == pytest.approx(log(found.after / found.before), abs=1e-6)
    assert {one.name for one in found.effects} <= EFFECTS.keys()


@given(periods, periods, task_counts)
def test_what_went_up_comes_down_again_by_the_same_causes(
    before: dict[str, Totals], after: dict[str, Totals], tasks: tuple[int, int]
) -> None:
    there = {one.name: one.dollars for one in decompose(before, after, tasks).effects}
    back = {one.name: one.dollars for one in decompose(after, before, tasks[::-1]).effects}
    scale = sum(one.cost for period in (before, after) for one in period.values()) / PICO
    for name in there.keys() | back.keys():
        assert there.get(name, 0.0) == pytest.approx(-back.get(name, 0.0), abs=1e-9 * scale)


def test_the_user_who_takes_over_leads_the_mix() -> None:
    """An evaluation team at production scale: from a tenth of the spend to four fifths."""
    moved = moved_shares({"app": 600, "batch": 300, "eval": 100}, {"app": 700, "batch": 300, "eval": 4000})
    assert (moved[0].name, moved[0].before, moved[0].after) == ("eval", 0.1, 0.8)
    assert [one.name for one in moved[1:]] == ["app", "batch"]
    assert moved_shares({}, {"a": 1})[0].before == 0.0
