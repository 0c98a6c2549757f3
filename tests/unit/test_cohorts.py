"""Dimensions that are derived: turns, language, and who asks."""

import json
from typing import Any

import pytest

from undertow.drift.cohorts import Cohorts, language, turn_bucket
from undertow.drift.interaction import Interaction, Kind, Message
from undertow.drift.segments import dimension_reader
from undertow.pipelines.redaction import user_hash

DAY_S = 86_400.0


def pseudonym(user: str) -> str:
    return user_hash(user, b"secret")


def call(time: float = 0.0, **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(time), "time": time, "service": "s"}
    return Interaction(**envelope | fields)


@pytest.mark.parametrize(
    ("turn", "bucket"), [(0, "0–4"), (4, "0–4"), (5, "5–14"), (14, "5–14"), (15, "15+"), (10**6, "15+"), (None, None)]
)
def test_turns_fall_into_three_buckets(turn: int | None, bucket: str | None) -> None:
    assert turn_bucket(call(turn=turn)) == bucket
    assert dimension_reader("turn")(call(turn=turn)) == bucket


def test_the_language_is_that_of_the_users_words_unless_the_event_says_it() -> None:
    asked = [Message("system", "You are a helpful assistant."), Message("user", "Wo ist mein Paket, bitte?")]
    assert language(call(input=asked)) == "de"
    assert language(call()) is None
    read = dimension_reader("language")
    assert read(call(input=asked)) == "de"
    assert read(call(input=asked, attributes={"language": "nl"})) == "nl"


def test_in_a_services_first_week_nobody_is_new_and_later_newcomers_are_for_a_week() -> None:
    cohorts = Cohorts(pseudonym)
    assert cohorts.observe(call(0.0, user="ana")) == "regular"
    assert cohorts.observe(call(6 * DAY_S, user="ben")) == "regular"
    assert cohorts.observe(call(8 * DAY_S, user="eve")) == "new"
    assert cohorts.observe(call(14.9 * DAY_S, user="eve")) == "new"
    assert cohorts.observe(call(15 * DAY_S, user="eve")) == "regular"
    assert cohorts.observe(call(15 * DAY_S, user="ana")) == "regular"


def test_a_user_is_heavy_in_the_week_of_many_calls_and_the_week_after() -> None:
    cohorts = Cohorts(pseudonym, heavy_calls=5)
    seen = [cohorts.observe(call(n * 60.0, user="ana")) for n in range(6)]
    assert seen == ["regular"] * 4 + ["heavy"] * 2
    assert cohorts.observe(call(8 * DAY_S, user="ana")) == "heavy"
    assert cohorts.observe(call(15 * DAY_S, user="ana")) == "regular"
    late = [cohorts.observe(call(n * 60.0, user="ana")) for n in range(6)]
    assert late == ["regular"] * 6, "calls that are weeks late count nowhere"


def test_a_week_without_calls_ends_what_was_before_it() -> None:
    cohorts = Cohorts(pseudonym, heavy_calls=5)
    for n in range(6):
        cohorts.observe(call(n * 60.0, user="ana"))
    assert cohorts.observe(call(16 * DAY_S, user="ana")) == "regular"


def test_tenure_counts_from_the_earliest_call_in_whatever_order_they_come() -> None:
    cohorts = Cohorts(pseudonym)
    cohorts.observe(call(0.0, user="ana"))
    for time in (9 * DAY_S, 7.5 * DAY_S):
        assert cohorts.observe(call(time, user="eve")) == "new"
    assert cohorts.observe(call(15 * DAY_S, user="eve")) == "regular"


def test_calls_without_a_user_and_other_kinds_belong_to_no_cohort() -> None:
    cohorts = Cohorts(pseudonym)
    assert cohorts.observe(call()) is None
    assert cohorts.observe(call(user="")) is None
    assert cohorts.observe(call(user="ana", kind=Kind.SCORE)) is None
    assert len(cohorts) == 0


def test_users_are_kept_apart_by_service_and_only_as_a_keyed_hash() -> None:
    cohorts = Cohorts(pseudonym, heavy_calls=2)
    cohorts.observe(call(user="ana@example.com"))
    assert cohorts.observe(call(user="ana@example.com", service="t")) == "regular"
    assert cohorts.observe(call(user="ana@example.com")) == "heavy"
    assert "ana" not in json.dumps(cohorts.snapshot())
    other = Cohorts(lambda user: user_hash(user, b"other"))
    other.observe(call(user="ana@example.com"))
    assert {row[0] for row in other.snapshot()["users"]}.isdisjoint(row[0] for row in cohorts.snapshot()["users"])


def test_a_cohort_is_a_slice_like_any_other_unless_the_event_names_one_itself() -> None:
    cohorts, read = Cohorts(pseudonym), dimension_reader("cohort")
    marked = call(user="ana", attributes={"region": "eu"})
    told = call(user="ana", attributes={"cohort": "beta"})
    nobody = call()
    for event in (marked, told, nobody):
        cohorts.mark(event)
    assert [read(event) for event in (marked, told, nobody)] == ["regular", "beta", None]
    assert marked.attributes == {"region": "eu", "cohort": "regular"}
    assert nobody.attributes is None


def test_memory_is_bounded_and_those_who_were_quiet_longest_go_first() -> None:
    cohorts = Cohorts(pseudonym, max_users=100, max_services=10)
    cohorts.observe(call(0.0, user="ana"))
    for n in range(1000):
        cohorts.observe(call(7 * DAY_S + n, user=f"u{n}"))
        cohorts.observe(call(7 * DAY_S, user="x", service=f"s{n}"))
    assert len(cohorts) <= 100
    assert cohorts.forgotten > 1000
    assert len(cohorts.snapshot()["services"]) == 10
    assert cohorts.observe(call(20 * DAY_S, user="ana")) == "new", "who was forgotten comes back as new"


def test_a_restart_changes_nothing() -> None:
    plain, restarted = Cohorts(pseudonym, heavy_calls=5), Cohorts(pseudonym, heavy_calls=5)
    for n in range(300):
        event = call(n * 0.1 * DAY_S, user=f"u{n % 17 * (n % 3)}", service=f"s{n % 2}")
        assert restarted.observe(event) == plain.observe(event)
        restarted = Cohorts.build(pseudonym, heavy_calls=5, state=json.loads(json.dumps(restarted.snapshot())))
    assert restarted.snapshot() == plain.snapshot()


def test_settings_and_snapshots_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="heavy_calls = 0"):
        Cohorts(pseudonym, heavy_calls=0)
    with pytest.raises(ValueError, match="version 2 is not 1"):
        Cohorts.build(pseudonym, state=Cohorts(pseudonym).snapshot() | {"version": 2})
