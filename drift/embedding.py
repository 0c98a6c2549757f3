"""The contract of an embedder, and the static one that ships: texts in, unit vectors of 256 dimensions out.

A vector depends on its text alone, to the last bit, whatever the batch, the partition or the machine: the table of the
static embedder is int8, so its sums are whole numbers and exact in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["DIMENSIONS", "LONGEST_TEXT", "Embedder", "Rows", "StaticEmbedder", "Tokenize", "nothing", "unit"]

DIMENSIONS = 256
# Characters; of long answers (2,000 in the median) what it drops turns the vector by a cosine of .993.
LONGEST_TEXT = 2000

Rows = NDArray[np.float32]  # (texts, 256), of unit length or zero
Tokenize = Callable[[list[str]], tuple[NDArray[Any], NDArray[Any]]]


class Embedder(Protocol):
    """Turns texts into vectors whose direction says what they are about.

    `name` says what made them: vectors of different names cannot be compared, so another name starts new baselines.
    `embed` returns one row a text, of unit length, or zero where the text says nothing (empty, or no known word). It
    depends on the text alone, never on its neighbours, and does not raise for any string.
    """

    name: str

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return the vectors, shape (texts, 256)."""
        ...


class StaticEmbedder:
    """Adds up one row of a table for each token of a text: no network, no context, a few microseconds.

    It reads the first `longest` characters. Characters outside `readable` count as spaces: they are those that the
    vocabulary cannot say or on which tokenizers disagree (unassigned, or newer than their Unicode tables).

    Parameters
    ----------
    table
        One row of 256 int8 for each token; zero for tokens that say nothing.
    tokenize
        Returns the token numbers of all texts in one array, and how many each text has.
    readable
        Ranges of code points, both ends included.
    longest
        Characters of a text that are read.

    Examples
    --------
    >>> table = np.zeros((3, DIMENSIONS), np.int8)
    >>> table[1, 0], table[2, 1] = 3, 4
    >>> embedder = StaticEmbedder("toy", table, lambda texts: (np.array([1, 2, 0]), np.array([2, 1])), [(32, 126)])
    >>> embedder.embed(["yes no", "?"])[:, :3]
    array([[0.6, 0.8, 0. ],
           [0. , 0. , 0. ]], dtype=float32)
    """

    def __init__(
        self,
        name: str,
        table: NDArray[np.int8],
        tokenize: Tokenize,
        readable: Sequence[Sequence[int]],
        longest: int = LONGEST_TEXT,
    ) -> None:
        if table.dtype != np.int8 or table.shape[1:] != (DIMENSIONS,):
            raise ValueError(
                f"the table is {table.dtype} {table.shape}; a table of int8 (tokens, {DIMENSIONS}) is read"
            )
        self.name = name
        self._table = table.astype(np.float32)  # its sums stay whole numbers below 2²⁴ and so are exact in any order
        self._tokenize, self._longest = tokenize, longest
        self._unreadable = _outside(readable)

    def embed(self, texts: Sequence[str]) -> Rows:
        """Return the vectors, shape (texts, 256)."""
        if not texts:
            return nothing(0)
        ids, lengths = self._tokenize([self.cleaned(text) for text in texts])
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        # A product with the matrix of ones is a gather-and-sum that never stores the gathered rows: ten times faster
        # than `np.add.reduceat` over them.
        tokens = csr_array((np.ones(len(ids), np.float32), ids.astype(np.int32), ends), (len(texts), len(self._table)))
        return unit((tokens @ self._table).astype(np.float64))

    def cleaned(self, text: str) -> str:
        """Return what is read of a text."""
        text = text[: self._longest]
        if text.isascii():
            return text.replace("\x7f", " ")  # the only one of them that is not readable
        return self._unreadable.sub(" ", text)


def nothing(count: int) -> Rows:
    """Return rows that say nothing."""
    return np.zeros((count, DIMENSIONS), np.float32)


def unit(sums: NDArray[np.float64]) -> Rows:
    """Return whole numbers (n, 256) at unit length; their squares add up exactly, so no order of addition matters."""
    squares = np.einsum("ij,ij->i", sums, sums)
    rows: Rows = (sums / np.sqrt(np.maximum(squares, 1.0))[:, None]).astype(np.float32)
    return rows


def _outside(readable: Sequence[Sequence[int]]) -> re.Pattern[str]:
    """Return the pattern of a character that is not readable; lone surrogates never are."""
    ranges = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in readable)
    return re.compile(f"[^{ranges}]")
