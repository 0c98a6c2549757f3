"""What commands do beside a running watch or without one: ask its port, or open the store themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from undertow.alerts.cards import version_card
from undertow.alerts.incident import Incident
from undertow.alerts.text import page_text
from undertow.dashboards.report import render_report
from undertow.dashboards.tables import table
from undertow.drift.cards import Card
from undertow.pipelines.card_rows import CARDS, cards_of
from undertow.pipelines.clickhouse import QueryResult, Store, ask, ask_server
from undertow.pipelines.incident_report import report
from undertow.pipelines.paging import links
from undertow.pipelines.prices import price_table, retirements
from undertow.pipelines.server import control_token
from undertow.pipelines.settings import Settings
from undertow.pipelines.spend_report import spend_report
from undertow.pipelines.spend_text import render
from undertow.pipelines.store_lock import holder
from undertow.pipelines.stored_calls import illustrate

__all__ = [
    "as_json",
    "as_table",
    "control",
    "explain",
    "explain_html",
    "incidents",
    "port_of",
    "query",
    "silences",
    "spend",
    "versions",
]

TIMEOUT_S = 30.0


class NotRunningError(RuntimeError):
    """The command needs a running watch."""


def port_of(settings: Settings) -> str | None:
    """Return the URL of the watch that has this data folder open, None when none has."""
    running = holder(settings.folder)
    return running.url if running else None


def query(settings: Settings, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
    """Answer a query from wherever the store is."""
    if settings.store.url:
        return ask_server(settings.store, sql, parameters)
    if url := port_of(settings):
        return ask(url, sql, parameters)
    with Store.open(settings.store, settings.folder) as store:
        return store.query(sql, parameters)


def as_table(result: QueryResult) -> str:
    """Return a result as an aligned table."""
    return table(list(result.columns), result.rows)


def as_json(result: QueryResult) -> str:
    """Return a result as JSON lines."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return "\n".join(msgspec.json.encode(row, enc_hook=str).decode() for row in rows)


def incidents(settings: Settings) -> QueryResult:
    """Return the incidents, newest first."""
    return query(
        settings,
        "SELECT id, opened_at, state, severity, service, headline FROM incidents ORDER BY opened_at DESC LIMIT 100",
    )


def versions(settings: Settings) -> str:
    """Return the cards of new versions, newest first."""
    cards = cards_of(query(settings, CARDS).rows)
    told = ["\n  ".join([_place(card), *version_card(card)]) for card in cards]
    return "\n\n".join(told) or (
        "No new version has a card yet: one is made when 1,000 calls have run on it, or 12 hours after it came."
    )


def _place(card: Card) -> str:
    return card.service + (f"/{card.environment}" if card.environment else "")


def spend(settings: Settings, days: float) -> str:
    """Return what was spent in the last `days`, why that changed, and where the month is heading."""

    def answer(sql: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        return query(settings, sql, parameters).rows

    report = spend_report(answer, price_table(settings.prices), retirements(settings.retirement), days)
    return render(report) if report else "Nothing was spent yet: the store has no closed hour with calls."


def explain(settings: Settings, incident: str) -> str:
    """Return the page of an incident as it stands now.

    Raises
    ------
    ValueError
        The store has no such incident.
    """
    return page_text(_incident(settings, incident))


def explain_html(settings: Settings, incident: str) -> str:
    """Return an incident as it stands now as one HTML page, its charts and calls included.

    Raises
    ------
    ValueError
        The store has no such incident.
    """
    found = _incident(settings, incident)
    return render_report(report(found, lambda sql: query(settings, sql).rows, links(settings).of(found)))


def _incident(settings: Settings, incident: str) -> Incident:
    if not incident.isalnum():
        raise ValueError(f"'{incident}' is not an incident's id; `undertow incidents` lists them")
    found = query(settings, f"SELECT content FROM incidents WHERE id = '{incident}'")  # noqa: S608 (alphanumeric)
    if not found.rows:
        raise ValueError(f"no incident '{incident}' in the store; `undertow incidents` lists them")
    kept = msgspec.json.decode(found.rows[0][0], type=Incident)
    if settings.kafka.servers and kept.verdicts and not kept.shown.get("since"):  # written where no calls are known
        return illustrate(kept, lambda sql: query(settings, sql).rows)
    return kept


def silences(settings: Settings) -> str:
    """Return which silences hold now, and which pages they hold back.

    Raises
    ------
    NotRunningError
        No watch has the data folder open.
    """
    found = httpx.get(f"{_running(settings, 'silences')}/status", timeout=TIMEOUT_S).raise_for_status().json()
    tables = [
        table(columns, [tuple(row[name] for name in columns) for row in found[what]])
        for what, columns in (("silences", ["id", "about", "until", "by", "reason"]), ("held", ["incident", "until"]))
        if found[what]
    ]
    return "\n\n".join(tables) or "no silence holds now"


def control(settings: Settings, action: str, arguments: Mapping[str, Any]) -> str:
    """Ask the running watch to act.

    Raises
    ------
    NotRunningError
        No watch has the data folder open.
    ValueError
        The watch says that it cannot be done.
    """
    url = _running(settings, action)
    headers = {"Authorization": f"Bearer {control_token(settings.folder).reveal()}"}
    answer = httpx.post(f"{url}/control/{action}", json=dict(arguments), headers=headers, timeout=TIMEOUT_S)
    if answer.is_error:
        raise ValueError(answer.json().get("error", answer.text))
    return answer.text


def _running(settings: Settings, command: str) -> str:
    url = port_of(settings)
    if url is None:
        raise NotRunningError(f"`undertow {command}` acts on a running watch, and none has {settings.folder} open")
    return url
