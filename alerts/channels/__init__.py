"""The ways in which a page reaches people; one file each."""

from __future__ import annotations

from undertow.alerts.channel import Channel
from undertow.alerts.channels.alertmanager import Alertmanager
from undertow.alerts.channels.apprise import Apprise
from undertow.alerts.channels.console import Console
from undertow.alerts.channels.email import Email
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.channels.slack import Slack
from undertow.alerts.channels.webhook import Webhook

__all__ = ["CHANNELS"]

CHANNELS: dict[str, type[Channel]] = {
    "alertmanager": Alertmanager,
    "apprise": Apprise,
    "console": Console,
    "email": Email,
    "pagerduty": PagerDuty,
    "slack": Slack,
    "webhook": Webhook,
}
