"""From settings to channels, routes and silences: each section becomes its channel, and what cannot work is named."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_samples import change

from undertow.alerts.channels import CHANNELS
from undertow.alerts.outbox import Outbox
from undertow.pipelines.paging import SINGLE, channels, named, pager, verify
from undertow.pipelines.settings import Settings, parse

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's own

KEY = "0123456789abcdef0123456789abcdef"
ALL = f"""
[alerts.pagerduty]
routing_key = "{KEY}"
[alerts.alertmanager]
urls = ["http://am-0:9093"]
[alerts.slack]
webhook_url = "https://hooks.slack.com/services/{KEY}"
[alerts.email]
host = "smtp.example.org"
sender = "undertow@example.org"
to = ["oncall@example.org"]
password = "{KEY}"
[alerts.webhook]
url = "https://example.org"
[alerts.apprise]
service_urls = "json://example.org/{KEY}"
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite")
    yield box
    box.close()


def test_every_channel_has_a_section() -> None:
    settings = parse(ALL)
    found = channels(settings, io.StringIO())
    assert set(found) == set(CHANNELS) == {*SINGLE, "console"}
    assert {name: type(channel) for name, channel in found.items()} == CHANNELS
    assert KEY not in repr(settings) + repr(found)


def test_further_channels_have_names_of_their_own() -> None:
    text = f'[alerts.channels.payments]\ntype = "pagerduty"\nrouting_key = "{KEY}"\n'
    assert list(named(parse(text).alerts)) == ["payments"]
    assert verify(parse(text)) == ["console", "payments"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[alerts.pagerduty]\nrouting_key = "x"', "channel 'pagerduty' cannot be built: .* has 32 characters"),
        (
            '[alerts.slack]\nwebhook_url = "https://e.org"\n[alerts.channels.slack]\ntype = "webhook"\n'
            'url = "https://e.org"',
            r"\[alerts.channels.slack\] has the name of another channel",
        ),
        ('[[alerts.routes]]\nservice = ["a"]\nchannels = ["consol"]', "did you mean 'console'"),
        ('[alerts]\nfallback = "email"', "the fallback is the channel 'email'"),
        (
            '[[alerts.silences]]\nstarts = 2026-12-01T18:00:00Z\nends = 2026-12-01T17:00:00Z\nreason = "x"',
            "silence 'configured-1' .* needs an end after its start",
        ),
        ('[[alerts.links]]\ntext = "x"\nhref = "https://e.org/{nothing}"', "which nothing fills"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        verify(parse(text))


def test_a_silence_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        parse('[[alerts.silences]]\nstarts = 2026-12-01T18:00:00\nends = 2026-12-01T19:00:00\nreason = "x"')


def test_the_pager_has_routes_and_silences(outbox: Outbox, tmp_path: Path) -> None:
    shown = io.StringIO()
    settings = parse(
        '[alerts.channels.team]\ntype = "webhook"\nurl = "http://127.0.0.1:9"\n'
        '[[alerts.routes]]\nservice = ["other"]\nchannels = ["team"]\n'
        '[[alerts.routes]]\nchannels = ["console"]\n'
    )
    made = pager(settings, outbox, channels(settings, shown), tmp_path)
    made.submit([change()])
    assert made.pump().delivered == 1
    assert change().incident.headline in shown.getvalue()
    assert outbox.counts(0.0).pending == 0


def test_in_shadow_mode_only_the_console_is_told(outbox: Outbox) -> None:
    settings = parse('[budget]\nnotify = "shadow"\n[alerts.webhook]\nurl = "http://127.0.0.1:9"')
    made = pager(settings, outbox, channels(settings, io.StringIO()))
    made.submit([change()])
    assert (made.pump().delivered, outbox.counts(0.0).shadow) == (1, 1)


def test_by_default_there_is_the_console() -> None:
    assert verify(Settings()) == ["console"]
