"""What `undertow check` says of a metric of the user's own, tried on sample events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf, isfinite, nan

import msgspec

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.metrics import SCORE
from undertow.drift.own_metric import OwnMetric
from undertow.drift.scores import Scores
from undertow.drift.signal import Batch
from undertow.drift.signals.own import PatternSignal, own_signal
from undertow.pipelines.redaction import Redactor

__all__ = ["Trial", "try_on", "try_scores"]

_EXAMPLES = 3
_LONGEST_EXAMPLE = 120
_MASKED = "(masked)"


class Trial(msgspec.Struct, frozen=True):
    """What a metric of the user's own says about sample events.

    Parameters
    ----------
    calls, said
        Calls looked at, and those of them that say anything; for a score, the values found.
    mean
        Share of matches (patterns) or mean (fields) over those; NaN when none says anything.
    examples
        Excerpts that match, or values found, at most three of 120 characters, as the content policy lets them be seen.
    skipped
        Why others said nothing, where that is known.
    """

    name: str
    rate: bool
    calls: int
    said: int
    mean: float
    examples: tuple[str, ...]
    skipped: dict[str, int] = {}

    @property
    def line(self) -> str:
        """The trial in one line.

        Examples
        --------
        >>> Trial("apology", True, 1_000, 990, 0.042, ("I am so sorry!",)).line
        'apology: 4.2 % of 990 calls, such as "I am so sorry!"; 10 say nothing'
        >>> Trial("total", False, 3, 0, nan, (), {"text answer, no JSON": 2}).line
        'total: nothing in 3 calls; text answer, no JSON ×2'
        """
        if not self.said:
            return "; ".join([f"{self.name}: nothing in {self.calls:,} calls", *self._reasons()])
        level = f"{100 * self.mean:.2g} %" if self.rate else f"mean {self.mean:.4g}"
        quoted = [f'"{example}"' if self.rate else example for example in self.examples]
        such = f", such as {', '.join(quoted)}" if quoted else ""
        silent = [f"{self.calls - self.said:,} say nothing"] if self.said < self.calls else []
        what = "values" if self.name.startswith(SCORE) else "calls"
        return "; ".join([f"{self.name}: {level} of {self.said:,} {what}{such}", *silent, *self._reasons()])

    def _reasons(self) -> list[str]:
        return [f"{reason} ×{count:,}" for reason, count in sorted(self.skipped.items())]


def try_on(own: OwnMetric, events: Sequence[Interaction], redactor: Redactor) -> Trial:
    """Return what a metric says about these events.

    Examples
    --------
    >>> calls = [Interaction(id=text, time=0.0, service="s", output=text) for text in ("So sorry!", "Done.")]
    >>> try_on(OwnMetric("apology", pattern="(?i)sorry"), calls, Redactor("redacted")).line
    'apology: 50 % of 2 calls, such as "So sorry!"'
    """
    batch = Batch([event for event in events if event.kind is Kind.CALL])
    signal = own_signal(own)
    values = [value for value in signal.measure(batch).tolist() if isfinite(value)]
    rate = isinstance(signal, PatternSignal)
    found = _matches(signal, batch, redactor) if isinstance(signal, PatternSignal) else (f"{v:g}" for v in values)
    return Trial(
        name=own.name,
        rate=rate,
        calls=len(batch),
        said=len(values),
        mean=sum(values) / len(values) if values else nan,
        examples=tuple(example[:_LONGEST_EXAMPLE] for example in islice(found, _EXAMPLES)),
        skipped=dict(signal.skipped),
    )


def _matches(signal: PatternSignal, batch: Batch, redactor: Redactor) -> Iterator[str]:
    """Yield excerpts around matches: of masked texts, since a cut secret would not be known as one."""
    for text in signal.texts(batch):
        if text is not None and signal.pattern.found(text) and (shown := redactor.text(text)) is not None:
            yield signal.pattern.excerpt(shown) or _MASKED


def try_scores(events: Sequence[Interaction]) -> list[Trial]:
    """Return what the scores that the events carry say, by name: they are followed without being declared.

    Examples
    --------
    >>> rated = Interaction(id="1", time=0.0, service="s", scores={"helpful": 0.5})
    >>> [trial.line for trial in try_scores([rated])]
    ['score.helpful: mean 0.5 of 1 values, such as 0.5']
    """
    scores, values = Scores(), defaultdict[str, list[float]](list)
    for event in events:
        for score in scores.observe(event, (), watermark=inf):
            values[score.name].append(score.value)
    return [_trial_of(SCORE + name, found) for name, found in sorted(values.items())]


def _trial_of(name: str, values: Sequence[float]) -> Trial:
    examples = tuple(f"{value:g}" for value in values[:_EXAMPLES])
    return Trial(name, False, len(values), len(values), sum(values) / len(values), examples)
