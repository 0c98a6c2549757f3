"""Learning from history: the baselines of a watch that has not begun yet, so that its first day can page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from undertow.pipelines import snapshot
from undertow.pipelines.replay import replay
from undertow.pipelines.settings import Settings

__all__ = ["learn_from"]


def learn_from(settings: Settings, files: Sequence[str]) -> str:
    """Seed the state below the data folder from event files; return what was learned, in words.

    Incidents found in the history are told and not paged. The watch goes on at the time where the history ends: what
    it reads must be later.

    Raises
    ------
    ValueError
        There is a state already.
    """
    path = settings.folder / "state.snapshot"
    if path.exists():
        raise ValueError(f"{path} holds what a watch has learned already; move it away to learn from history instead")
    found = replay(settings, files)
    settings.folder.mkdir(parents=True, exist_ok=True)
    found.processor.forget_incidents()
    snapshot.write(path, {"taken": 0, "decided": 0, "positions": None, "processor": found.processor.snapshot()})
    states = Counter(status.state for status in found.processor.monitor.statuses())
    told = "".join(f"\n  found in the history: {incident.headline}" for incident in found.incidents)
    return (
        f"learned from {found.processor.counters.events:,} events: {states['watching']} series can page, "
        f"{states['strict']} can page for large changes, {states['learning']} are still learning, "
        f"{states['changed']} stand changed; baselines in {path}{told}"
    )
