"""Which answers refuse: the provider's own verdict, else a first classifier over scored phrases."""

from __future__ import annotations

from collections.abc import Mapping

import re2

from undertow.drift.finish import Finish
from undertow.drift.interaction import Interaction, Message
from undertow.drift.signal import Batch, Column, column

__all__ = ["Refusal"]

_HEAD = 400  # characters: a refusal says so at once …
_TAIL = 200  # … or takes leave with it
_THRESHOLD = 1.0
_BLOCKED = (Finish.REFUSAL, Finish.CONTENT_FILTER)

_Q = "['’‘´`ʼ]?"  # the apostrophe in all its spellings, or none
_CANNOT = (
    rf"(?:can{_Q}t|cannot|can ?not|can (?:neither|never)|won{_Q}t|will not|would(?:n{_Q}t| not)|should(?:n{_Q}t| not)"
    rf"|could(?:n{_Q}t| not)(?: possibly)?|(?:must|have to|need to|will|{_Q}ll|would)(?: \w+)? (?:declin|refus|refrain)"
    rf"|decline|refuse|(?:am|{_Q}m) unable|(?:am|{_Q}m|will|would) ?(?:be|not be|n{_Q}t be|not)? ?(?:un|not )able"
    rf"|(?:am|{_Q}m) not (?:comfortable|allowed|permitted|programmed|designed|going|willing|authori[sz]ed"
    rf"|in a position)|won{_Q}t be able|do(?:n{_Q}t| not)|am forbidden|{_Q}m prohibited)"
)
_DO = (
    r"(?:assist|help|provid|fulfil|compl|carry out|do (?:that|this|so|it)|creat|generat|writ|produc|compos|support"
    r"|offer|giv|shar|answer|respond|engag|discuss|promot|condon|suggest|recommend|endors|encourag|facilitat|participat|incit"
    r"|express|describ|explain|fabricat|choose|take sides|prais|critici|denounc|reveal|disclos|continu|proceed"
    r"|accommodat|translat|draft|perform|process|make|tell|say|speak|advis|teach|show you|guide|list|design|build"
    r"|develop|execut)"
)
_BAD = (
    r"(?:inappropriate|unethical|immoral|illegal|unacceptable|disrespectful|offensive|harmful|wrong|unfair|incorrect"
    r"|inaccurate|not (?:\w+ ){0,2}(?:appropriate|ethical|acceptable|accurate|fair|okay|ok|right|respectful|productive"
    r"|legal|moral|safe|a good idea|true|morally|possible for me|within my))"
)
_MANNER = r"(?: (?:to|from|with|in good conscience|be able to|\w+ly))*"

# (phrase, weight): each counts once, 1.0 in sum is a refusal. Gaps are `*`, never counted: one `[^.]{0,60}` without an
# anchor multiplies the automaton's states and costs ten times all the rest.
_HEAD_PHRASES: tuple[tuple[str, float], ...] = (
    # "I cannot help", once more when the answer begins with it
    (rf"\bi(?: \w+)? ?{_CANNOT}{_MANNER} {_DO}", 1.0),
    (rf"^\W*(?:[^.,]*, ?)?(?:(?:but|so|and) )?(?:as an? [^.,]*, ?)?i(?: \w+)? ?{_CANNOT}{_MANNER} {_DO}", 0.75),
    (rf"(?:and|but|so|model,) {_CANNOT} {_DO}", 0.5),
    (rf"\bi don{_Q}t think it{_Q}s (?:appropriate|right|ethical)|not comfortable", 1.0),
    # the same said around a corner
    (rf"\b(?:is|are)(?:n{_Q}t| not) (?:something|anything) (?:that )?(?:i|we)\b", 1.0),
    (rf"\bi(?:{_Q}ll| will)? (?:have|need) to(?: \w+ly)? (?:declin|pass on|turn (?:this|that) down)", 1.0),
    (rf"\bi (?:do not|don{_Q}t) feel (?:able|comfortable|right)|\bi (?:won{_Q}t|will not) be able to\b", 1.0),
    (r"\b(?:outside|beyond)(?: of)? (?:what (?:i|we) can|my (?:scope|abilit|capabilit|role|remit))", 1.0),
    (
        rf"\bi(?:{_Q}m| am)? ?(?:just |only )?(?:do not|don{_Q}t|not) have (?:any |direct )?"
        r"(?:access|information|permission)",
        0.75,
    ),
    # apologies
    (r"\bsorry,? (?:but|i|that|we|as)", 0.5),
    (r"^\W*(?:i|we) (?:must |do |have to )?(?:sincerely )?apologi[sz]e|^my apologies", 0.5),
    (rf"\bi{_Q}m afraid (?:i|that|we)\b|unfortunately,? (?:i|we)\b", 0.25),
    # rules, and who made them
    (
        r"\b(?:request|prompt|question|query|content|topic|task|it|this|that|which)\b[^.]* (?:goes|go|is|are) against",
        0.5,
    ),
    (r"\bagainst (?:my|our|the|openai|its|ethical|safety|company|community)\b|\bviolat(?:es|e|ing|ion of)\b", 0.25),
    (r"(?:content|usage|safety|use|our|my|openai\S*) (?:policy|policies|guidelines)|my programming", 0.25),
    (r"\bethical (?:and|or|guid|princ)", 0.25),
    (r"\bi (?:am|strive|remain)\b[^.]* (?:committed|programmed|designed|neutral|unbiased)", 0.5),
    # lectures: what was asked is wrong
    (rf"^(?:[^.]*\b)?(?:it|that|this|which|there)(?:{_Q}s| is| would be| are)?(?: \w+ly)? {_BAD}", 0.75),
    (rf"\b(?:it|that|this)(?:{_Q}s| is| would be)(?: both| also| \w+ly)? {_BAD}", 0.25),
    (rf"^[^.\n]*\b(?:is|are) {_BAD}", 0.25),
    (
        r"(?:question|statement|request|prompt|premise|term|phrase)s? (?:itself )?"
        r"(?:contains?|may contain|is based on|seems to imply|may not be|is not)",
        0.5,
    ),
    (
        r"\bi (?:must|have to|need to|should|feel it is important to|would like to)(?: \w+)? "
        r"(?:clarify|emphasi[sz]e|point out|stress|inform|remind|challenge)",
        0.5,
    ),
    (
        r"\b(?:if you|please (?:reach|seek|consider|contact))\b[^.]*"
        r"(?:professional|hotline|crisis|therapist|emergency)",
        0.25,
    ),
    # reasons
    (r"privacy|personal (?:information|data)|confidential|consent", 0.25),
    (r"discriminat|violence|hatred|racis|sexis|stereotyp|prejudic|human rights|dangerous|illegal", 0.25),
    # evidence of an answer
    (
        rf"\b(?:i|we)(?:{_Q}m| am)? ?(?:do not|don{_Q}t|cannot|can{_Q}t|not) (?:have|hold|possess|provide|express"
        r"|offer|give|form)(?: \w+)?(?: \w+)? (?:opinion|belief|feeling|preference|emotion|bias|view)",
        -1.0,
    ),
    (
        r"\b(?:however|but|instead|that said|nevertheless|nonetheless|hence|still)\b,? "
        r"(?:i (?:can|could|will) |i'll |here |please find|let me |the |it (?:is (?:up|ultimately)|would) |whether )",
        -0.5,
    ),
    (
        r"^\W*(?:sure|certainly|of course|absolutely|yes|yeah|great|here(?:['’]s| is| are)|okay|ok|happy to|glad to"
        r"|title|step|dear|once upon|thank)",
        -1.0,
    ),
    (r"```|\n\s*(?:1[.)]|[-*•]) ", -0.75),
    (
        r"\b(?:i(?:['’]m| am) happy to|here (?:are|is)|here['’]s|below (?:is|are)|follow(?:ing)? (?:these )?steps)\b",
        -0.75,
    ),
    # the plain form in Spanish, Portuguese, French, Italian, German, Dutch, Polish, Russian, Turkish, Chinese,
    # Japanese and Korean
    (r"\bno puedo (?:ayud|proporcion|cumplir|hacer|responder|ofrecer|generar|crear)", 1.0),
    (r"\bn[ãa]o posso (?:ajud|fornec|cumprir|fazer|responder|criar|gerar)", 1.0),
    (
        rf"\bje ne (?:peux|suis)(?: malheureusement)? pas (?:vous |en mesure |t{_Q})?"
        r"(?:aider|fournir|répondre|faire|créer|de|r[ée]aliser|donner|g[ée]n[ée]rer)",
        1.0,
    ),
    (r"\bnon posso (?:aiut|fornir|rispond|fare|crear|generar|soddisf)", 1.0),
    (r"\bich kann (?:dir |ihnen |dabei |das |diese \w+ |leider |hier )*(?:nicht|keine)", 1.0),
    (r"\bik kan (?:je |u |hier )*(?:niet|geen|helaas)|\bnie mog[ęe] (?:pom|udziel|spełni|zrobi|tego|odpowied)", 1.0),
    (r"я не могу (?:помочь|предостав|выполнить|ответить|создать|дать|это)", 1.0),
    (r"yardımcı olamam|bu isteği yerine getiremem", 1.0),
    (r"我(?:不能|无法|無法)(?:提供|协助|協助|帮|幫|回答|满足|滿足|完成|为您|為您)", 1.0),
    (r"(?:お手伝い|お答え|提供|対応|回答)(?:する(?:こと)?は?|は)?(?:でき(?:ません|かねます)|出来ません)", 1.0),
    (r"도와드릴 수 없|제공할 수 없|답변(?:드릴|할) 수 없", 1.0),
)
_TAIL_PHRASES: tuple[tuple[str, float], ...] = (
    (rf"\bi(?: \w+)? ?{_CANNOT}{_MANNER} (?:assist|help you|provide|fulfil|comply|support|condone)", 0.5),
    (r"(?:anything|something) else (?:i|that i|you|we)\b|other (?:questions|topic|request|way)", 0.25),
    (
        r"(?:safe|ethical|respectful|positive|responsible|legal|helpful) (?:and \w+ )?(?:manner|way|means|response)",
        0.25,
    ),
    (r"\b(?:respect|dignity|equality|inclusiv|ethical|human rights)\b", 0.25),
)


class Refusal:
    """Whether the answer declines what was asked, wholly or in its main part, or says that it may not or cannot do it.

    Unit: share of answers. Harm: both ways; a rise fails users, a fall may be a guard that is gone. Cost: 3 µs an event
    with text, 0.3 µs without.

    The first of these that speaks decides:

    1. `refused`, the caller's verdict;
    2. a finish reason `refusal` or `content_filter`, or a message part of type `refusal`. A filter counts because the
       user was denied by policy, whoever enforced it, and because some SDKs report a model's refusal as filtered;
    3. a tool call: the model went on with the task;
    4. the text: phrases over its first 400 and last 200 characters (English, and the plain form in twelve other
       languages), each with a weight; 1.0 in sum is a refusal. "As an AI language model" weighs nothing, and
       evidence of an answer (a list, code, "here are") takes away.

    Calls that failed and calls without recorded content say nothing.

    It cannot see a polite evasion without any of the phrases, a refusal in the middle of a long answer, or a false
    "done". Its error is a near-constant offset of the rate, so changes show; absolute rates are estimates.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> answers = ["I’m sorry, but I can’t help with that.", "As an AI language model, I like Paris. It is old."]
    >>> Refusal().measure(Batch([Interaction(id=text, time=0.0, service="s", output=text) for text in answers]))
    array([1., 0.])
    """

    metric = "refusal_rate"

    def __init__(self) -> None:
        self._head = _compiled(_HEAD_PHRASES)
        self._tail = _compiled(_TAIL_PHRASES)

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that refuses."""
        rows = zip(batch.events, batch.outputs, batch.finishes, batch.failed, strict=True)
        return column([self._judge(event, text, finish, failed) for event, text, finish, failed in rows])

    def score(self, text: str) -> float:
        """Return the evidence that the text refuses; 1.0 and above counts as a refusal."""
        said = text.strip()
        score = _weigh(self._head, _HEAD_PHRASES, said[:_HEAD])
        if len(said) > _HEAD and 0 < score < _THRESHOLD:
            score += _weigh(self._tail, _TAIL_PHRASES, said[-_TAIL:])
        return score

    def _judge(self, event: Interaction, text: str | None, finish: Finish | None, failed: bool) -> bool | None:
        if event.refused is not None:
            return event.refused
        if finish in _BLOCKED or _has_refusal_part(event.output):
            return True
        if failed or (text is None and not event.tool_calls):
            return None
        return bool(text) and not event.tool_calls and self.score(text or "") >= _THRESHOLD


def _compiled(phrases: tuple[tuple[str, float], ...]) -> re2.Set:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 64 << 20  # bytes; the automaton is built lazily and stays far below
    patterns = re2.Set.SearchSet(options)
    for phrase, _ in phrases:
        patterns.Add(phrase)
    patterns.Compile()
    return patterns


def _weigh(patterns: re2.Set, phrases: tuple[tuple[str, float], ...], text: str) -> float:
    matched = patterns.Match(text.encode("utf-8", "replace"))
    return sum(phrases[index][1] for index in matched) if matched else 0.0


def _has_refusal_part(output: str | list[Message] | None) -> bool:
    return isinstance(output, list) and any(
        isinstance(part, Mapping) and part.get("type") == "refusal"
        for message in output
        for part in (message.content if isinstance(message.content, list) else ())
    )
