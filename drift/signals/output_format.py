"""The form of answers: script, layout, code fences, preamble, escapes."""

from __future__ import annotations

from undertow.drift.formatting import format_of
from undertow.drift.signal import Batch

__all__ = ["OutputFormat"]


class OutputFormat:
    r"""The form of the answer as one name: `latin,list,fence:python,preamble`.

    Unit: share of answers by form. Harm: both ways. Cost: 3 µs for 1 kB of prose, 10 µs with many lines.

    The parts, each left out where there is nothing to say: the script; the layout (json, markup, table, headings, list,
    code, or the number of paragraphs); the first code fence and its language; `preamble`, words before the answer
    ("Sure, here is"); `escaped`, characters written as `\u00e9` or `&quot;`. Judged by the first 10,000 characters.

    Failed calls, empty answers and content that was not recorded say nothing.

    It cannot see wording, tone, or a form that changes beyond the first 10,000 characters, nor preambles in languages
    other than the common ones.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> texts = ["Yes.", "Sure, here you go:\n```python\nx = 1\n```", " "]
    >>> OutputFormat().classify(Batch([Interaction(id=t, time=0.0, service="s", output=t) for t in texts]))
    ['latin,1 paragraph', 'latin,1 paragraph,fence:python,preamble', None]
    """

    metric = "output_format"

    def classify(self, batch: Batch) -> list[str | None]:
        """Return the form of each answer."""
        return [
            None if failed or not text or text.isspace() else format_of(text)
            for text, failed in zip(batch.outputs, batch.failed, strict=True)
        ]
