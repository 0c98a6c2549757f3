"""The measured blocks of docs/signals.md: each stands between `<!-- measured: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from outside import data_folder

from bench import signals

__all__ = ["BLOCKS", "DOCUMENT", "replaced", "rewrite"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "signals.md"
OF_DATA = ("refusal", "structure", "agents", "money", "embedding")  # modules with table(folder of the shared data sets)
BLOCKS = ("costs", *OF_DATA)
END = "<!-- end -->"


def rewrite(names: Iterable[str], events: int, say: Callable[[str], None], document: Path = DOCUMENT) -> None:
    """Measure the blocks of these names and write each into the document; one that cannot be measured is kept."""
    for name in names:
        try:
            measured = signals.table(events) if name == "costs" else _of_data(name)
        except (ModuleNotFoundError, FileNotFoundError) as error:
            say(f"{name}: not measured, {document.name} keeps what it says: {error}")
            continue
        say(f"\n{name}:\n\n{measured}")
        document.write_text(replaced(document.read_text(), name, measured))


def _of_data(name: str) -> str:
    """Return the table over the shared data sets.

    Raises
    ------
    FileNotFoundError
        The data sets are not there.
    ModuleNotFoundError
        A package that only this table needs is not installed.
    """
    folder = data_folder()
    if not folder.is_dir():
        raise FileNotFoundError(f"no shared data sets in {folder}; UNDERTOW_TEST_DATA names another folder")
    table: Callable[[Path], str] = import_module(f"bench.{name}").table
    return table(folder)


def replaced(document: str, name: str, measured: str) -> str:
    """Return the document with this in the block of that name.

    Raises
    ------
    ValueError
        The document has no such block.
    """
    before, begin, rest = document.partition(f"<!-- measured: {name} -->")
    old, end, after = rest.partition(END)
    if not end or "<!-- measured:" in old:
        raise ValueError(f"the document has no block '<!-- measured: {name} -->' that ends with '{END}'")
    return f"{before}{begin}\n\n{measured.strip()}\n\n{end}{after}"
