"""Silences: each has an end and a reason, and they outlive the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alert_samples import incident

from undertow.alerts.matcher import Matcher
from undertow.alerts.silences import Silence, Silences


def silence(key: str = "a", starts_at: float = 100.0, ends_at: float = 200.0, **more: Any) -> Silence:
    values: dict[str, Any] = {"matcher": Matcher(service=("support",)), "reason": "load test"} | more
    return Silence(id=key, starts_at=starts_at, ends_at=ends_at, **values)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"ends_at": 100.0}, "it needs an end after its start"),
        ({"ends_at": float("inf")}, "it needs an end after its start"),
        ({"ends_at": 100.0 + 31 * 86_400}, "would last 31 d from .* within 30 d"),
        ({"reason": " "}, "silence 'a' gives no reason"),
    ],
)
def test_a_silence_without_an_end_or_a_reason_is_refused(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        silence(**more)


@pytest.mark.parametrize(("now", "holds"), [(99.9, False), (100.0, True), (199.9, True), (200.0, False)])
def test_it_holds_from_its_start_to_its_end(now: float, holds: bool) -> None:
    assert (Silences(configured=[silence()]).on(incident(), now) is not None) is holds


def test_of_several_the_longest_counts_and_others_incidents_are_not_meant() -> None:
    silences = Silences(configured=[silence("a"), silence("b", ends_at=300.0), silence("c", ends_at=250.0)])
    found = silences.on(incident(), 150.0)
    assert found is not None
    assert found.id == "b"
    assert silences.on(incident(service="other"), 150.0) is None


def test_what_people_set_outlives_the_process_and_what_has_ended_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "silences.json"
    silences = Silences(path)
    silences.add(silence("old"), now=150.0)
    silences.add(silence("new", ends_at=900.0, by="anna"), now=500.0)
    assert Silences(path).active(600.0) == [silence("new", ends_at=900.0, by="anna")]
    assert Silences(path).active(150.0) == [silence("new", ends_at=900.0, by="anna")]


def test_lifting_is_remembered_too_and_the_configured_ones_cannot_be_lifted(tmp_path: Path) -> None:
    path = tmp_path / "silences.json"
    silences = Silences(path, [silence("fixed")])
    silences.add(silence(), now=150.0)
    assert (silences.end("a"), silences.end("a"), silences.end("fixed")) == (True, False, False)
    assert Silences(path).active(150.0) == []


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "silences.json"
    path.write_text("[{")
    with pytest.raises(ValueError, match=r"silences\.json cannot be read: .*; move the file away"):
        Silences(path)
