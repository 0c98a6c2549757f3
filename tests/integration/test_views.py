"""The views that on-call asks, each with its answer on rows of known content: on the embedded engine and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from clickhouse_server import served
from stored import START, insert_calls, insert_incident, insert_verdict

from undertow.drift.interaction import Kind
from undertow.drift.versions import SeenVersion
from undertow.pipelines import rows, settings
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.dead_letters import DeadLetter

HOUR, DAY = 3600.0, 86400.0
WHEN = datetime.fromtimestamp(START, UTC)  # 2023-11-14 22:13:20
THEN = "since = '2023-11-14 22:00', until = '2023-11-15T04:00:00Z'"
TABLES = "SELECT name FROM system.tables WHERE database = 'undertow' AND engine LIKE '%MergeTree' AND name != 'meta'"


@pytest.fixture(scope="module", params=["embedded", "over HTTP"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("data")
    if request.param == "embedded":
        with Store.open(settings.Store(), folder) as store:
            yield store
        return
    with served(folder / "server") as url, Store.open(settings.Store(url=url), folder) as store:
        yield store


@pytest.fixture
def store(opened: Store) -> Store:
    for (table,) in opened._writer.query(TABLES).result_rows:
        opened._writer.command(f"TRUNCATE TABLE {table}")
    return opened


def _ask(store: Store, view: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return store.query(f"SELECT {columns} FROM {view}").rows  # noqa: S608


def _window(store: Store, token: str, *cells: dict[str, Any]) -> None:
    plain = {"window_start": START, "service": "support", "segment": {}, "hits": None, "log_mean": None, "mean": None}
    filled = [{**plain, "p99": None, **cell} for cell in cells]
    store.insert("windows", {name: [cell[name] for cell in filled] for name in filled[0]}, token)


RATE = {"metric": "refusal_rate", "family": "rate", "events": 10, "hits": 3}


def test_refusals_are_told_by_model_and_prompt_version_of_that_night(store: Store) -> None:
    old, new = {"response_model": "m1", "prompt_version": "7"}, {"response_model": "m2", "prompt_version": "8"}
    other_nights = [{**old, "time": START - DAY}, {**old, "time": START + DAY}]
    calls: list[dict[str, Any]] = [old, old, new, new, *other_nights, {**new, "shadow_of": "1"}]
    calls += [{"kind": Kind.TOOL}, new]
    insert_calls(store, *calls, refusal_rate=[0, 0, 1, 0, 1, 1, 1, np.nan, np.nan])
    assert _ask(store, f"refusals({THEN})") == [
        ("support", "", "", "m2", "8", 2, 1, 50.0),
        ("support", "", "", "m1", "7", 2, 0, 0.0),
    ]


def test_costs_of_tasks_are_told_by_tenant_with_unpriced_tasks_apart(store: Store) -> None:
    gold = {"operation": "answer", "attributes": {"tenant": "gold"}}
    priced = [{**gold, "task": f"t{cents}", "cost": cents / 100} for cents in range(1, 101)]
    insert_calls(
        store,
        *priced,
        {"operation": "rank", "task": "t100", "cost": 0.5},
        {**gold, "task": "u1"},
        {**gold, "task": "u1", "cost": 9.0},
        {"operation": "triage", "user": "ann", "cost": 0.1},
    )
    assert _ask(store, f"task_costs({THEN})") == [
        ("support", "", "gold", "answer", 100, 0.51, 0.96, 1.5, 1),
        ("support", "", "nna", "triage", 1, 0.1, 0.1, 0.1, 0),
    ]


def test_a_task_is_told_with_all_of_its_calls_in_the_time_it_began_in(store: Store) -> None:
    first = {"task": "t", "operation": "plan", "time": START, "latency": 5.0, "cost": 0.25, "user": "ann"}
    insert_calls(
        store,
        first,
        {"task": "t", "operation": "act", "time": START + 60.0, "latency": 2.0, "cost": 0.5},
        {"task": "began before", "time": START - 900.0, "cost": 8.0},
        {"task": "began before", "time": START, "cost": 8.0},
        {"time": START + 1.0, "cost": 0.1},
        loop_rate=[0, 1, 0, 0, 0],
    )
    names = "task, tenant, operation, first_call, seconds, calls, round(dollars, 2), unpriced_calls, looping"
    assert _ask(store, f"tasks({THEN})", names) == [
        ("t", "nna", "plan", WHEN, 65.0, 2, 0.75, 0, 1),
        ("4", "", "", datetime.fromtimestamp(START + 1, UTC), 0.0, 1, 0.1, 0, 0),
    ]


def test_the_slowest_answers_come_first_with_what_was_asked_and_said(store: Store) -> None:
    insert_calls(store, *({"latency": n, "input": f"q{n}", "output": "ä" * 100} for n in range(12)), {"output": "x"})
    found = _ask(store, f"slow_answers({THEN})", "seconds, asked, answered")
    assert [row[0] for row in found] == [float(n) for n in range(11, -1, -1)]
    assert found[0][1:] == ("q11", "ä" * 60)


def test_each_change_is_told_with_its_incident(store: Store) -> None:
    insert_verdict(store, "v1", START)
    insert_incident(store, "i1", "v1")
    insert_verdict(store, "v2", START + 60, kind="notice")
    insert_verdict(store, "v3", START + 70, kind="recovered")
    told = _ask(store, "changes", "metric, segment, before, after, kind, verdict, incident, state")
    where = ("refusal_rate", {"region": "eu"}, 0.02, 0.1)
    assert told == [(*where, "notice", "v2", "", ""), (*where, "page", "v1", "i1", "paged")]


def test_what_changed_at_a_time_is_told_across_all_that_is_known(store: Store) -> None:
    seen = SeenVersion(START - 120, "support", "prod", "prompt_version", "8", START + 900, 40)
    declared = msgspec.structs.replace(seen, first_seen=START - 60, dimension="change", value="index", declared="new")
    old = msgspec.structs.replace(seen, first_seen=START - DAY, value="7")
    store.insert("versions", rows.version_columns([seen, declared, old]), "seen")
    insert_verdict(store, "v1", START)
    insert_verdict(store, "v2", START + HOUR)
    insert_incident(store, "i1", "v1")
    told = _ask(store, "what_changed(at = '2023-11-14T22:13:20Z', minutes = 5)", "time, what, subject, detail")
    assert [(round(row[0].timestamp() - START), *row[1:]) for row in told] == [
        (-120, "version", "prompt_version", "8"),
        (-60, "version", "change", "index: new"),
        (0, "behaviour", 'refusal_rate {"region":"eu"}', "up from 0.02 to 0.1"),
        (60, "incident", "i1", "refusals rose"),
    ]


def test_the_uncertainty_of_a_change_counts_in_what_changed(store: Store) -> None:
    insert_verdict(store, "v1", START)  # give or take five seconds
    assert [
        len(_ask(store, f"what_changed(at = '2023-11-14 22:13:{second}', minutes = 0.05)"))
        for second in (29, 28, 12, 11)
    ] == [0, 1, 1, 0]


def test_versions_are_told_by_the_hour_with_their_share(store: Store) -> None:
    seven, eight = {"prompt_version": "7", "config": {"index": "a"}}, {"prompt_version": "8", "config": {"index": "a"}}
    insert_calls(store, seven, seven, seven, eight, {**eight, "time": START + HOUR}, {"kind": Kind.TOOL, **seven})
    names = "toHour(hour), dimension, value, calls, percent"
    assert _ask(store, f"version_hours({THEN})", names) == [
        (22, "config.index", "a", 4, 100.0),
        (22, "prompt_version", "7", 3, 75.0),
        (22, "prompt_version", "8", 1, 25.0),
        (23, "config.index", "a", 1, 100.0),
        (23, "prompt_version", "8", 1, 100.0),
    ]


def test_what_was_live_at_a_moment_was_seen_before_and_after_it(store: Store) -> None:
    seven = SeenVersion(START - DAY, "support", "prod", "prompt_version", "7", START - 1, 40)
    eight = msgspec.structs.replace(seven, first_seen=START - HOUR, value="8", last_seen=START + 1, events=50)
    store.insert("versions", rows.version_columns([seven, eight]), "a")
    store.insert(
        "versions", rows.version_columns([msgspec.structs.replace(eight, last_seen=START + HOUR, events=60)]), "b"
    )
    asked = "live_versions(at = '2023-11-14 22:13:20')"
    assert _ask(store, asked, "value, events") == [("8", 60)]
    assert [row[0] for row in _ask(store, asked.replace("22:13", "21:43"), "value")] == ["8", "7"]


def test_spend_is_told_by_any_attribute(store: Store) -> None:
    red, blue = {"attributes": {"team": "red"}}, {"attributes": {"team": "blue"}, "input_tokens": 7}
    shadow = {**red, "cost": 1.0, "shadow_of": "1"}
    insert_calls(store, {**red, "cost": 0.5}, shadow, {**blue, "cost": 0.25}, blue, {"time": START - DAY, "cost": 9.0})
    assert _ask(store, f"spend_by(label = 'team', {THEN})") == [
        ("red", 2, 1.5, 0, 0, 0),
        ("blue", 2, 0.25, 1, 14, 0),
    ]


def test_spend_of_a_month_adds_up_its_hours(store: Store) -> None:
    hours = [START, START + HOUR, START + 30 * DAY, START]
    columns: dict[str, Any] = {"hour": hours, "service": ["support"] * 4, "model": ["m", "m", "m", ""]}
    columns |= {"calls": [2, 3, 4, 0], "tasks": [0, 0, 0, 5], "picodollars": [10**12, 5 * 10**11, 10**12, 0]}
    store.insert("spend", columns, "s")
    months = _ask(store, "spend_months", "month, model, dollars, calls")
    assert [(str(month), *row) for month, *row in months] == [("2023-12-01", "m", 1.0, 4), ("2023-11-01", "m", 1.5, 5)]


def test_dead_letters_are_counted_by_reason_with_the_first_example(store: Store) -> None:
    letters = [
        DeadLetter("a", 2, 9, "no time", "time", "{}"),
        DeadLetter("a", 1, 0, "no time", "time", "{ }"),
        DeadLetter("b", 9, 99, "not JSON", "", "hm"),
    ]
    store.insert("dead_letters", rows.dead_letter_columns(letters), "d")
    assert _ask(store, "dead_letter_reasons", "source, field, reason, kept, first_offset, example") == [
        ("a", "time", "no time", 2, 0, "{ }"),
        ("b", "", "not JSON", 1, 99, "hm"),
    ]


def test_urgent_pages_are_counted_by_week_beside_those_marked_false(store: Store) -> None:
    weeks = [START, START + 60, START + 7 * DAY, START]
    columns: dict[str, Any] = {"id": ["a", "b", "c", "d"], "revision": [1] * 4, "paged_at": weeks}
    columns |= {"severity": ["error", "critical", "error", "warning"], "resolution": ["false", "", "", "false"]}
    store.insert("incidents", columns, "i")
    weekly = [(str(week), *row) for week, *row in _ask(store, "pages_by_week")]
    assert weekly == [("2023-11-13", 2, 1), ("2023-11-20", 1, 0)]


def test_calls_know_their_tenant(store: Store) -> None:
    insert_calls(store, {"user": "ann", "attributes": {"tenant": "gold"}}, {"user": "ann"}, {"time": START - DAY})
    assert _ask(store, f"calls({THEN}) ORDER BY id", "id, tenant") == [("0", "gold"), ("1", "nna")]


class TestRollups:
    def test_an_hour_adds_up_its_windows(self, store: Store) -> None:
        eu = {"segment": {"region": "eu"}}
        latency = {"metric": "latency", "family": "positive", "events": 1, "log_mean": 0.0, "p99": 2.5}
        score = {"metric": "score.helpful", "family": "score", "events": 2, "mean": 0.5, "p99": 0.75}
        _window(store, "a", RATE, {**RATE, **eu, "hits": 1}, latency, score)
        _window(store, "b", *({**one, "window_start": START + 10} for one in (RATE, {**latency, "log_mean": 2.0})))
        _window(store, "c", {**RATE, "window_start": START + HOUR})
        names = "toHour(hour), metric, segment, windows, events, rate, round(typical, 6), mean, round(p99_highest, 6)"
        assert _ask(store, "hours", names) == [
            (22, "latency", {}, 2, 2, None, 2.718282, None, 2.5),
            (22, "refusal_rate", {}, 2, 20, 0.3, None, None, None),
            (22, "refusal_rate", {"region": "eu"}, 1, 10, 0.1, None, None, None),
            (22, "score.helpful", {}, 1, 2, None, None, 0.5, 0.75),
            (23, "refusal_rate", {}, 1, 10, 0.3, None, None, None),
        ]

    def test_a_block_that_is_sent_again_does_not_count_again(self, store: Store) -> None:
        for _ in range(3):
            _window(store, "same", RATE, {**RATE, "window_start": START + 10})
        assert _ask(store, "hours", "windows, events, rate") == [(2, 20, 0.3)]
        assert _ask(store, "windows", "count()") == [(2,)]

    def test_a_rollup_that_failed_is_made_good_by_sending_the_block_again(self, store: Store) -> None:
        store._writer.command("RENAME TABLE rollups TO elsewhere")
        with pytest.raises(Exception, match="rollups"):
            _window(store, "w", RATE)
        store._writer.command("RENAME TABLE elsewhere TO rollups")
        for _ in range(2):
            _window(store, "w", RATE)
        assert _ask(store, "windows", "count()") == [(1,)]
        assert _ask(store, "hours", "events, rate") == [(10, 0.3)]
