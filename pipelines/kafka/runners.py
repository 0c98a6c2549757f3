"""What may run a role: the plain loop, or Faust. Both fill one contract, and one is imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.errors import RunnerMissingError
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Role
from undertow.pipelines.kafka.states import States
from undertow.pipelines.settings import Kafka

__all__ = ["RUNNERS", "Runner", "runner_of"]

RUNNERS = {  # name → module, class, extra of Undertow that installs what it needs
    "plain": ("loop", "Loop", "kafka"),
    "faust": ("faust_detect", "FaustLoop", "faust"),
}


class Runner(Protocol):
    """One process of a role: it reads, lets the machines take, and makes durable what they return."""

    def __init__(
        self,
        settings: Kafka,
        role: Role,
        client: Client,
        partitions: int,
        states: States,
        meter: LoopMeter | None = None,
        clock: Callable[[], float] = ...,
    ) -> None: ...

    def run(self, stopped: Callable[[], bool]) -> None:
        """Go on until somebody stops it, then make everything durable and leave the group.

        Raises
        ------
        undertow.pipelines.kafka.errors.KafkaError
            The process must end, and may be started again.
        """
        ...


def runner_of(name: str) -> type[Runner]:
    """Return the runner of that name.

    Raises
    ------
    undertow.pipelines.kafka.errors.RunnerMissingError
        What it needs is not installed.

    Examples
    --------
    >>> runner_of("plain").__name__
    'Loop'
    """
    module, kind, extra = RUNNERS[name]
    try:
        found: type[Runner] = getattr(import_module(f"undertow.pipelines.kafka.{module}"), kind)
    except ModuleNotFoundError as error:
        raise RunnerMissingError(
            f"the runner {name} needs {error.name}, which is not installed: pip install 'undertow[{extra}]'"
        ) from error
    return found
