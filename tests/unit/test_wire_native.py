"""The native decoder: every optional field may be absent, every refusal names its field, no bytes make it raise."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from undertow.drift.interaction import Interaction, Kind
from undertow.pipelines.decoder import Reject
from undertow.pipelines.settings import Ingest
from undertow.pipelines.wire import decoder_for
from undertow.pipelines.wire.native import PATIENCE, RETRY, UNKNOWN_LIMIT, Event, NativeDecoder

LEAST = {"id": "1", "time": 1_700_000_000, "service": "support"}


def line(**fields: Any) -> bytes:
    return json.dumps({**LEAST, **fields}).encode()


def event(raw: bytes) -> Interaction:
    decoded = NativeDecoder()(raw)
    assert isinstance(decoded, Interaction), decoded
    return decoded


def reject(raw: bytes) -> Reject:
    decoded = NativeDecoder()(raw)
    assert isinstance(decoded, Reject), decoded
    return decoded


def test_the_three_required_fields_make_an_event_of_the_one_type() -> None:
    decoded = event(line())
    assert type(decoded) is Interaction
    assert decoded == Interaction(id="1", time=1_700_000_000.0, service="support")


@pytest.mark.parametrize("name", [name for name in Event.__struct_fields__ if name not in LEAST])
def test_every_optional_field_may_be_null(name: str) -> None:
    assert event(line(**{name: None})) == event(line())


@pytest.mark.parametrize("name", LEAST)
def test_a_missing_required_field_is_named(name: str) -> None:
    fields = {key: value for key, value in LEAST.items() if key != name}
    assert reject(json.dumps(fields).encode()) == Reject("required field is missing", name)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T02:00:00.250+02:00", 1_767_225_600.25),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        ("2026-01-01 00:00:00", 1_767_225_600.0),
    ],
)
def test_text_times_are_read_and_naive_ones_are_utc(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert event(line(time=text)).time == seconds
    time.tzset()


@pytest.mark.parametrize(
    ("number", "unit"), [(1.7e12, "milliseconds"), (1.7e15, "microseconds"), (1.7e18, "nanoseconds")]
)
def test_a_time_in_another_unit_is_refused_with_the_likely_unit(number: float, unit: str) -> None:
    assert reject(line(time=number)) == Reject(f"looks like {unit} since the epoch; seconds are expected", "time")


@pytest.mark.parametrize(
    "time", [-1, "1969-12-31T23:59:59Z", 1e21, True, "5000-01-01T00:00:00Z", "yesterday", "2026-02-30T00:00:00Z"]
)
def test_what_is_no_time_is_refused(time: object) -> None:
    assert reject(line(time=time)).field == "time"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input_tokens": -1}, "input_tokens"),
        ({"output_tokens": 1.5}, "output_tokens"),
        ({"output_tokens": 2**53 + 1}, "output_tokens"),
        ({"latency": -0.1}, "latency"),
        ({"cost": "0.1"}, "cost"),
        ({"http_status": 1000}, "http_status"),
        ({"id": 7}, "id"),
        ({"id": ""}, "id"),
        ({"service": "s" * 513}, "service"),
        ({"kind": "chat"}, "kind"),
        ({"tool_calls": [{"name": "a"}, {"name": 1}]}, "tool_calls.name"),
        ({"tool_calls": [{}]}, "tool_calls.name"),
        ({"attributes": {"a": [1]}}, "attributes"),
        ({"attributes": ["eu"]}, "attributes"),
        ({"scores": {"helpful": "yes"}}, "scores"),
        ({"output": {"answer": 1}}, "output"),
        ({"input": [{"role": "user", "content": 3}]}, "input.content"),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused_by_the_name_of_its_field(
    fields: dict[str, Any], named: str
) -> None:
    assert reject(line(**fields)).field == named


def test_reasons_quote_no_value_so_that_they_can_be_counted() -> None:
    assert reject(line(kind="secret-1")) == reject(line(kind="secret-2"))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", ["latency", "time"])
def test_numbers_that_are_not_finite_are_refused_by_the_name_of_their_field(name: str, text: str) -> None:
    raw = json.dumps({**LEAST, name: "@"}).replace('"@"', text).encode()
    assert reject(raw).field == name


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"{}x", b"[]", b"null", b'"a"', b"1", b'{"id": "\xff"}', b"\xef\xbb\xbf", b"\x00" * 100, b'{"a" 1}'],
)
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    assert reject(raw).reason


@pytest.mark.parametrize("field", ["response_schema", "debug"])
@pytest.mark.parametrize("bracket", [(b'{"a":', b"}"), (b"[", b"]")])
def test_a_nesting_bomb_is_refused(field: str, bracket: tuple[bytes, bytes]) -> None:
    deep = bracket[0] * 100_000 + b"1" + bracket[1] * 100_000
    raw = line()[:-1] + b', "' + field.encode() + b'": ' + deep + b"}"
    assert reject(raw) == Reject("JSON is nested too deeply")


def test_a_line_of_ten_megabytes_is_read() -> None:
    assert event(line(output="x" * 10_000_000)).output == "x" * 10_000_000


def test_half_of_a_surrogate_pair_is_replaced_and_whole_pairs_are_kept() -> None:
    raw = line()[:-1] + rb', "output": "cut \ud83d", "input": "\ud83d\ude00 \\ud83d"}'
    decoded = event(raw)
    assert (decoded.output, decoded.input) == ("cut �", "😀 \\ud83d")
    assert event(line()[:-1] + rb', "output": "\ude00"}').output == "�", "at the very end of the line, too"


def test_a_byte_order_mark_and_windows_line_ends_are_accepted() -> None:
    assert event(b"\xef\xbb\xbf" + line() + b"\r") == event(line())


def test_whole_numbers_written_with_a_fraction_are_counts() -> None:
    assert event(line(input_tokens=12.0, http_status=200.0)).input_tokens == 12


def test_nulls_inside_maps_are_left_out() -> None:
    assert event(line(attributes={"region": None, "tier": "gold"})).attributes == {"tier": "gold"}


def test_unknown_scalars_become_attributes_and_never_overwrite_one() -> None:
    decoded = event(line(shard=7, canary=True, note=None, region="us", attributes={"region": "eu"}))
    assert decoded.attributes == {"shard": 7, "canary": True, "region": "eu"}


def test_unknown_fields_that_are_nested_or_long_or_too_many_are_counted_by_name() -> None:
    decoder = NativeDecoder()
    many = {f"x{index:02d}": index for index in range(UNKNOWN_LIMIT + 2)}
    decoded = decoder(line(nested={"a": 1}, long="x" * 257, **many))
    assert isinstance(decoded, Interaction)
    assert len(decoded.attributes or {}) == UNKNOWN_LIMIT
    assert decoder.dropped == {"nested": 1, "long": 1, "x32": 1, "x33": 1}


def test_the_tally_of_dropped_names_is_bounded() -> None:
    decoder = NativeDecoder()
    for index in range(300):
        decoder(line(**{f"nested{index}": []}))
    assert len(decoder.dropped) <= 101
    assert sum(decoder.dropped.values()) == 300


def test_traffic_that_always_needs_the_slow_way_seldom_tries_the_fast_one() -> None:
    decoder = NativeDecoder()
    attempts = 0

    def counting(raw: bytes) -> Any:
        nonlocal attempts
        attempts += 1
        return real(raw)

    real, decoder._decode = decoder._decode, counting  # type: ignore[assignment]
    lines = [line(id=str(index), shard=index) for index in range(1000)]
    assert all(isinstance(decoder(raw), Interaction) for raw in lines)
    assert attempts <= PATIENCE + 2 + 1000 // RETRY
    for _ in range(RETRY):
        decoder(line())
    before = attempts
    decoder(line())
    assert attempts == before + 1, "and returns to the fast way when the traffic does"


def test_the_fast_way_and_the_slow_way_agree() -> None:
    raw = line(
        kind="tool", tool_calls=[{"name": "a", "arguments": {"q": 1}}], config={"t": 0.5}, output=[{"role": "a"}]
    )
    decoder = NativeDecoder()
    assert decoder(raw) == decoder._decode_slowly(raw) == event(raw)
    assert event(raw).kind is Kind.TOOL


def test_the_settings_name_the_service_of_events_without_one() -> None:
    decoder = decoder_for(Ingest(service="billing"))
    decoded = decoder(b'{"id": "1", "time": 5}')
    assert isinstance(decoded, Interaction)
    assert decoded.service == "billing"
    assert math.isclose(decoded.time, 5.0)


def test_the_published_schema_is_the_one_of_the_decoder() -> None:
    from undertow.pipelines.wire.schema import DESCRIPTIONS, render

    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "event.schema.json").read_text() == render()
    assert set(DESCRIPTIONS) == set(Event.__struct_fields__)


def test_the_documented_table_has_every_field_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    table = text.split("## Fields", 1)[1].split("**Kinds.**", 1)[0]
    named = [row.split("`")[1] for row in table.splitlines() if row.startswith("| `")]
    assert named == list(Event.__struct_fields__)
