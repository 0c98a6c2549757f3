"""Who may answer a page from outside, and how: from the settings to the routes of `undertow.pipelines.outside`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from undertow.alerts.addresses import Addresses
from undertow.alerts.incident import Incident
from undertow.pipelines.alert_settings import PagerDuty
from undertow.pipelines.client import explain_html
from undertow.pipelines.outside import Outside
from undertow.pipelines.paging import named
from undertow.pipelines.section import Secret
from undertow.pipelines.settings import Settings

__all__ = ["outside"]


def outside(
    settings: Settings,
    control: Callable[[str, dict[str, Any]], Mapping[str, Any]],
    incidents: Callable[[], Sequence[Incident]],
    signed: Addresses | None,
) -> Outside:
    """Return what takes answers that come by signed addresses and webhooks, as far as they are configured."""
    sections = [section for section in named(settings.alerts).values() if isinstance(section, PagerDuty)]
    return Outside(
        control=control,
        incidents=incidents,
        clock=time.time,
        report=partial(explain_html, settings),
        addresses=signed,
        pagerduty=tuple(Secret(section.webhook_secret) for section in sections if section.webhook_secret),
        deploy=Secret(settings.hooks.deploy_secret) if settings.hooks.deploy_secret else None,
    )
