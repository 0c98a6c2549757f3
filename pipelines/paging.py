"""From the settings to channels, routes, silences and the pager."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from undertow.alerts.addresses import Addresses
from undertow.alerts.channel import Channel
from undertow.alerts.channels.alertmanager import Alertmanager
from undertow.alerts.channels.apprise import Apprise
from undertow.alerts.channels.console import Console
from undertow.alerts.channels.email import Email
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.channels.slack import Slack
from undertow.alerts.channels.webhook import Webhook
from undertow.alerts.links import Link, Links, grafana
from undertow.alerts.matcher import Matcher
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager import Pager, Policy
from undertow.alerts.routes import Route, Routes
from undertow.alerts.silences import Silence, Silences
from undertow.alerts.watchdog import Watchdog, ping
from undertow.pipelines import settings as sections
from undertow.pipelines.own_key import own_key
from undertow.pipelines.settings import Alerts, Settings

__all__ = ["SINGLE", "addresses", "channels", "links", "named", "pager", "verify", "watchdog"]

SINGLE = ("pagerduty", "alertmanager", "slack", "email", "webhook", "apprise")  # sections that are channels
ADDRESSES_KEY = "addresses.key"  # below the data folder: signs the addresses under which pages are answered
LIVES = 3  # signs of life until the alert that always fires ends
SILENCES = "silences.json"  # below the data folder: those that people set while it runs

_BUILD: dict[type, Callable[[Any, Links], Channel]] = {
    sections.PagerDuty: lambda s, links: PagerDuty(s.routing_key, time.time, s.url, links),
    sections.Alertmanager: lambda s, links: Alertmanager(s.urls, time.time, s.resolve_timeout_s, links),
    sections.Slack: lambda s, links: Slack(s.webhook_url, time.time, links),
    sections.Email: lambda s, links: Email(
        s.host, s.port, s.sender, s.to, time.time, s.user, s.password, s.security, links
    ),
    sections.Webhook: lambda s, links: Webhook(s.url, time.time, s.secret, links),
    sections.Apprise: lambda s, links: Apprise(s.service_urls, links),
}


def named(alerts: Alerts) -> dict[str, Any]:
    """Return the sections of the channels by the names that routes use.

    Raises
    ------
    ValueError
        Two channels have one name.
    """
    found = {name: section for name in SINGLE if (section := getattr(alerts, name)) is not None}
    for name in alerts.channels:
        if name in found or name == Console.name:
            raise ValueError(f"[alerts.channels.{name}] has the name of another channel; give it one of its own")
    return found | alerts.channels


def addresses(settings: Settings, key: bytes | None = None) -> Addresses | None:
    """Return the signed addresses that pages carry, if they do; by default with this installation's own key."""
    if settings.hooks.url is None:
        return None
    key = key if key is not None else settings.hooks.address_key.encode() or own_key(settings.folder / ADDRESSES_KEY)
    return Addresses(settings.hooks.url, key)


def links(settings: Settings, signed: Addresses | None = None) -> Links:
    """Return what stands under pages, with signed addresses, and under reports, without.

    Raises
    ------
    ValueError
        A link has a place that nothing fills, or is no address.
    """
    alerts = settings.alerts
    wanted, images = ([Link(link.text, link.href) for link in some] for some in (alerts.links, alerts.images))
    board = [grafana(alerts.grafana_url)] if alerts.grafana_url else []
    return Links([*board, *wanted], images, signed)


def channels(settings: Settings, console: TextIO | None, signed: Addresses | None = None) -> dict[str, Channel]:
    """Return the channels that the settings ask for, by name.

    Raises
    ------
    ValueError
        A channel cannot be built; the message says why and the way out.
    """
    alerts = settings.alerts
    attached = links(settings, signed)
    found: dict[str, Channel] = {}
    if alerts.console and console is not None:
        found[Console.name] = Console(console, shadow=settings.budget.notify == "shadow", links=attached)
    for name, section in named(alerts).items():
        try:
            found[name] = _BUILD[type(section)](section, attached)
        except ValueError as error:
            raise ValueError(f"the channel '{name}' cannot be built: {error}") from None
    return found


def watchdog(settings: Settings, found: Mapping[str, Channel]) -> Watchdog:
    """Return what gives signs of life to somebody outside; without a section for it, it gives none.

    Raises
    ------
    ValueError
        The section names neither an address nor is there an Alertmanager, or the address is none.
    """
    section = settings.alerts.watchdog
    if section is None:
        return Watchdog([], 1.0, 1.0, time.time)
    signs = [ping(section.ping_url, time.time)] if section.ping_url else []
    lasts = LIVES * section.every_s
    if section.alertmanager:
        signs += [partial(one.live, section.name, lasts) for one in found.values() if isinstance(one, Alertmanager)]
    if not signs:
        raise ValueError("[alerts.watchdog] reaches nobody: give it a ping_url, or configure an Alertmanager")
    return Watchdog(signs, section.every_s, section.patience_s, time.time)


def verify(settings: Settings) -> list[str]:
    """Build all of it, send nothing, and return the names of the channels.

    Raises
    ------
    ValueError
        A channel, a route, a silence or the fallback cannot be used; the message says why.
    """
    found = channels(settings, sys.stderr, addresses(settings, b""))
    policy = _policy(settings, None)
    Routes(policy.routes, found, policy.fallback)
    watchdog(settings, found)
    return list(found)


def pager(settings: Settings, outbox: Outbox, found: dict[str, Channel], folder: Path | None = None) -> Pager:
    """Return the pager over these channels; `folder` keeps the silences that people set.

    Raises
    ------
    ValueError
        A route, a silence or the fallback cannot be used; the message says why.
    """
    return Pager(outbox, found, time.time, _policy(settings, folder))


def _policy(settings: Settings, folder: Path | None) -> Policy:
    alerts = settings.alerts
    configured = [_silence(number, silence) for number, silence in enumerate(alerts.silences, start=1)]
    return Policy(
        notify=settings.budget.notify,
        routes=tuple(Route(**_about(route), channels=tuple(route.channels)) for route in alerts.routes),
        silences=Silences(folder / SILENCES if folder else None, configured),
        fallback=alerts.fallback,
        fallback_after_s=alerts.fallback_after_s,
    )


def _about(section: sections.Route | sections.Silence) -> dict[str, Any]:
    return {name: tuple(getattr(section, name)) for name in Matcher.__struct_fields__}


def _silence(number: int, section: sections.Silence) -> Silence:
    return Silence(
        id=f"configured-{number}",
        matcher=Matcher(**_about(section)),
        starts_at=section.starts.timestamp(),
        ends_at=section.ends.timestamp(),
        reason=section.reason,
        by=section.by,
    )
