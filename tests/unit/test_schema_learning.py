import json
from typing import Any

import jsonschema_rs
import pytest

from undertow.drift.schema_learning import learn_schema
from undertow.pipelines.simulator import Scenario, events


def learned(values: list[Any]) -> dict[str, Any]:
    return learn_schema(map(json.dumps, values)).schema


def ticket(number: int, **changes: Any) -> dict[str, Any]:
    kept = {"status": ("open", "closed")[number % 2], "id": number, "note": f"text {number}", "score": number / 2}
    return kept | changes


TICKETS = [ticket(number) for number in range(200)]


def test_keys_types_and_few_values_are_learned() -> None:
    schema = learned(TICKETS)
    assert schema["type"] == "object"
    assert schema["required"] == ["id", "note", "score", "status"]
    assert schema["properties"] == {
        "id": {"type": "integer"},
        "note": {"type": "string"},
        "score": {"type": "number"},
        "status": {"type": "string", "enum": ["closed", "open"]},
    }


@pytest.mark.parametrize(
    ("changed", "keyword"),
    [({"status": "lost"}, "enum"), ({"id": "7"}, "type"), ({"score": None}, "type")],
)
def test_what_differs_from_the_samples_breaks_the_schema(changed: dict[str, Any], keyword: str) -> None:
    validator = jsonschema_rs.validator_for(learned(TICKETS))
    assert validator.is_valid(ticket(1000))
    assert validator.is_valid(ticket(1000, extra=True)), "a new key is the business of output_structure"
    with pytest.raises(jsonschema_rs.ValidationError) as raised:
        validator.validate(ticket(1000, **changed))
    assert raised.value.kind.name == keyword


def test_a_renamed_key_breaks_the_schema() -> None:
    value = {"state" if key == "status" else key: inner for key, inner in ticket(1).items()}
    assert not jsonschema_rs.is_valid(learned(TICKETS), value)


def test_one_slip_in_two_hundred_teaches_nothing() -> None:
    assert learned([*TICKETS, {"id": "x", "note": None}]) == learned(TICKETS)


def test_optional_keys_and_nullable_values_are_learned_as_such() -> None:
    late = {"late": True}
    values = [ticket(n, note=None if n % 4 == 0 else "x" * 50) | (late if n % 3 == 0 else {}) for n in range(90)]
    schema = learned(values)
    assert "late" not in schema["required"]
    assert schema["properties"]["note"] == {"type": ["null", "string"]}


def test_few_samples_require_nothing() -> None:
    assert "required" not in learned(TICKETS[:19])


def test_numbers_that_are_sometimes_whole_are_numbers() -> None:
    assert learned([{"price": price} for price in (1, 1.5) * 20])["properties"]["price"] == {"type": "number"}


def test_elements_share_one_schema() -> None:
    schema = learned([{"items": [{"id": n}, {"id": n, "gift": True}]} for n in range(30)])
    items = schema["properties"]["items"]["items"]
    assert items["required"] == ["id"]
    assert set(items["properties"]) == {"id", "gift"}


def test_keys_that_are_data_share_one_schema() -> None:
    schema = learned([{"by_day": {f"2024-05-{n:02}": n}} for n in range(1, 29)])
    assert schema["properties"]["by_day"] == {"type": "object", "additionalProperties": {"type": "integer"}}


def test_answers_without_json_are_counted_not_learned() -> None:
    outputs = ["No.", '{"a": 1}', "```json\n[", '```json\n{"a": 2}\n```']
    found = learn_schema(outputs)
    assert (found.samples, found.without_json) == (2, 2)
    assert found.schema["properties"] == {"a": {"type": "integer"}}


def test_nothing_learned_allows_everything() -> None:
    assert jsonschema_rs.is_valid(learn_schema([]).schema, {"any": "thing"})


def test_a_learned_schema_holds_for_later_traffic() -> None:
    """Learned from five simulated minutes, it is broken by no more of the next five than the declared schema."""
    traffic = events(Scenario(seed=5, duration_s=600))
    calls = [e for e in traffic if e.operation == "triage" and isinstance(e.output, str)]
    half = len(calls) // 2
    validator = jsonschema_rs.validator_for(learn_schema(str(e.output) for e in calls[:half]).schema)
    later = [str(e.output) for e in calls[half:]]
    broken = [text for text in later if not _is_valid(validator, text)]
    assert len(broken) / len(later) < 0.01


def _is_valid(validator: jsonschema_rs.Validator, text: str) -> bool:
    try:
        return validator.is_valid(json.loads(text))
    except ValueError:
        return False


def test_memory_is_bounded_whatever_the_keys() -> None:
    schema = learned([{f"{chr(97 + n % 26)}{chr(97 + n // 26)}x": 1} for n in range(600)])
    assert len(schema["properties"]) == 64
