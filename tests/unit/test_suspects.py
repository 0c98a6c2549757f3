"""Versions first seen around a change."""

from __future__ import annotations

from typing import Any

from alert_samples import T0, incident

from undertow.alerts.incident import Version
from undertow.alerts.suspects import around

PAGE = incident(changed_at=T0, changed_from=T0 - 60, changed_to=T0 + 60)


def version(value: str, first_seen: float, **more: Any) -> Version:
    return Version(
        "prompt_version", value, first_seen, more.pop("service", "support"), more.pop("environment", "prod"), **more
    )


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


def test_a_release_of_many_parts_names_ten() -> None:
    assert len(around(PAGE, [version(str(n), T0 - n) for n in range(50)])) == 10
