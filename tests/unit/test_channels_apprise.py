"""apprise: what it says, how it is bounded, and what becomes of it where the library is missing."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from alert_samples import change

from undertow.alerts.channel import Outcome
from undertow.alerts.channels.apprise import Apprise
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import ChangeKind, Severity

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's own


def channel(
    monkeypatch: pytest.MonkeyPatch, answer: Any, total_s: float = 10.0
) -> tuple[Apprise, list[dict[str, Any]]]:
    said: list[dict[str, Any]] = []
    made = Apprise("json://127.0.0.1:1/", timeouts=Timeouts(total_s=total_s))

    def notify(**what: Any) -> Any:
        said.append(what)
        return answer() if callable(answer) else answer

    monkeypatch.setattr(made._services, "notify", notify)
    return made, said


@pytest.mark.parametrize(
    ("kind", "severity", "tone", "title"),
    [
        (ChangeKind.TRIGGER, Severity.CRITICAL, "failure", "CRITICAL: support/prod"),
        (ChangeKind.TRIGGER, Severity.WARNING, "warning", "WARNING: support/prod"),
        (ChangeKind.UPDATE, Severity.ERROR, "failure", "UPDATE: support/prod"),
        (ChangeKind.RESOLVE, Severity.ERROR, "success", "RESOLVE: support/prod"),
    ],
)
def test_a_change_in_the_library_s_terms(
    monkeypatch: pytest.MonkeyPatch, kind: ChangeKind, severity: Severity, tone: str, title: str
) -> None:
    made, said = channel(monkeypatch, True)
    assert made.send(change(kind, severity=severity)).outcome is Outcome.DELIVERED
    assert (said[0]["notify_type"], said[0]["title"]) == (tone, title)
    assert ("before ███" in said[0]["body"]) is (kind is ChangeKind.TRIGGER)
    assert change().incident.id in said[0]["body"]


@pytest.mark.parametrize("answer", [False, None])
def test_what_was_not_taken_is_tried_again(monkeypatch: pytest.MonkeyPatch, answer: bool | None) -> None:
    made, _ = channel(monkeypatch, answer)
    assert made.send(change()).outcome is Outcome.RETRY


def test_an_attempt_that_hangs_is_left_and_no_second_begins_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    made, said = channel(monkeypatch, lambda: released.wait(10), total_s=0.05)
    assert made.send(change()).detail == "no end after 0.05 s"
    assert made.send(change()).detail == "the attempt before is still under way"
    assert len(said) == 1
    released.set()
    assert made._running is not None
    made._running.join(10)
    assert made.send(change()).outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ("", "at least one URL"),
        ("json://127.0.0.1 nonsense://s3cret", r"knows no service for URL 2 \(nonsense\)"),
        ("s3cret", r"URL 1 \(no scheme\)"),
    ],
)
def test_urls_that_it_does_not_know_are_refused_unseen(urls: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        Apprise(urls)
    assert "s3cret" not in str(refused.value)


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ValueError, match=r"pip install 'undertow\[apprise\]'"):
        Apprise("json://127.0.0.1")
