"""`undertow status`: which series can page now and which are learning, from a running watch or its last commit."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx

from undertow.dashboards.tables import table
from undertow.pipelines.app import load_processor
from undertow.pipelines.client import port_of
from undertow.pipelines.pins import status_of_pins
from undertow.pipelines.settings import Settings
from undertow.pipelines.telemetry import status_of_series

__all__ = ["status_of", "status_text"]

_LISTED = 60
_ORDER = {"changed": 0, "watching": 1, "strict": 2, "learning": 3}


def status_of(settings: Settings) -> dict[str, Any]:
    """Return the status of the running watch, or what its last commit says when none runs; on Kafka of all roles."""
    if settings.kafka.servers:
        from undertow.pipelines.kafka import installation_status  # only here is a broker's client needed

        return installation_status.status_of(settings)
    url = port_of(settings)
    if url is not None:
        found: dict[str, Any] = httpx.get(f"{url}/status", timeout=30).raise_for_status().json()
        return {"running": url, **found}
    processor, positions = load_processor(settings)
    series = status_of_series(processor.monitor.statuses())
    counters = processor.counters
    return {
        "running": None,
        "events": counters.events,
        "late": counters.late,
        "duplicates": counters.duplicates,
        "open_incidents": len(processor.incidents.open),
        "false_pages_per_week": settings.budget.false_pages_per_week,
        "practice": processor.practice.summary(
            settings.budget.false_pages_per_week, processor.counting.windows.watermark
        ),
        "notify": settings.budget.notify,
        "states": dict(Counter(entry["state"] for entry in series)),
        "series": series,
        "pins": status_of_pins(processor.monitor.pins(), processor.counting.windows.latest),
        "seeded": positions is None and bool(series),
    }


def status_text(status: dict[str, Any]) -> str:
    """Return the status as people read it."""
    states = status["states"]
    lines = [
        f"watch: {_where(status)}",
        f"budget: {status['false_pages_per_week']:g} false pages a week, notify = {status['notify']}",
        _practice(status["practice"]),
        _events(status),
        f"series: {states.get('watching', 0)} can page, {states.get('strict', 0)} can page for large changes, "
        f"{states.get('learning', 0)} learning, {states.get('changed', 0)} changed",
        f"incidents open: {status['open_incidents']}; changes not delivered: {status.get('undelivered', 'unknown')}",
    ]
    if "lag" in status:
        behind = ", ".join(f"{role} {messages:,}" for role, messages in status["lag"].items())
        lines.append(f"messages not committed yet: {behind}")
    if status["pins"]:
        compared = sum(len(pin["series"]) for pin in status["pins"])
        lines.append(
            f"pins: {len(status['pins'])}, with {compared} series compared every day; `undertow pins` lists them"
        )
    lines += [f"WRONG since {one['since']}: {one['headline']}" for one in status.get("wrong", [])]
    if status.get("refused_deliveries"):
        lines.append(
            f"REFUSED for good by a channel: {status['refused_deliveries']} changes; see the log, check its key"
        )
    unpriced = status.get("unpriced_models") or {}
    if unpriced:
        lines.append(f"unpriced models (their cost is unknown, not 0): {', '.join(sorted(unpriced))}; set [prices]")
    return "\n".join(lines) + "\n" + _series_table(status["series"])


def _where(status: dict[str, Any]) -> str:
    if "installation" in status:
        closed = status["last_closed_window"]
        judged = f"judged up to {datetime.fromtimestamp(closed, UTC):%F %T} UTC" if closed else "nothing judged yet"
        return f"on Kafka, {status['installation']}; {judged}, as of the last states"
    return f"running at {status['running']}" if status["running"] else "not running; this is the last commit"


def _events(status: dict[str, Any]) -> str:
    if "events" not in status:
        return "events: the metrics of the workers count them"
    return f"events: {status['events']:,} counted, {status['late']:,} late, {status['duplicates']:,} repeated"


def _practice(practice: dict[str, Any]) -> str:
    outside = f" ({practice['outside']} by rules or detectors outside the budget)" if practice["outside"] else ""
    return (
        f"practice: {practice['pages']} urgent pages{outside} in {practice['weeks']:.1f} weeks, "
        f"{practice['false']} marked false; the budget allows {practice['allowed']:.1f}"
    )


def _series_table(series: list[dict[str, Any]]) -> str:
    chosen = sorted(series, key=lambda entry: (_ORDER[entry["state"]], len(entry["segment"]), -entry["learned"]))
    rows = [
        (
            entry["service"],
            entry["environment"],
            " ".join(f"{name}={value}" for name, value in entry["segment"].items()) or "all",
            entry["metric"],
            _state(entry),
            f"{entry['level']:.4g}",
        )
        for entry in chosen[:_LISTED]
    ]
    shown = table(["service", "environment", "slice", "metric", "state", "usual"], rows)
    more = len(series) - _LISTED
    return shown + (f"\n… and {more} more: --json lists all" if more > 0 else "")


def _state(entry: dict[str, Any]) -> str:
    if entry["state"] == "learning":
        return f"learning {entry['learned']} of {entry['needed']}"
    if entry["state"] == "strict":
        return f"large changes only, {entry['learned']} of {entry['needed']}"
    return "can page" if entry["state"] == "watching" else "changed"
