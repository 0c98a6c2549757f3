"""Live traffic: a thread that writes simulated events into a file when they are due, as an application would."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from undertow.pipelines.simulator import Scenario, live

__all__ = ["Player"]

_FLUSH_S = 0.05  # between flushes: often enough to look live, seldom enough to cost nothing


class Player:
    """Plays a scenario into a file; a context manager that stops the thread.

    Parameters
    ----------
    speed
        Seconds of event time that pass in one second. A machine that cannot keep up plays it all, later.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Player(Scenario(duration_s=60), Path(folder, "traffic.jsonl"), speed=1e6) as player:
    ...         player.join()
    ...     player.done, player.written == len(Path(folder, "traffic.jsonl").read_bytes().splitlines())
    (True, True)
    """

    def __init__(self, scenario: Scenario, path: Path, speed: float) -> None:
        self._scenario, self._path, self._speed = scenario, path, speed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._error: Exception | None = None
        self.written = 0
        self.done = False

    def __enter__(self) -> Self:
        self._path.touch()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def join(self) -> None:
        """Wait until everything has been written."""
        self._thread.join()

    def check(self) -> None:
        """Raise what went wrong in the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._play()
        except Exception as error:  # told to the thread that watches, by `check`
            self._error = error

    def _play(self) -> None:
        flushed = time.monotonic()
        with self._path.open("ab") as file:
            for line in live(self._scenario, self._speed, sleep=self._wait):
                if self._stopped.is_set():
                    return
                file.write(line)
                self.written += 1
                if time.monotonic() - flushed >= _FLUSH_S:
                    file.flush()
                    flushed = time.monotonic()
        self.done = True

    def _wait(self, seconds: float) -> None:
        self._stopped.wait(seconds)
