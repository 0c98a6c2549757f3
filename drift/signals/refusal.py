"""Which answers refuse, wholly or in part."""

from __future__ import annotations

from undertow.drift.refusal_model import Answer
from undertow.drift.refusals import refusals
from undertow.drift.signal import Batch, Column, column

__all__ = ["Refusal"]


class Refusal:
    """Whether the answer declines what was asked, wholly or in a part of it, or says that it may not or cannot do it.

    Unit: share of answers. Harm: both ways; a rise fails users, a fall may be a guard that is gone. Cost: 20 to 30 µs
    an answer in words, shared with `partial_refusal_rate`; 0.3 µs without text.

    The first of these that speaks decides:

    1. `refused`, the caller's verdict;
    2. a finish reason `refusal` or `content_filter`, or a message part of type `refusal`. A filter counts because the
       user was denied by policy, whoever enforced it, and because some SDKs report a model's refusal as filtered;
    3. a tool call: the model went on with the task;
    4. the text: a linear model over words and phrases in its first 400 and last 200 characters. "As an AI language
       model" decides nothing by itself. It knows English and, of Spanish, Portuguese, French, Italian, German, Dutch,
       Polish, Russian, Turkish, Chinese, Japanese and Korean, the plain forms; in all other languages a text counts as
       an answer, so there only verdicts and finish reasons raise the rate.

    A refusal is also a lecture instead of an answer, "I don't have access to that", and a policy that the answer itself
    applies ("we cannot refund this"). It is none to ask back, to report that nothing was found ("I could not find that
    in the documents"), or to write a letter that declines something. Calls that failed and calls without recorded
    content say nothing.

    It cannot see a refusal in the middle of a long answer, an evasion that sounds like an answer, or a false "done".
    Its error is a near-constant offset of the rate, so changes show; absolute rates are estimates.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> answers = ["I’m sorry, but I can’t help with that.", "As an AI language model, I like Paris. It is old."]
    >>> Refusal().measure(Batch([Interaction(id=text, time=0.0, service="s", output=text) for text in answers]))
    array([1., 0.])
    """

    metric = "refusal_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that refuses, wholly or in part."""
        return column([None if answer is None else answer is not Answer.COMPLIANCE for answer in refusals(batch)])
