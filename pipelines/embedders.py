"""The embedders by the name that the configuration gives them; loads what they need from files, never from a network.

| source | vectors are |
|---|---|
| `static` | computed by the table that ships: 256 dimensions, some 10 µs a text, no further package |
| `sentence-transformers:NAME` | computed by that model, a folder or a name in its cache: 15 to 60 ms a text |
| `event` | only those that events carry |
| `off` | not followed |

A vector that an event carries is taken in any case but `off`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from undertow.drift.embedding import LONGEST_TEXT, Embedder, Rows, StaticEmbedder, Tokenize, nothing
from undertow.drift.vectors import fitted

__all__ = [
    "SOURCES",
    "EmbedderError",
    "SentenceTransformers",
    "build",
    "default_budget",
    "fast_tokenizer",
    "reference_tokenizer",
    "static",
]

SOURCES = ("static", "event", "off", "sentence-transformers:NAME")
_PREFIX = "sentence-transformers:"
_STATIC_EVENTS_PER_S = 20_000.0  # with input and output, some 20 µs an event
_MODEL_EVENTS_PER_S = 10.0  # some 50 ms, of a small model


class EmbedderError(RuntimeError):
    """An embedder cannot be had: the message names it, the reason and the way out."""


def build(source: str) -> Embedder | None:
    """Return the embedder of a source; None where nothing is computed ("event", "off").

    Raises
    ------
    EmbedderError
        There is no such source, or what it needs is not installed or cannot be read.

    Examples
    --------
    >>> embedder = build("static")
    >>> king, queen, invoice = embedder.embed(["a king", "a queen", "the invoice is overdue"])
    >>> bool(king @ queen > king @ invoice)
    True
    """
    if source in {"event", "off"}:
        return None
    if source == "static":
        return static()
    if source.startswith(_PREFIX) and source != _PREFIX:
        return SentenceTransformers(source.removeprefix(_PREFIX))
    raise EmbedderError(f"there is no source of embeddings '{source}'; there are: {', '.join(SOURCES)}")


def default_budget(source: str) -> float:
    """Return how many events a second, input and output, keep about half of a core busy.

    Examples
    --------
    >>> default_budget("static"), default_budget("sentence-transformers:all-MiniLM-L6-v2")
    (20000.0, 10.0)
    """
    return _MODEL_EVENTS_PER_S if source.startswith(_PREFIX) else _STATIC_EVENTS_PER_S


# -- static -----------------------------------------------------------------------------------------------------------


@cache
def static(longest: int = LONGEST_TEXT) -> StaticEmbedder:
    """Return the embedder that ships (30 MB of memory, loaded once), reading so many characters of a text."""
    folder = files("undertow.drift") / "models"
    table = (folder / "static-256.npy").read_bytes()
    readable = json.loads((folder / "static-256.readable.json").read_bytes())
    name = f"static-256-{xxhash.xxh3_64_hexdigest(table)[:8]}"
    rows: NDArray[np.int8] = np.load(BytesIO(table))
    tokenize = _tokenizer(folder / "static-256.tokenizer.json", len(rows))
    return StaticEmbedder(name, rows, tokenize, readable, longest)


def _tokenizer(path: Traversable, tokens: int) -> Tokenize:
    """Return the fast tokenizer, or the reference where no wheel of the fast one exists: the numbers are the same."""
    try:
        return fast_tokenizer(path, tokens)
    except ImportError:
        return reference_tokenizer(path, tokens)


def fast_tokenizer(path: Traversable, tokens: int) -> Tokenize:
    """Return tokie's tokenizer: the same numbers as the reference on all readable text, twenty to forty times faster.

    Raises
    ------
    EmbedderError
        The vocabulary has another size than the table's `tokens` rows, so that numbers would point beside it.
    """
    import tokie

    with as_file(path) as file:
        tokenizer: Any = tokie.Tokenizer.from_json(str(file))
    _check_size(path, tokenizer.vocab_size, tokens)

    def tokenize(texts: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
        ids, lengths = tokenizer.encode_batch_flat(texts, add_special_tokens=False)
        return ids, lengths

    return tokenize


def reference_tokenizer(path: Traversable, tokens: int) -> Tokenize:
    """Return the tokenizer of the package `tokenizers`, for platforms without tokie, and to compare with.

    Raises
    ------
    EmbedderError
        The package is not installed, or the vocabulary has another size than the table's `tokens` rows.
    """
    tokenizer = _imported("tokenizers").Tokenizer.from_str(path.read_text(encoding="utf-8"))
    _check_size(path, tokenizer.get_vocab_size(), tokens)

    def tokenize(texts: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
        ids = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
        return np.array([i for row in ids for i in row], np.uint32), np.array([len(row) for row in ids], np.int64)

    return tokenize


def _check_size(path: Traversable, found: int, tokens: int) -> None:
    if found != tokens:
        raise EmbedderError(f"{path.name} has {found:,} tokens, the table {tokens:,} rows: files of different models")


# -- sentence-transformers --------------------------------------------------------------------------------------------


class SentenceTransformers:
    """Any model of the package `sentence-transformers` (the extra `embeddings`), brought to 256 dimensions.

    Each text goes through the model alone and on one thread. In a batch it is padded to its longest neighbour, and the
    last digits of its vector change with that and with the number of threads; so the same text gives the same vector
    whatever it is read with. (Threads that share a busy machine also wait for each other: a text took seconds.) It
    reads the first 2,000 characters, as the static embedder does, and of those as many tokens as the model takes.

    Parameters
    ----------
    model
        A folder, or the name of a model that is already in the package's cache.

    Raises
    ------
    EmbedderError
        The package is not installed, or the model cannot be loaded.
    """

    def __init__(self, model: str) -> None:
        package = _imported("sentence_transformers")
        _imported("torch").set_num_threads(1)
        try:
            self._model: Any = package.SentenceTransformer(model, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise EmbedderError(
                f"sentence-transformers cannot load '{model}' ({reason}); give a folder with the model, or download it "
                "once where there is a network"
            ) from error
        self.name = f"{_PREFIX}{model}"

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return the vectors, shape (texts, 256)."""
        rows = nothing(len(texts))
        for number, text in enumerate(texts):
            said = text[:LONGEST_TEXT].encode("utf-8", "ignore").decode()  # no tokenizer takes a lone surrogate
            if any(mark.isprintable() and not mark.isspace() for mark in said):
                vector = self._model.encode([said], batch_size=1, show_progress_bar=False, convert_to_numpy=True)
                rows[number] = fitted(np.asarray(vector, np.float64))[0]
        return rows


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise EmbedderError(f"the package '{name}' is not installed; pip install 'undertow[embeddings]'") from error
