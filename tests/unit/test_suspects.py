"""Versions first seen around a change."""

from __future__ import annotations

from alert_samples import T0, incident

from undertow.alerts.incident import Version
from undertow.alerts.suspects import around, causes

PAGE = incident(changed_at=T0, changed_from=T0 - 60, changed_to=T0 + 60)


def version(value: str, first_seen: float, **more: str) -> Version:
    return Version(
        "prompt_version", value, first_seen, more.pop("service", "support"), more.pop("environment", "prod"), **more
    )


def texts(*versions: Version) -> list[str]:
    return [cause["text"] for cause in causes(PAGE, around(PAGE, versions))]


def test_the_interval_comes_first_then_a_lead_then_closeness() -> None:
    seen = [version(name, T0 + at) for name, at in [("d", -90), ("c", 20), ("e", -3000), ("b", -30), ("a", -5)]]
    assert [v.value for v in around(PAGE, seen)] == ["a", "b", "c", "d", "e"]


def test_what_came_after_the_change_or_long_before_or_elsewhere_is_no_suspect() -> None:
    others = [
        version("late", T0 + 61),
        version("old", T0 - 60 - 3601),
        version("theirs", T0, service="search"),
        version("staging", T0, environment="staging"),
    ]
    assert around(PAGE, others) == []


def test_a_cause_is_plain_data_with_its_lead_and_a_sentence() -> None:
    (cause,) = causes(PAGE, [version("v48", T0 - 8, declared="shorter answers")])
    assert cause == {
        "kind": "version",
        "dimension": "prompt_version",
        "value": "v48",
        "first_seen": T0 - 8,
        "lead_s": 8.0,
        "text": "prompt_version=v48 was first seen 2026-09-21 14:13:12 UTC, 8 s before the estimated change, "
        'declared as "shorter answers"',
    }


def test_two_within_the_interval_cannot_be_separated_and_say_so() -> None:
    first, second, third = texts(version("a", T0 - 5), version("b", T0 + 9), version("c", T0 - 500))
    assert first.endswith("it coincides with prompt_version=b and cannot be separated from it by these data")
    assert second.endswith("it coincides with prompt_version=a and cannot be separated from it by these data")
    assert "coincides" not in third


def test_nothing_found_is_said_to_be_unknown() -> None:
    (cause,) = causes(PAGE, [])
    assert cause["kind"] == "unknown"
    assert cause["text"] == ("no version of yours changed between 2026-09-21 13:12:20 UTC and 2026-09-21 14:14:20 UTC")


def test_a_release_of_many_parts_names_ten() -> None:
    assert len(texts(*(version(str(n), T0 - n) for n in range(50)))) == 10
