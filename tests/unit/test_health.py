"""What is wrong with the watch itself: told once, in its own words, within its own cap, and over when it is."""

from __future__ import annotations

import msgspec

from undertow.alerts.health import Condition, Health, HealthState
from undertow.alerts.incident import Change, Severity
from undertow.alerts.text import page_text

FULL = Condition("store", "the store has taken no rows for 3 min", ("is the disk full?",))


def play(health: Health, until: float, *conditions: Condition, start: float = 0.0) -> list[Change]:
    return [change for at in range(int(start), int(until), 5) for change in health.update(list(conditions), float(at))]


def test_what_lasts_a_minute_is_paged_once_and_resolved_when_it_has_gone_for_two() -> None:
    health = Health(6)
    told = play(health, 1000, FULL)
    assert [(change.kind, change.at) for change in told] == [("trigger", 60.0)]
    over = play(health, 2000, start=1000)
    assert [(change.kind, change.at) for change in over] == [("resolve", 1115.0)]
    assert over[0].incident.resolution == "recovered"
    assert over[0].incident.id == told[0].incident.id
    assert health.incidents == []


def test_a_moment_is_nobodys_page() -> None:
    health = Health(6)
    assert play(health, 40, FULL) + play(health, 1000, start=40) == []


def test_what_flickers_is_one_incident() -> None:
    health = Health(6)
    told = [change for at in range(0, 3600, 60) for change in health.update([FULL] if at % 120 else [], float(at))]
    assert [change.kind for change in told] == ["trigger"]


def test_each_stream_has_its_own() -> None:
    streams = [Condition("silence", f"{name} is silent", (), service=name) for name in ("a", "b")]
    told = play(Health(6), 100, *streams)
    assert [(change.kind, change.incident.service) for change in told] == [("trigger", "a"), ("trigger", "b")]


def test_what_grows_graver_is_told_under_a_new_key() -> None:
    health = Health(6)
    play(health, 100, Condition("late events", "some", (), Severity.WARNING))
    (graver,) = play(health, 200, Condition("late events", "most", (), Severity.ERROR), start=100)
    assert (graver.kind, graver.incident.severity, len(graver.incident.keys)) == ("escalate", "error", 2)


def test_beyond_its_own_cap_of_a_day_it_pages_nobody_and_counts() -> None:
    health = Health(2)
    many = [Condition("silence", "silent", (), service=f"s{n}") for n in range(5)]
    assert [change.kind for change in play(health, 100, *many)] == ["trigger", "trigger"]
    assert (health.capped, len(health.incidents)) == (3, 5)
    assert [change.kind for change in play(health, 400, start=100)] == ["resolve", "resolve"]
    day = 86_400
    assert len(play(health, day + 200, FULL, start=day + 61)) == 1


def test_the_page_says_that_it_is_about_the_watch_and_where_to_look() -> None:
    (told,) = play(Health(6), 100, FULL)
    assert page_text(told.incident).splitlines() == [
        "ERROR     the store has taken no rows for 3 min",
        "state     paged, found 1970-01-01 00:00:00 UTC",
        "about     store: the watch itself, not the behaviour that it watches",
        "look      is the disk full?",
        f"incident  {told.incident.id}  (undertow explain {told.incident.id})",
    ]


def test_it_goes_on_from_its_state() -> None:
    health = Health(6)
    (told,) = play(health, 100, FULL)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(health.snapshot()), type=HealthState)
    resumed = Health(6, state)
    assert play(resumed, 200, FULL, start=100) == []
    (over,) = play(resumed, 400, start=200)
    assert (over.kind, over.incident.id) == ("resolve", told.incident.id)


def test_somebody_takes_it_and_it_is_told_once() -> None:
    health = Health(6)
    (told,) = play(health, 100, FULL)
    (taken,) = health.acknowledge(told.incident.id, 110.0, "anna")
    assert (taken.kind, taken.incident.state, taken.incident.acknowledged_by) == ("acknowledge", "acknowledged", "anna")
    assert health.acknowledge(told.incident.id, 120.0, "ben") == []
    assert play(health, 1000, FULL, start=125) == []
    assert [change.kind for change in play(health, 2000, start=1000)] == ["resolve"]


def test_what_somebody_calls_false_is_told_no_more_until_it_has_been_gone() -> None:
    health = Health(6)
    (told,) = play(health, 100, FULL)
    (closed,) = health.close(told.incident.id, "false", 110.0, "anna", "a planned pause")
    assert (closed.kind, closed.incident.state, closed.incident.decision) == ("resolve", "false", "a planned pause")
    assert health.incidents == []
    assert health.close(told.incident.id, "false", 120.0) == []
    assert play(health, 5000, FULL, start=125) == []
    assert play(health, 5200, start=5000) == []
    (again,) = play(health, 5400, FULL, start=5200)
    assert again.incident.id != told.incident.id


def test_what_nobody_was_told_of_cannot_be_taken() -> None:
    health = Health(6)
    play(health, 30, FULL)
    (held,) = health.incidents
    assert health.acknowledge(held.id, 40.0) == health.close(held.id, "false", 40.0) == []
