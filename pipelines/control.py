"""What people may decide, and what is refused before it is taken, wherever it is taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from undertow.pipelines import pins
from undertow.pipelines.server import ControlError

__all__ = ["ACKNOWLEDGED", "DECISIONS", "RESOLUTIONS", "check_control"]

RESOLUTIONS = {"accept": "accepted", "false": "false"}  # of an incident, by what somebody decides
ACKNOWLEDGED = ("acknowledge", "dismiss")
DECISIONS = (*RESOLUTIONS, *ACKNOWLEDGED, "deploy", *pins.ACTIONS)


def check_control(
    action: str,
    arguments: Mapping[str, Any],
    is_open: Callable[[], Collection[str]],
    check_pin: Callable[[str, Mapping[str, str]], None],
) -> None:
    """Refuse what cannot be done.

    Parameters
    ----------
    is_open
        Returns the ids of the open incidents.
    check_pin
        Called with "pin" or "unpin" and its arguments; raises ValueError where that cannot be done.

    Raises
    ------
    ControlError
        The message says why, and the way out.
    """
    if action not in DECISIONS:
        raise ControlError(f"'{action}' cannot be done here; use one of {', '.join(DECISIONS)}")
    if not all(isinstance(value, str) for value in arguments.values()):
        raise ControlError("all arguments are texts")
    if action == "deploy":
        if not arguments.get("description") or not arguments.get("service"):
            raise ControlError("deploy needs a 'description' and a 'service'")
    elif action in pins.ACTIONS:
        try:
            check_pin(action, arguments)
        except ValueError as error:
            raise ControlError(str(error)) from error
    elif arguments.get("id") not in is_open():
        raise ControlError(f"no incident '{arguments.get('id')}' is open; `undertow incidents` lists those that are")
