"""The console: the page as on-call would get it."""

from __future__ import annotations

import io

from alert_samples import change

from undertow.alerts.channel import Outcome
from undertow.alerts.channels.console import Console
from undertow.alerts.incident import ChangeKind
from undertow.alerts.text import page_text


def test_a_trigger_is_the_whole_page() -> None:
    stream = io.StringIO()
    assert Console(stream).send(change()).outcome is Outcome.DELIVERED
    assert stream.getvalue() == f"──── TRIGGER 2026-09-21 14:13:50 UTC ────\n{page_text(change().incident)}\n\n"


def test_a_resolve_is_brief() -> None:
    stream = io.StringIO()
    Console(stream).send(change(ChangeKind.RESOLVE, revision=2))
    assert stream.getvalue().splitlines()[1:3] == [
        change().incident.headline,
        "resolved (recovered) at 2026-09-21 14:23:20 UTC, 12 min after the change; incident 0000000000000000",
    ]


def test_in_shadow_mode_it_says_that_nobody_was_paged() -> None:
    stream = io.StringIO()
    Console(stream, shadow=True).send(change())
    assert "(shadow: nobody was paged)" in stream.getvalue()


def test_a_stream_that_is_gone_refuses_and_does_not_raise() -> None:
    stream = io.StringIO()
    stream.close()
    assert Console(stream).send(change()).outcome is Outcome.REFUSED
