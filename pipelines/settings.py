"""Settings: one TOML file and UNDERTOW_* variables, read once into frozen types; unknown keys are refused by name.

Every secret has a `_file` twin that names a file to read it from. With no configuration at all the defaults watch
every service.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from undertow.drift import metrics, own_metric, rule
from undertow.drift.declared import read_declared
from undertow.drift.parity import ENVIRONMENT
from undertow.pipelines.alert_settings import (
    Alertmanager,
    Alerts,
    Apprise,
    Email,
    Health,
    Link,
    PagerDuty,
    Route,
    Silence,
    Slack,
    Watchdog,
    Webhook,
)
from undertow.pipelines.kafka_settings import Kafka
from undertow.pipelines.section import SECRETS, NotNegative, Positive, PositiveInt, Secret, Section

__all__ = [
    "Alertmanager",
    "Alerts",
    "Apprise",
    "Budget",
    "Detection",
    "Email",
    "Embeddings",
    "Fleet",
    "Grafana",
    "Health",
    "Hooks",
    "Ingest",
    "Kafka",
    "Link",
    "OwnMetric",
    "PagerDuty",
    "Price",
    "Route",
    "Rule",
    "Secret",
    "Settings",
    "SettingsError",
    "Silence",
    "Slack",
    "Store",
    "Watchdog",
    "Webhook",
    "load",
    "parse",
]


_LISTS = frozenset({"dimensions", "hosts", "metrics_off", "parity", "paths", "redact", "servers"})


class SettingsError(ValueError):
    """The configuration cannot be used: the message names the key, its value, the reason and the way out."""


class Ingest(Section, frozen=True):
    """Where events come from and how time is treated."""

    paths: list[str] = []  # files to follow; "-" is standard input
    fields: dict[str, str] = {}  # event field → dotted path in a foreign JSON log; `undertow check FILE` proposes it
    service: str | None = None  # name for events whose log has no field for it
    window_s: Positive = 10.0
    allowed_lateness_s: NotNegative = 60.0
    max_ahead_s: Positive = 300.0  # an event further ahead of its arrival is refused
    dedup_horizon_s: Positive = 600.0
    task_idle_s: Positive = 300.0
    task_limit_s: Positive = 3600.0
    task_limit_calls: PositiveInt = 1000
    idle_tick_s: Positive = 30.0  # live: silence of the source for so long lets the clock close windows
    max_open_tasks: PositiveInt = 200_000
    content: Literal["none", "redacted", "full"] = "redacted"
    redact: list[str] = []  # further RE2 patterns to mask
    schemas: dict[str, dict[str, Any]] = {}  # JSON Schemas that events name in `response_schema`


class Detection(Section, frozen=True):
    """What is followed, per slice, and with which detector."""

    dimensions: tuple[str, ...] = ("operation", "response_model", "prompt_version", "region", "agent")
    topic: str = ""  # field or attribute that says what is asked; by default clusters of the inputs' embeddings do
    values_per_dimension: PositiveInt = 20
    series_limit: PositiveInt = 20_000
    min_events: PositiveInt = 2000  # baseline events before ordinary paging; "learning N of M"
    strict_events: PositiveInt = 200  # baseline events before the strict form may page large changes
    detector: dict[str, str] = {}  # metric → "adwin" | "page_hinkley" | "kswin" instead of the default
    metrics_off: list[str] = []
    stated: dict[str, Positive] = {}  # rate, or "service/rate" → its usual level, tested from the first event
    band: dict[str, NotNegative] = {}  # metric → benign wander δ
    page_from: dict[str, Positive] = {}  # metric → smallest effect worth a page
    parity: tuple[str, ...] = ()  # dimensions whose values should be alike; "environment" for environments

    def __post_init__(self) -> None:
        for name in self.parity:
            if name not in {*self.dimensions, ENVIRONMENT}:
                raise ValueError(f"parity: '{name}' is not one of the dimensions ({', '.join(self.dimensions)})")


class Budget(Section, frozen=True):
    """How many false pages the user is willing to get."""

    false_pages_per_week: Positive = 1.0
    weight: dict[str, Positive] = {}  # service or metric → how many times the others' share its series have
    notify: Literal["page", "shadow"] = "page"  # shadow records the pages it would have sent


class Store(Section, frozen=True):
    """Where rows go: the embedded ClickHouse below `data`, or a server."""

    url: str | None = None  # http(s)://user@host:8123/database
    password: str = ""
    password_file: str | None = None
    cluster: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]*$")] = (
        ""  # of servers that share the tables; `url` is one of them
    )
    listen: str = "127.0.0.1:8321"  # the loopback port of `undertow run`
    hosts: list[str] = []  # further names under which the port may be addressed, for a proxy in front; "*" for any
    retention_days: PositiveInt = 30
    commit_s: Positive = 5.0  # wall clock between two commits: what a restart reads again, and how old the store may be
    commit_records: PositiveInt = 32_768  # … or so many records, whichever comes first


class Hooks(Section, frozen=True):
    """What may come back from outside, over the port and a proxy in front of it."""

    url: str | None = None  # https://…: where people reach the port; pages then carry an address for their answer
    deploy_secret: str = ""  # signs deployments that are declared by webhook
    deploy_secret_file: str | None = None
    address_key: str = ""  # signs the addresses, alike for all pagers; else one in the data folder
    address_key_file: str | None = None


class Grafana(Section, frozen=True):
    """Where `undertow dashboards push` puts the dashboards."""

    url: str = "http://127.0.0.1:3000"
    token: str = ""  # of a service account that may edit dashboards, and data sources if `store` is set
    token_file: str | None = None
    folder: str = "Undertow"
    store: str | None = None  # http(s)://user@host:8123/database: where Grafana itself reaches the store
    password: str = ""  # of the user in `store`
    password_file: str | None = None


class OwnMetric(Section, frozen=True):
    """A metric of the user's own: a pattern gives a rate, a field a mean."""

    pattern: str | None = None  # RE2; the share of texts that match
    on: Literal["output", "input"] = "output"
    field: str | None = None  # attributes.x, config.x, scores.x, output.path.into.json, turn …
    scale: Literal["linear", "log"] = "linear"  # "log" for amounts ≥ 0 with a long tail
    harm: Literal["up", "down", "both", "none"] = "both"
    unit: str = ""


class Rule(Section, frozen=True):
    """What must not happen even once: a pair of values, a pattern, or a number."""

    fields: tuple[str, ...] = ()  # two dimensions, and one of the next three
    equal: bool = False
    allowed: dict[str, list[str]] = {}  # value of the first → the only values of the second; * is any text
    forbidden: list[list[str]] = []
    pattern: str | None = None
    on: Literal["output", "input"] = "output"
    number: str | None = None
    above: float | None = None
    times: float | None = None  # so many times what 999 of 1,000 calls of its operation stay below


class Fleet(Section, frozen=True):
    """Which versions should be live."""

    grace_s: Positive = 3600.0  # two versions side by side for longer are told
    min_share: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.02  # less of an operation's traffic is not live
    ignore: list[str] = []  # parts that differ from call to call by design; entries of `config` by their key
    declared_file: str | None = None  # TOML: what should be live, by service


class Embeddings(Section, frozen=True):
    """What texts are about: where vectors come from, and what computing them may cost."""

    source: str = "static"  # ships; or "sentence-transformers:NAME", "event" (only carried vectors), "off"
    coordinates: Annotated[int, msgspec.Meta(ge=1, le=16_384)] | None = None  # of carried vectors; others are left out
    events_per_s: Positive | None = None  # embedded per second of event time; by default half a core's work


class Price(Section, frozen=True):
    """US dollars per million tokens, on top of the shipped table; a price that changes is a list of these."""

    input: NotNegative
    output: NotNegative
    cached: NotNegative | None = None  # read from the provider's cache; by default as plain input
    cache_write: NotNegative | None = None  # written to it
    since: date | None = None  # the day (UTC) from which it holds; by default always


class Settings(Section, frozen=True):
    """Everything the user may set."""

    data: str = "undertow-data"  # state, store and outbox live below this folder
    ingest: Ingest = Ingest()
    detection: Detection = Detection()
    budget: Budget = Budget()
    alerts: Alerts = Alerts()
    store: Store = Store()
    kafka: Kafka = Kafka()
    hooks: Hooks = Hooks()
    grafana: Grafana = Grafana()
    metrics: dict[str, OwnMetric] = {}
    rules: dict[str, Rule] = {}
    extreme_times: NotNegative = 20.0  # an answer so many times beyond the usual is told by itself; 0 turns it off
    fleet: Fleet = Fleet()
    embeddings: Embeddings = Embeddings()
    prices: dict[str, Price | list[Price]] = {}
    retirement: dict[str, date] = {}  # model, or "provider/model" → the day (UTC) on which it is switched off

    @property
    def folder(self) -> Path:
        """The data folder as a path."""
        return Path(self.data)

    @property
    def own_metrics(self) -> list[own_metric.OwnMetric]:
        """The metrics of the user's own, checked."""
        return [own_metric.OwnMetric(name, **msgspec.structs.asdict(own)) for name, own in self.metrics.items()]

    @property
    def hard_rules(self) -> list[rule.Rule]:
        """The rules, checked: those that ship and the user's."""
        shipped = rule.extremes(self.extreme_times) if self.extreme_times else []
        return [*shipped, *(rule.Rule(name, **msgspec.structs.asdict(own)) for name, own in self.rules.items())]

    @property
    def declared_versions(self) -> dict[str, dict[str, frozenset[str]]]:
        """What should be live, by service; nothing without a file that says so."""
        file = self.fleet.declared_file
        try:
            return read_declared(tomllib.loads(Path(file).read_text())) if file else {}
        except (OSError, ValueError) as error:
            raise SettingsError(f"[fleet] declared_file = '{file}' cannot be used: {error}") from error


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file (or `./undertow.toml` when it exists) with the environment on top.

    `UNDERTOW_BUDGET__FALSE_PAGES_PER_WEEK=2` sets `false_pages_per_week` of `[budget]`.

    Raises
    ------
    SettingsError
        The file is missing, is not TOML, or holds a key or value that is not known.
    """
    chosen = path or (Path("undertow.toml") if Path("undertow.toml").exists() else None)
    try:
        text = chosen.read_text() if chosen else ""
    except OSError as error:
        raise SettingsError(f"cannot read the configuration {chosen}: {error.strerror}; pass -c FILE") from error
    return parse(text, os.environ if environ is None else environ, str(chosen or "defaults"))


def parse(text: str, environ: Mapping[str, str] | None = None, name: str = "undertow.toml") -> Settings:
    r"""Parse the text of a settings file, and make its own metrics known to all that shows or tells them.

    Examples
    --------
    >>> parse("[budget]\nfalse_pages_per_week = 2").budget.false_pages_per_week
    2.0
    >>> parse("[budget]\npages_per_week = 2")
    Traceback (most recent call last):
    undertow.pipelines.settings.SettingsError: undertow.toml: unknown key 'pages_per_week' in [budget]; ...
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not valid TOML: {error}") from error
    _overlay(raw, environ or {})
    _refuse_unknown(raw, Settings, name, "")
    _read_secret_files(raw, name)
    try:
        settings = msgspec.convert(raw, Settings, strict=False)
        _ = settings.hard_rules  # refuses what it cannot use
        metrics.declare(own.metric for own in settings.own_metrics)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error
    return settings


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    for key, value in environ.items():
        if not key.startswith("UNDERTOW_") or key.startswith("UNDERTOW_TEST_"):
            continue
        *tables, leaf = key.removeprefix("UNDERTOW_").lower().split("__")
        target = raw
        for table in tables:
            target = target.setdefault(table, {})
            if not isinstance(target, dict):
                raise SettingsError(f"{key}: '{table}' is not a table of settings in the file")
        target[leaf] = value.split(",") if leaf in _LISTS else value


def _refuse_unknown(raw: Mapping[str, Any], section: type[msgspec.Struct], name: str, where: str) -> None:
    fields = get_type_hints(section)
    for key, value in raw.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(sorted(fields))}"
            raise SettingsError(f"{name}: unknown key '{key}'{f' in [{where}]' if where else ''}{hint}")
        nested = _section_in(fields[key])
        if nested and isinstance(value, Mapping):
            _refuse_unknown(value, nested, name, f"{where}.{key}" if where else key)


def _section_in(annotation: Any) -> type[msgspec.Struct] | None:
    candidates = (annotation, *get_args(annotation)) if get_origin(annotation) is not dict else ()
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)


def _read_secret_files(raw: dict[str, Any], name: str) -> None:
    for key, value in list(raw.items()):
        if isinstance(value, dict):
            _read_secret_files(value, name)
        elif key.removesuffix("_file") in SECRETS and key.endswith("_file") and isinstance(value, str):
            try:
                raw[key.removesuffix("_file")] = Path(value).read_text().strip()
            except OSError as error:
                raise SettingsError(f"{name}: {key} = '{value}' cannot be read: {error.strerror}") from error
