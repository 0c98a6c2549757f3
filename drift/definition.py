"""What defines the behaviour of a call: models asked and answered, prompt, tools, parameters; and which models are one.

Texts of prompts and tool schemas are told by a hash of them alone, so that nothing here carries content.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
import xxhash

from undertow.drift.interaction import Interaction, Scalar

__all__ = [
    "DefinitionKey",
    "defining",
    "definition_key",
    "digest",
    "encoded",
    "fallback_of",
    "instructions_version",
    "same_model",
    "scalar_text",
    "shortened",
    "tools_version",
]

DefinitionKey = tuple[str | bytes | None, ...]

_LONGEST_MODEL = 200  # characters; what is longer is no name that a provider gives
_FOLDERS = re.compile(r"^(?:.*/)?(?:[a-z][a-z0-9]*\.)*(?=[a-z])")  # "openai/…", "us.anthropic.…", "accounts/x/models/…"
_SUFFIX = re.compile(r"(?:[-@:](?:\d{4}-\d{2}-\d{2}|\d{6,8}|\d{3,4}|latest|v\d+(?::\d+)?))+$")
_LATEST = re.compile(r"-latest\b")


def defining(event: Interaction) -> list[tuple[str, str]]:
    """Return what the behaviour of this event was defined by, as (dimension, value).

    Examples
    --------
    >>> defining(Interaction(id="1", time=0.0, service="s", model="m", config={"index": 7}, instructions="Be brief."))
    [('model', 'm'), ('config.index', '7'), ('instructions', 'instructions#...')]
    """
    plain = {
        "model": event.model,
        "response_model": event.response_model,
        "provider": event.provider,
        "prompt_version": event.prompt_version,
    }
    found = [(dimension, value) for dimension, value in plain.items() if value is not None]
    found += [(f"config.{key}", scalar_text(value)) for key, value in (event.config or {}).items()]
    if event.instructions is not None:
        found.append(("instructions", instructions_version(event.instructions)))
    if event.tools is not None:
        found.append(("tools", tools_version(event.tools)))
    return found


def definition_key(event: Interaction) -> DefinitionKey:
    """Return a key that is equal for events that ran on the same, cheaper than what `defining` returns."""
    return (
        event.service,
        event.environment,
        event.model,
        event.response_model,
        event.provider,
        event.prompt_version,
        encoded(event.config) if event.config else None,
        event.instructions,
        None if event.tools is None else encoded(event.tools),
    )


def fallback_of(event: Interaction) -> str | None:
    """Return "asked → answered" when another model answered than was asked for, else None.

    Examples
    --------
    >>> fallback_of(Interaction(id="1", time=0.0, service="s", model="gpt-4o", response_model="gpt-4o-mini"))
    'gpt-4o → gpt-4o-mini'
    """
    asked, answered = event.model, event.response_model
    if not asked or not answered or same_model(asked, answered):
        return None
    return f"{shortened(asked, 60)} → {shortened(answered, 60)}"


def same_model(asked: str, answered: str) -> bool:
    """Return whether the name that answered is the one asked for, or that name made exact by a date or version.

    Folders and regions ahead of the name, case, and how a date is joined to it do not matter. Two exact names with
    different dates are two models.

    Examples
    --------
    >>> same_model("gpt-4o", "gpt-4o-2024-08-06"), same_model("anthropic/claude-3.5-haiku", "claude-3-5-haiku-20241022")
    (True, True)
    >>> same_model("gpt-4o", "gpt-4o-mini"), same_model("gpt-4o-2024-05-13", "gpt-4o-2024-08-06")
    (False, False)
    """
    return asked == answered or _same(asked[:_LONGEST_MODEL], answered[:_LONGEST_MODEL])


@lru_cache(maxsize=4096)
def _same(asked: str, answered: str) -> bool:
    (stem, version), (other, exact) = _parted(asked), _parted(answered)
    return stem == other and (exact.startswith(version) or version.startswith(exact))


def _parted(name: str) -> tuple[str, str]:
    """Return the model's name without folders, and the date or version that follows it."""
    bare = _FOLDERS.sub("", name.strip().lower())
    suffix = _SUFFIX.search(bare)
    stem = bare[: suffix.start()] if suffix else bare
    version = re.sub("[@:]", "-", suffix.group()) if suffix else ""
    return stem.replace(".", "-"), _LATEST.sub("", version)


def instructions_version(instructions: str) -> str:
    """Return the version of last resort of a prompt: a hash of its text."""
    return f"instructions#{digest(instructions.encode('utf-8', 'replace'))}"


def tools_version(tools: list[Any] | str) -> str:
    """Return the version of a set of tools: a hash of their definitions."""
    return f"tools#{digest(encoded(tools))}"


def digest(content: bytes) -> str:
    """Return eight hexadecimal digits of a hash that is the same everywhere."""
    return xxhash.xxh3_64_hexdigest(content)[:8]


def encoded(value: Any) -> bytes:
    """Return bytes that are equal for equal values; what JSON cannot say (a lone surrogate, a huge number) too.

    Values nested more deeply than Python can follow all look the same.
    """
    try:
        return msgspec.json.encode(value)
    except RecursionError:
        return b"(nested too deeply)"
    except (UnicodeError, OverflowError, TypeError, ValueError):
        return repr(value).encode("utf-8", "replace")


def scalar_text(value: Scalar) -> str:
    """Return a value of `config` or `attributes` as text.

    Examples
    --------
    >>> scalar_text(True), scalar_text(0.2), scalar_text("eu")
    ('true', '0.2', 'eu')
    """
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def shortened(text: str, longest: int = 120) -> str:
    """Return the text, or its beginning and a hash of the whole when it is longer than so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 10]}…#{digest(text.encode('utf-8', 'replace'))}"
