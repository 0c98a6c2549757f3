from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from undertow.alerts.incident import Incident, Severity, State
from undertow.drift.interaction import Document, Interaction, Kind, Message, ToolCall
from undertow.drift.verdict import Estimate, Series, Verdict
from undertow.drift.versions import SeenVersion
from undertow.pipelines.arrow import arrow_type, encode
from undertow.pipelines.dead_letters import DeadLetter
from undertow.pipelines.rows import (
    dead_letter_columns,
    incident_columns,
    interaction_columns,
    verdict_columns,
    version_columns,
)
from undertow.pipelines.schema import schema_text


def columns_of(*events: Interaction, **measures: list[float]) -> dict[str, Any]:
    arrays = {name: np.array(values) for name, values in measures.items()}
    return dict(interaction_columns(events, arrays, lambda text: text, lambda user: f"hash of {user}"))


def call(**fields: Any) -> Interaction:
    return Interaction(**{"id": "1", "time": 10.0, "service": "support", **fields})


def verdict(name: str = "v1", metric: str = "refusal_rate") -> Verdict:
    return Verdict(
        id=name,
        kind="page",
        series=Series("support", "prod", (("region", "eu"),), metric),
        direction="up",
        detected_at=100.0,
        changed_at=90.0,
        changed_from=80.0,
        changed_to=95.0,
        before=Estimate(0.02, 0.01, 0.03, 5000),
        after=Estimate(0.1, 0.08, 0.13, 300),
        events=300,
        statistic=12.0,
        threshold=9.0,
        detector="mixture",
        reason="refusals rose",
    )


def test_an_event_with_only_the_required_fields_has_a_value_in_every_column() -> None:
    columns = columns_of(call())
    assert {name: len(values) for name, values in columns.items()} == dict.fromkeys(columns, 1)
    assert columns["operation"] == [""]
    assert list(columns["latency"]) == [None]
    assert columns["attributes"] == [{}]
    assert np.isnan(columns["refused"]).all()


def test_every_column_of_the_interactions_table_but_the_clock_is_filled() -> None:
    table = schema_text(30).split("EXISTS interactions\n")[1].split("ENGINE")[0]
    names = {line.split()[0] for line in table.splitlines() if line.startswith("    ") and "COMMENT" in line}
    names |= set(re.findall(r"ALTER TABLE interactions ADD COLUMN IF NOT EXISTS (\w+)", schema_text(30)))
    assert set(columns_of(call())) == names - {"stored"}


def test_the_users_name_and_the_system_prompt_are_kept_only_as_hashes() -> None:
    columns = columns_of(call(user="ann@example.org", instructions="You are Bob.", tools=[{"name": "search"}]))
    assert columns["user"] == ["hash of ann@example.org"]
    assert "Bob" not in repr(columns)
    assert "search" not in repr(columns)
    assert len(columns["instructions"][0]) == len(columns["tools"][0]) == 16


def test_the_tools_hash_does_not_depend_on_the_order_of_keys() -> None:
    one, other = columns_of(call(tools=[{"a": 1, "b": 2}])), columns_of(call(tools=[{"b": 2, "a": 1}]))
    assert one["tools"] == other["tools"]


def test_inputs_outputs_and_errors_pass_the_content_policy() -> None:
    event = call(input=[Message("user", "my key")], output="the key", error="bad key")
    columns = interaction_columns([event], {}, lambda text: None if text is None else text.replace("key", "***"), str)
    assert [columns[name] for name in ("input", "output", "error")] == [["my ***"], ["the ***"], ["bad ***"]]
    nothing = interaction_columns([event], {}, lambda _: None, str)
    assert [nothing[name] for name in ("input", "output", "error")] == [[""], [""], [""]]


def test_a_cost_is_the_events_own_else_the_price_tables_and_never_zero_for_unknown() -> None:
    columns = columns_of(call(cost=0.5), call(), call(), cost=[0.1, 0.2, np.nan])
    assert columns["cost"][:2].tolist() == [0.5, 0.2]
    assert np.isnan(columns["cost"][2])
    assert columns["cost_source"].tolist() == ["stated", "priced", "unpriced"]


def test_a_schema_violation_is_stored_as_its_opposite() -> None:
    valid = columns_of(call(), call(), call(), schema_violation_rate=[0.0, 1.0, np.nan])["schema_valid"]
    assert valid[:2].tolist() == [1.0, 0.0]
    assert np.isnan(valid[2])


def test_attributes_become_text_as_json_writes_them() -> None:
    assert columns_of(call(attributes={"beta": True, "n": 3, "region": "eu"}))["attributes"] == [
        {"beta": "true", "n": "3", "region": "eu"}
    ]


def test_tools_and_documents_are_counted() -> None:
    calls = [ToolCall("search", error="timeout"), ToolCall("search", result="ok")]
    columns = columns_of(call(kind=Kind.TOOL, tool_calls=calls, documents=[Document("a", 0.5), Document("b")]))
    assert columns["kind"] == ["tool"]
    assert columns["tool_names"] == [["search", "search"]]
    assert columns["tool_errors"] == [1]
    assert columns["documents"] == [2]
    assert columns["retrieval_score"] == [0.5]


def test_no_events_make_empty_columns() -> None:
    assert {len(values) for values in columns_of().values()} == {0}


def test_a_verdict_keeps_both_levels_with_their_intervals() -> None:
    columns = verdict_columns([verdict()])
    assert [columns[f"after{part}"] for part in ("", "_low", "_high", "_events")] == [[0.1], [0.08], [0.13], [300]]
    assert columns["segment"] == [{"region": "eu"}]


def test_an_incident_keeps_itself_whole() -> None:
    incident = Incident(
        id="i1",
        service="support",
        environment="prod",
        state=State.PAGED,
        severity=Severity.CRITICAL,
        opened_at=100.0,
        changed_at=90.0,
        changed_from=80.0,
        changed_to=95.0,
        headline="refusals rose",
        verdicts=[verdict("v1"), verdict("v2", "latency")],
    )
    columns = incident_columns([incident])
    assert columns["metrics"] == [["latency", "refusal_rate"]]
    assert columns["resolved_at"] == [None]
    assert msgspec.json.decode(columns["content"][0], type=Incident) == incident


def test_dead_letters_and_versions_are_told_by_their_fields() -> None:
    letter = DeadLetter("a.jsonl", 3, 99, "no time", "time", "{")
    assert dead_letter_columns([letter])["field"] == ["time"]
    seen = SeenVersion(1.0, "s", "", "model", "m", 2.0, 3, "new model")
    assert version_columns([seen])["declared"] == ["new model"]


TYPES = {"count": arrow_type("Nullable(UInt8)"), "text": arrow_type("LowCardinality(String)")}


def test_a_count_beyond_its_column_does_not_cost_the_block() -> None:
    assert encode({"count": [1, None, 10**6]}, TYPES, "t")


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"size": [1]}, "t has no column 'size'"), ({"text": [1]}, "column text of t does not fit string")],
)
def test_a_column_that_does_not_fit_is_refused_by_name(columns: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode(columns, TYPES, "t")
