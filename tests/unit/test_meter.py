"""The meter: each kind of event says what it can, names pass the content policy, prices are asked once a call."""

import math
from typing import Any

import numpy as np
import pytest

from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.interaction import Interaction, Kind, ToolCall
from undertow.drift.prices import Price, PriceTable
from undertow.pipelines.meter import Meter
from undertow.pipelines.settings import Detection, Fleet, Ingest, OwnMetric, Settings

PRICES = PriceTable({"small": Price(input=1.0, output=4.0)})


def call(**fields: Any) -> Interaction:
    return Interaction(**{"id": "1", "time": 5.0, "service": "s", **fields})


class Said:
    """What a meter with these settings says of events."""

    def __init__(self, *events: Interaction, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.catalogue, self.categories = Catalogue([own.metric for own in settings.own_metrics]), Categories()
        self.meter = Meter(settings, PRICES, self.catalogue, self.categories)
        self.measures = self.meter.measure(events)

    def number(self, metric: str, row: int = 0) -> float:
        return float(self.measures.values[row, self.catalogue.columns[metric]])

    def name(self, metric: str, row: int = 0) -> str:
        return self.categories.name(int(self.number(metric, row)))


def test_calls_between_other_kinds_keep_their_rows() -> None:
    change, score = call(kind=Kind.CHANGE, output="v2"), call(kind=Kind.SCORE, scores={"good": 1.0}, latency=9.0)
    said = Said(change, call(latency=0.5), score, call(latency=0.7))
    assert [said.number("latency", row) for row in (1, 3)] == [0.5, 0.7]
    assert np.isnan(said.measures.values[[0, 2]]).all()


def test_a_tool_that_reports_itself_says_whether_it_failed_and_nothing_else() -> None:
    runs = [ToolCall("find", {}, error="timeout"), ToolCall("find", {}, result=[1])]
    said = Said(*(call(kind=Kind.TOOL, tool_calls=[run], latency=0.5, output="x") for run in runs))
    assert [said.number("tool_error_rate", row) for row in (0, 1)] == [1.0, 0.0]
    others = np.delete(said.measures.values, said.catalogue.columns["tool_error_rate"], axis=1)
    assert np.isnan(others).all()


def test_what_a_call_cost_is_its_charge_and_what_is_unknown_is_not_free() -> None:
    said = Said(
        call(model="small", input_tokens=1000, output_tokens=500),
        call(model="unheard-of", input_tokens=1000),
        call(kind=Kind.TOOL, cost=1.0),
    )
    assert said.measures.costs[0] == 0.003
    assert np.isnan(said.measures.costs[1:]).all()


def test_metrics_that_are_off_are_not_measured_but_whether_a_call_failed_always_is() -> None:
    off = Settings(detection=Detection(metrics_off=["output_length", "output_format", "error_rate"]))
    said = Said(call(output="Hello", error="timeout", http_status=500), call(output="Hello"), settings=off)
    assert math.isnan(said.number("output_length", 1))
    assert math.isnan(said.number("output_format", 1))
    assert [said.number("error_rate", row) for row in (0, 1)] == [1.0, 0.0]


def test_metrics_of_the_users_own_stand_beside_those_that_ship() -> None:
    own = Settings(metrics={"sorry": OwnMetric(pattern="(?i)sorry"), "basket": OwnMetric(field="attributes.basket")})
    said = Said(call(output="So sorry!", attributes={"basket": 12.5}), settings=own)
    assert (said.number("sorry"), said.number("basket"), said.number("output_length")) == (1.0, 12.5, 9.0)


def test_named_schemas_and_ignored_versions_come_from_the_settings() -> None:
    settings = Settings(ingest=Ingest(schemas={"ticket": {"required": ["label"]}}), fleet=Fleet(ignore=["config.seed"]))
    answers = [call(output="{}", response_schema="ticket", model="m", config={"seed": n}) for n in (1, 2)]
    said = Said(*answers, settings=settings)
    assert said.number("schema_violation_rate") == 1.0
    assert said.name("schema_violation").startswith("required")
    assert said.name("config_mix") == said.name("config_mix", 1)


@pytest.mark.parametrize(("content", "shown"), [("none", False), ("redacted", True), ("full", True)])
def test_keys_of_answers_are_content_and_are_named_only_where_content_is_kept(content: Any, shown: bool) -> None:
    said = Said(call(output='{"diagnosis": "x"}', label="urgent"), settings=Settings(ingest=Ingest(content=content)))
    assert ("diagnosis" in said.name("output_structure")) is shown
    assert said.name("label_mix") == "urgent"


def test_names_of_categories_are_masked() -> None:
    said = Said(call(label="ana@example.com"))
    assert "ana@example.com" not in said.name("label_mix")


def test_what_cannot_be_judged_by_its_schema_is_counted() -> None:
    said = Said(call(output="{}", response_schema="nowhere"), call(output="{}", response_schema={"type": "object"}))
    assert math.isnan(said.number("schema_violation_rate"))
    assert said.number("schema_violation_rate", 1) == 0.0
    assert said.meter.unchecked == 1


def test_no_event_and_no_call_give_empty_measures() -> None:
    for said in (Said(), Said(call(kind=Kind.SCORE))):
        assert len(said.measures.values) == len(said.measures.charges)
        assert np.isnan(said.measures.values).all()
