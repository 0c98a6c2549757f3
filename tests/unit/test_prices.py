import random
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import Usage

from undertow.drift.interaction import Interaction
from undertow.drift.prices import DatedPrice, Lookup, Price, PriceTable
from undertow.pipelines import settings
from undertow.pipelines.prices import price_table, shipped

CHEAP = Price(input=1.0, output=4.0, cached=0.1, cache_write=1.25)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


def call(**fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": "1", "time": NOON, "service": "s", "input_tokens": 1_000_000}
    return Interaction(**envelope | fields)


def test_the_events_own_cost_wins_over_any_price() -> None:
    assert PriceTable({"m": CHEAP}).cost(call(model="m", cost=0.0)) == 0.0


def test_cached_and_written_tokens_are_parts_of_the_input_with_prices_of_their_own() -> None:
    event = call(model="m", output_tokens=500_000, cached_tokens=400_000, cache_write_tokens=200_000)
    assert PriceTable({"m": CHEAP}).cost(event) == pytest.approx(0.4 * 1.0 + 0.4 * 0.1 + 0.2 * 1.25 + 0.5 * 4.0)
    plain = Price(input=1.0, output=4.0)
    assert PriceTable({"m": plain}).cost(event) == pytest.approx(1.0 + 2.0)


def test_counts_that_leave_cached_tokens_out_of_the_input_are_all_priced() -> None:
    """More cached tokens than input: the input must be what is left beside them."""
    event = call(model="m", input_tokens=10, cached_tokens=1000)
    assert PriceTable({"m": CHEAP}).cost(event) == pytest.approx(10e-6 * 1.0 + 1000e-6 * 0.1)


def test_what_answered_is_priced_before_what_was_asked_for() -> None:
    table = PriceTable({"asked": CHEAP, "answered": Price(input=7.0, output=0.0)})
    assert table.cost(call(model="asked", response_model="answered")) == 7.0


@pytest.mark.parametrize(
    "name",
    [
        "model-a",
        "MODEL-A",
        "model-a-2024-08-06",
        "model-a-20240806",
        "model-a-0613",
        "model-a@20240806",
        "model-a-latest",
        "vendor/model-a",
        "vendor/team/model-a-2024-08-06",
        "us.anthropic.model-a-20240806-v2:0",
    ],
)
def test_a_name_is_known_without_its_folder_region_date_and_version(name: str) -> None:
    assert PriceTable({"model-a": CHEAP}).cost(call(model=name)) == 1.0


@pytest.mark.parametrize("name", ["model-b", "model-a-mini", "my-model-a"])
def test_another_models_name_is_not_stretched(name: str) -> None:
    assert PriceTable({"model-a": CHEAP}).cost(call(model=name)) is None


def test_a_dated_name_with_its_own_price_keeps_it() -> None:
    table = PriceTable({"m": CHEAP, "m-2024-08-06": Price(input=3.0, output=0.0)})
    assert table.cost(call(model="m-2024-08-06")) == 3.0
    assert table.cost(call(model="m-2024-11-20")) == 1.0


def test_a_price_may_be_for_one_provider_only() -> None:
    table = PriceTable({"azure/m": Price(input=2.0, output=0.0), "m": CHEAP})
    assert table.cost(call(model="m", provider="azure")) == 2.0
    assert table.cost(call(model="m", provider="openai")) == 1.0


def test_an_unknown_model_costs_nothing_known_and_is_counted_by_name() -> None:
    table = PriceTable()
    assert table.cost(call(model="mystery")) is None
    assert table.cost(call(model="mystery")) is None
    assert table.unpriced == {"mystery": 2}


@pytest.mark.parametrize("fields", [{"model": "m", "input_tokens": None}, {"model": None}])
def test_a_call_without_usage_or_model_has_no_cost_but_is_not_an_unknown_model(fields: dict[str, Any]) -> None:
    table = PriceTable({"m": CHEAP})
    assert table.cost(call(**fields)) is None
    assert not table.unpriced


def test_names_without_end_take_bounded_memory() -> None:
    table = PriceTable()
    for number in range(11_000):
        table.cost(call(model=f"m{number}x"))
    assert len(table.unpriced) == 1001
    assert table.unpriced["other"] == 10_000
    assert len(table._cache) <= 10_000


def test_a_long_context_costs_its_own_price_for_all_of_its_tokens() -> None:
    tiered = Price(input=1.0, output=4.0, above=200_000, dearer=Price(input=2.0, output=6.0))
    table = PriceTable({"m": tiered})
    assert table.cost(call(model="m", input_tokens=200_000)) == pytest.approx(0.2)
    assert table.cost(call(model="m", input_tokens=200_001)) == pytest.approx(0.400002)


def test_the_price_is_that_of_the_events_own_day_and_hour() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    night = DatedPrice(Price(input=3.0, output=0.0), since=start, day_from=22 * 3600.0, day_to=4 * 3600.0)
    dated = (DatedPrice(Price(input=1.0, output=0.0)), DatedPrice(Price(input=2.0, output=0.0), since=start), night)
    table = PriceTable(lookup=lambda provider, model: dated)
    costs = [table.cost(call(model="m", time=start + hours * 3600.0)) for hours in (-1, 1, 12, 23)]
    assert costs == [1.0, 3.0, 2.0, 3.0]


def test_the_users_prices_lie_on_top_of_the_shipped_ones() -> None:
    table = price_table({"gpt-4o": settings.Price(input=9.0, output=9.0)})
    assert table.cost(call(model="gpt-4o", provider="openai")) == 9.0
    assert table.cost(call(model="gpt-4o-mini", provider="openai")) == pytest.approx(0.15)


def test_the_shipped_table_is_read_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert price_table({}).cost(call(model="claude-sonnet-4-20250514", provider="anthropic")) == 3.0


@pytest.mark.parametrize("provider", [None, "openai", "some-proxy"])
def test_a_provider_that_the_table_does_not_know_does_not_hide_the_model(provider: str | None) -> None:
    assert price_table({}).cost(call(model="gpt-4o-2024-08-06", provider=provider)) == pytest.approx(2.5)


def _always(prices: tuple[DatedPrice, ...]) -> Lookup:
    return lambda provider, model: prices


def test_shipped_prices_agree_with_the_librarys_own_arithmetic() -> None:
    """Every 17th model, four sizes of context, cached and written tokens: tiers, dates and fallbacks included."""
    rng, lookup = random.Random(1), shipped()
    models = [(provider, model) for provider in providers for model in provider.models][::17]
    compared = 0
    for provider, model in models:
        prices = lookup(provider.id, model.id)
        for size in (1_000, 150_000, 250_000, 1_200_000):
            cached, written = rng.randrange(size // 3), rng.randrange(size // 3)
            event = call(
                model=model.id, input_tokens=size, output_tokens=700, cached_tokens=cached, cache_write_tokens=written
            )
            cost = PriceTable(lookup=_always(prices)).cost(event)
            if cost is None:
                continue
            _, found = lookup._loaded().find_provider_model(model.id, None, provider.id, None)
            usage = Usage(input_tokens=size, output_tokens=700, cache_read_tokens=cached, cache_write_tokens=written)
            theirs = found.calc_price(usage, provider, genai_request_timestamp=datetime.fromtimestamp(NOON, UTC))
            assert cost == pytest.approx(float(theirs.total_price), rel=1e-9, abs=1e-12), model.id
            compared += 1
    assert compared > 300


def test_a_charge_says_for_which_tokens_and_its_parts_add_up() -> None:
    price = Price(input=1.0, output=4.0, cached=0.1, cache_write=1.25, request=0.5)
    usage = {"output_tokens": 500_000, "cached_tokens": 400_000, "cache_write_tokens": 200_000}
    charge = PriceTable({"m": price}).charge(call(model="m", **usage))
    assert charge is not None
    assert (charge.plain, charge.cached, charge.written, charge.output) == pytest.approx((0.4, 0.04, 0.25, 2.0))
    assert charge.total == pytest.approx(charge.plain + charge.cached + charge.written + charge.output + 0.5)


def test_a_stated_cost_is_split_as_the_list_would() -> None:
    """A discount of a half: each part is half of its list price."""
    table = PriceTable({"m": CHEAP})
    stated = table.charge(call(model="m", output_tokens=250_000, cost=1.0))
    assert stated is not None
    assert (stated.total, stated.plain, stated.output) == pytest.approx((1.0, 0.5, 0.5))


def test_a_stated_cost_of_an_unknown_model_is_whole_and_not_unpriced() -> None:
    table = PriceTable()
    stated = table.charge(call(model="mystery", cost=0.3))
    assert stated is not None
    assert (stated.total, stated.plain, stated.output) == (0.3, 0.0, 0.0)
    assert not table.unpriced


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input_tokens": 10**18}, "token count"),
        ({"output_tokens": -1}, "token count"),
        ({"cached_tokens": float("nan")}, "token count"),
        ({"cost": -0.1}, "cost"),
        ({"cost": float("nan")}, "cost"),
        ({"cost": float("inf")}, "cost"),
        ({"cost": 2e6}, "cost"),
    ],
)
def test_figures_that_cannot_be_true_are_refused_by_name(fields: dict[str, Any], reason: str) -> None:
    table = PriceTable({"m": CHEAP})
    assert table.cost(call(model="m", **fields)) is None
    (told,) = table.refused
    assert told.startswith(reason)
    assert table.refused[told] == 1
    assert not table.unpriced


def test_the_users_own_price_may_change_on_a_day() -> None:
    dearer = DatedPrice(Price(input=2.0, output=4.0), since=NOON)
    table = PriceTable({"m": [DatedPrice(Price(input=1.0, output=4.0)), dearer]})
    assert table.cost(call(model="m", time=NOON - 1.0)) == 1.0
    assert table.cost(call(model="m", time=NOON)) == 2.0
    assert table.changes(None, "m", NOON - 1.0, NOON) == (dearer,)
    assert table.changes(None, "m", NOON, NOON + 1.0) == ()


def test_a_change_of_a_shipped_price_has_its_day() -> None:
    table = price_table({})
    year = (datetime(2025, 1, 1, tzinfo=UTC).timestamp(), datetime(2025, 12, 31, tzinfo=UTC).timestamp())
    (changed,) = table.changes("openai", "o3", *year)
    assert datetime.fromtimestamp(changed.since, UTC).date().isoformat() == "2025-06-10"
    assert changed.price.input == 2.0


@pytest.mark.parametrize("provider", ["groq", None])
def test_another_providers_price_comes_only_after_all_names_at_the_events_own(provider: str | None) -> None:
    """The same open model costs four times as much here as there, and is listed there under its longer name."""
    prices = {("groq", "openai/oss"): 4.0, (None, "groq/openai/oss"): 1.0, (None, "oss"): 1.0}

    def lookup(asked: str | None, model: str) -> tuple[DatedPrice, ...]:
        found = prices.get((asked, model))
        return () if found is None else (DatedPrice(Price(input=found, output=0.0)),)

    assert PriceTable(lookup=lookup).cost(call(model="groq/openai/oss", provider=provider)) == 4.0


@pytest.mark.parametrize(
    ("provider", "model"),
    [("x_ai", "grok-3"), ("xai", "xai/grok-3"), ("gcp.gen_ai", "gemini-2.5-pro"), ("groq", "groq/openai/gpt-oss-120b")],
)
def test_providers_are_known_by_the_names_that_telemetry_gives_them(provider: str, model: str) -> None:
    """Without its provider the last of them would cost a quarter."""
    known = {"grok-3": 3.0, "gemini-2.5-pro": 1.25, "gpt-oss-120b": 0.15}
    event = call(provider=provider, model=model, input_tokens=1000)
    assert price_table({}).cost(event) == pytest.approx(known[model.rpartition("/")[2]] / 1000)


@pytest.mark.parametrize("provider", ["x_ai", "gcp.gen_ai", "bedrock", "azure.ai.inference"])
def test_a_providers_telemetry_name_finds_it_and_not_just_the_model(provider: str) -> None:
    models = {"x_ai": "grok-3", "gcp.gen_ai": "gemini-2.5-pro", "bedrock": "amazon.nova-pro-v1:0"}
    assert shipped()(provider, models.get(provider, "gpt-4o"))
