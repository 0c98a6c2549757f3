"""Patterns that users write, which no text and no pattern can make hang.

RE2 has no backtracking: its time is bounded by (size of the pattern's program) × (length of the text). Both are
bounded here, so that the worst pattern takes about 0.1 s for the worst text; usual ones take microseconds.
"""

from __future__ import annotations

import re2

__all__ = ["LONGEST_TEXT", "Pattern"]

LONGEST_TEXT = 262_144  # characters that are read of a text
_MOST_STEPS = 20_000_000  # program size × characters: a large program reads less of a long text
_LARGEST_PROGRAM = 10_000  # instructions; classes like \pL repeated many times are what gets there
_AROUND = 30  # characters shown on either side of a match


class Pattern:
    r"""A pattern of the user's own, in RE2's syntax (no look-around, no back-references).

    Costs 2 µs for a text of 740 characters.

    Parameters
    ----------
    expression
        The pattern; `(?i)` at its start makes it ignore case.

    Raises
    ------
    ValueError
        It is not valid RE2, matches the empty text, or is too large.

    Examples
    --------
    >>> sorry = Pattern(r"(?i)\bsorry\b")
    >>> sorry.found("Sorry about that."), sorry.found("All done."), sorry.excerpt("I am sorry.")
    (True, False, 'I am sorry.')
    >>> Pattern("(?!a)")
    Traceback (most recent call last):
    ValueError: '(?!a)' is not a pattern that RE2 can run: ...
    """

    def __init__(self, expression: str) -> None:
        options = re2.Options()
        options.log_errors = False
        try:
            self._compiled = re2.compile(expression, options)
        except (re2.error, UnicodeError) as error:
            raise ValueError(
                f"'{expression}' is not a pattern that RE2 can run: {_reason(error)}; "
                "RE2 has no look-around and no back-references"
            ) from error
        size = self._compiled.programsize
        if size > _LARGEST_PROGRAM:
            raise ValueError(
                f"'{expression}' compiles to {size:,} instructions, above {_LARGEST_PROGRAM:,}; repeat smaller "
                "classes, or repeat them less often"
            )
        if self._compiled.search(b"") is not None:
            raise ValueError(f"'{expression}' matches the empty text, so it would match everywhere; narrow it")
        self.expression = expression
        self.longest = min(LONGEST_TEXT, _MOST_STEPS // max(size, 1))

    def found(self, text: str) -> bool | None:
        """Return whether the text holds a match; None when there is none in the part that is read of a long one."""
        if self._compiled.search(text[: self.longest].encode("utf-8", "replace")) is not None:
            return True
        return None if len(text) > self.longest else False

    def excerpt(self, text: str) -> str | None:
        """Return the first match with a little around it, None without one."""
        match = self._compiled.search(text[: self.longest].encode("utf-8", "replace").decode())
        if match is None:
            return None
        start, end = match.span()
        return text[max(start - _AROUND, 0) : min(end, start + 4 * _AROUND) + _AROUND]


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
