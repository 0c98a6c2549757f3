"""The settings below `[alerts]`: how incidents are grouped, whom they reach, and when not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from undertow.alerts.incident import Severity
from undertow.pipelines.section import NotNegative, Positive, PositiveInt, Section, Share

__all__ = [
    "Alertmanager",
    "Alerts",
    "Apprise",
    "Email",
    "Health",
    "Link",
    "PagerDuty",
    "Route",
    "Silence",
    "Slack",
    "Watchdog",
    "Webhook",
]


class PagerDuty(Section, frozen=True, tag_field="type", tag="pagerduty"):
    """PagerDuty Events API v2."""

    routing_key: str = ""
    routing_key_file: str | None = None
    webhook_secret: str = ""  # of a webhook subscription, version 3, for what comes back
    webhook_secret_file: str | None = None
    url: str = "https://events.pagerduty.com"


class Alertmanager(Section, frozen=True, tag_field="type", tag="alertmanager"):
    """Alertmanager API v2; every replica is told."""

    urls: list[str]
    resolve_timeout_s: Positive = 300.0  # an alert that is not repeated for so long counts as resolved there


class Slack(Section, frozen=True, tag_field="type", tag="slack"):
    """A Slack channel, by an incoming webhook."""

    webhook_url: str = ""
    webhook_url_file: str | None = None


class Email(Section, frozen=True, tag_field="type", tag="email"):
    """E-mail through one SMTP server."""

    host: str
    sender: str
    to: list[str]
    port: PositiveInt = 587
    user: str = ""
    password: str = ""
    password_file: str | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"


class Webhook(Section, frozen=True, tag_field="type", tag="webhook"):
    """A POST of the incident as JSON, signed with HMAC-SHA256 when a secret is set."""

    url: str
    secret: str = ""
    secret_file: str | None = None


class Apprise(Section, frozen=True, tag_field="type", tag="apprise"):
    """Whatever the optional `apprise` library reaches."""

    service_urls: str = ""  # separated by blanks or line ends
    service_urls_file: str | None = None


class Health(Section, frozen=True):
    """When the watch pages about itself; a stream's silence is measured by its own usual hours."""

    pages_per_day: PositiveInt = 6  # the rest is shown by the status
    lag_s: Positive = 600.0  # behind the newest events for so long, and not catching up
    dead_letter_share: Share = 0.05  # of the records, and more than twice what is usual
    late_share: Share = 0.05  # of the events, likewise
    store_s: Positive = 120.0  # the store has taken no rows for so long


class Watchdog(Section, frozen=True):
    """Signs of life for somebody outside, who alarms when they stop."""

    name: str = "undertow"  # of this installation
    ping_url: str = ""  # is called with POST
    ping_url_file: str | None = None
    alertmanager: bool = True  # an alert that always fires, on every Alertmanager that is configured
    every_s: Positive = 60.0
    patience_s: Positive = 300.0  # a main loop that stands still for so long gives no sign either


class _About(Section, frozen=True):
    """Which incidents are meant: patterns as in file names, and severities; what is empty says nothing."""

    service: list[str] = []
    environment: list[str] = []
    metric: list[str] = []
    severity: list[Severity] = []


class Route(_About, frozen=True, kw_only=True):
    """Where such incidents go; the first route that matches counts."""

    channels: list[str]


class Silence(_About, frozen=True, kw_only=True):
    """For a while, such incidents wake nobody; afterwards they are told."""

    starts: Annotated[datetime, msgspec.Meta(tz=True)]
    ends: Annotated[datetime, msgspec.Meta(tz=True)]
    reason: str
    by: str = ""


class Link(Section, frozen=True):
    """An address to put under each page, with places such as `{service}`."""

    text: str
    href: str


class Alerts(Section, frozen=True):
    """How incidents are grouped and where they go."""

    hold_s: NotNegative = 30.0  # event time in which related verdicts join before the page leaves
    join_s: Positive = 1800.0  # verdicts whose change intervals lie within so long of each other are one incident
    pages_per_hour: PositiveInt = 10
    weight: dict[str, NotNegative] = {}  # metric → how much it hurts, for the severity; 1 where nothing is said
    console: bool = True
    pagerduty: PagerDuty | None = None
    alertmanager: Alertmanager | None = None
    slack: Slack | None = None
    email: Email | None = None
    webhook: Webhook | None = None
    apprise: Apprise | None = None
    channels: dict[str, PagerDuty | Alertmanager | Slack | Email | Webhook | Apprise] = {}  # further ones, by name
    routes: list[Route] = []
    silences: list[Silence] = []
    grafana_url: str | None = None  # pages and reports then link to the incident's board
    links: list[Link] = []
    images: list[Link] = []  # https only: PagerDuty's machines fetch them
    health: Health = Health()
    watchdog: Watchdog | None = None
    fallback: str | None = None  # the channel that is told what another one refused or did not take in time
    fallback_after_s: Positive = 900.0
