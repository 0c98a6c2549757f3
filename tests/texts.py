"""Every text of the shared data sets, for tests and benchmarks that want real ones."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

__all__ = ["all_texts", "strings"]


def all_texts(data: Path) -> list[str]:
    """Return the strings inside every JSON file, and every other file as a whole; sorted, each once."""
    found: set[str] = set()
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        found.update(_texts(path.name, text))
    return sorted(found)


def _texts(name: str, text: str) -> Iterator[str]:
    if ".jsonl" in name:
        for line in text.splitlines():
            yield from strings(json.loads(line)) if line.strip() else ()
    elif ".json" in name:
        yield from strings(json.loads(text))
    else:
        yield text


def strings(value: object) -> Iterator[str]:
    """Yield the texts inside a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
