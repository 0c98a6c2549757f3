"""What can be wrong with a watch and its input, in words: each one a condition with where to look."""

from __future__ import annotations

from collections.abc import Mapping

from undertow.alerts.formats import duration, title, utc
from undertow.alerts.health import Condition
from undertow.alerts.incident import Severity
from undertow.drift.usual_share import UsualShare
from undertow.pipelines.gaps import HIDES

__all__ = ["dead_letters", "lag", "late_events", "lost_input", "silence", "store"]

_NEARLY_NONE = 0.1  # of what is usual: then a signal is gone, not thinner
_MOST = 0.5  # of the records: then the watch sees less than it should
_NAMED = 3


def silence(service: str, environment: str, latest: float, now: float, missing: float) -> Condition:
    """Return that a stream has fallen silent; `missing` is how many calls the time since usually brings at least."""
    where = _place(service, environment)
    return Condition(
        "silence",
        f"{where} has sent nothing for {duration(now - latest)}; {missing:,.0f} calls or more are usual in that time",
        (
            f"its last event was of {utc(latest)}",
            "does the application run, and does it write its log?",
            "does the log reach this watch: was the file moved, did the shipper stop?",
        ),
        service=service,
        environment=environment,
    )


def lost_input(service: str, environment: str, lost: Mapping[str, UsualShare]) -> Condition:
    """Return that fewer calls than usual say what some metrics need; `lost` is by metric, the farthest fallen first."""
    said = [f"{title(metric)} {_percent(share.usual)} → {_percent(share.latest)}" for metric, share in lost.items()]
    more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    gone = any(share.latest < _NEARLY_NONE * (share.usual or 0.0) for share in lost.values())
    needed = [f"{title(metric)} needs {HIDES[metric][0]}" for metric in lost if metric in HIDES]
    return Condition(
        "coverage",
        f"{_place(service, environment)}: fewer calls say it than usual: {', '.join(said[:_NAMED])}{more}",
        (
            "until they do, no page can come of these metrics",
            *needed[:_NAMED],
            "`undertow check FILE` says of a sample what it carries and what it hides",
        ),
        Severity.ERROR if gone else Severity.WARNING,
        service,
        environment,
    )


def lag(behind: float) -> Condition:
    """Return that events are read later than they come."""
    return Condition(
        "lag",
        f"the watch reads events {duration(behind)} after they happened, and does not catch up",
        (
            "pages come as late as that",
            "is the machine busy? `undertow status` says how many series it follows; series_limit bounds them",
            "or do the events come late to it? then the shipper is behind",
        ),
    )


def dead_letters(share: UsualShare) -> Condition:
    """Return that many records cannot be read."""
    return Condition(
        "dead letters",
        f"{_percent(share.latest)} of the last {share.latest_of:,} records cannot be read{_usually(share)}",
        (
            "`undertow sql 'SELECT field, reason, count() FROM dead_letters GROUP BY ALL'` says what and why",
            "what is not read is not watched: has the format of the log changed?",
        ),
        Severity.ERROR if share.latest >= _MOST else Severity.WARNING,
    )


def late_events(share: UsualShare, lateness: float) -> Condition:
    """Return that many events come too late to be judged."""
    return Condition(
        "late events",
        f"{_percent(share.latest)} of the last {share.latest_of:,} events came more than {duration(lateness)} late, "
        f"and are not judged{_usually(share)}",
        ("a clock that is wrong, or a shipper that is behind", "[ingest] allowed_lateness_s bounds how long is waited"),
        Severity.ERROR if share.latest >= _MOST else Severity.WARNING,
    )


def store(for_s: float, reason: str) -> Condition:
    """Return that the store takes no rows."""
    return Condition(
        "store",
        f"the store has taken no rows for {duration(for_s)}, and the watch waits for it",
        (reason, "nothing is lost: the log is read on from where it stood", "is the disk full, is the server up?"),
    )


def _place(service: str, environment: str) -> str:
    return service + (f"/{environment}" if environment else "")


def _usually(share: UsualShare) -> str:
    return f"; usually {_percent(share.usual)}" if share.usual is not None else ""


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.3g} %"
