"""Silences from outside: each has an end and a reason, and can be lifted."""

from __future__ import annotations

from typing import Any

import pytest

from undertow.alerts.silences import Silence
from undertow.pipelines.server import ControlError
from undertow.pipelines.silencing import Silencing

NOW = 1_790_000_000.0


class Pages:
    def __init__(self) -> None:
        self.held: dict[str, Silence] = {}

    def silence(self, silence: Silence) -> None:
        self.held[silence.id] = silence

    def lift(self, key: str) -> bool:
        return self.held.pop(key, None) is not None

    def silences(self) -> list[Silence]:
        return list(self.held.values())


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def silencing(pages: Pages) -> Silencing:
    return Silencing(pages, lambda now: [("abc", now + 60, "load test")] if pages.held else [], lambda: NOW)


def test_hours_and_patterns_become_a_silence(silencing: Silencing, pages: Pages) -> None:
    asked = {
        "reason": "load test",
        "by": "anna",
        "hours": "1.5",
        "service": "payments-*,billing",
        "severity": "warning",
    }
    answer = silencing.take("silence", asked)
    (silence,) = pages.silences()
    assert (silence.starts_at, silence.ends_at) == (NOW, NOW + 5400)
    assert answer == {
        "id": silence.id,
        "about": "service payments-* or billing, severity warning",
        "until": "2026-09-21 15:43:20 UTC",
        "by": "anna",
        "reason": "load test",
    }
    assert silencing.active() == {
        "silences": [answer],
        "held": [{"incident": "abc", "until": "2026-09-21 14:14:20 UTC", "why": "load test"}],
    }


def test_an_end_may_be_a_time(silencing: Silencing, pages: Pages) -> None:
    silencing.take("silence", {"reason": "x", "until": "2026-09-21T17:00:00+02:00"})
    assert pages.silences()[0].ends_at == NOW + 2800


def test_a_silence_is_lifted_once(silencing: Silencing) -> None:
    key = silencing.take("silence", {"reason": "x", "hours": "1"})["id"]
    assert silencing.take("lift", {"id": key}) == {"lifted": key}
    with pytest.raises(ControlError, match=f"no silence '{key}' was set while this runs; `undertow silences` lists"):
        silencing.take("lift", {"id": key})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"reason": "x"}, "needs an end"),
        ({"reason": "x", "hours": "1", "until": "2026-09-21T17:00Z"}, "needs an end"),
        ({"reason": "x", "hours": "soon"}, "could not convert string to float: 'soon'"),
        ({"reason": "x", "hours": "0"}, "it needs an end after its start"),
        ({"reason": "x", "hours": "1000"}, "within 30 d"),
        ({"reason": "x", "until": "2026-09-21T17:00"}, "does not say in which time zone"),
        ({"hours": "1"}, "gives no reason"),
        ({"reason": "x", "hours": "1", "severity": "bad"}, "Invalid enum value 'bad'"),
        ({"reason": "x", "hours": 1}, "all arguments are texts"),
        ({"reason": "x", "hours": "1", "team": "a"}, "a silence has no 'team'; it has by, environment, hours"),
    ],
)
def test_what_cannot_be_a_silence_is_refused_with_its_reason(
    silencing: Silencing, pages: Pages, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(ControlError, match=told):
        silencing.take("silence", asked)
    assert pages.held == {}
