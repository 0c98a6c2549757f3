"""The phrases that the refusal model weighs beside its n-grams: what a bag of words cannot put together.

Each counts once, in the head of an answer; its weight is learned. Gaps in them are `*`, never counted: one `[^.]{0,60}`
without an anchor multiplies the automaton's states and costs ten times all the rest. All run in linear time.
"""

from __future__ import annotations

import re2
import xxhash

__all__ = ["PHRASES", "matcher", "signature"]

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

_OTHER_LANGUAGES = (  # the plain "I cannot help" in Spanish, Portuguese, French, Italian, German, Dutch, Polish …
    r"\bno puedo (?:ayud|proporcion|cumplir|hacer|responder|ofrece|generar|crear)",
    r"\bn[ãa]o posso (?:ajud|fornec|cumprir|fazer|responder|criar|gerar)",
    rf"\bje ne (?:peux|suis)(?: malheureusement)? pas (?:vous |en mesure |t{_Q})?"
    r"(?:aider|fournir|répondre|faire|créer|de|r[ée]aliser|donner|g[ée]n[ée]rer)",
    r"\bnon posso (?:aiut|fornir|rispond|fare|crear|generar|soddisf)",
    r"\b(?:ich kann|kann ich) (?:dir |ihnen |dabei |das |dazu |diese \w+ |leider |hier )*(?:nicht|keine)",
    r"\b(?:ik kan|kan ik) (?:je |u |hier )*(?:niet|geen|helaas)",
    r"\bnie mog[ęe] (?:pom|udziel|spełni|zrobi|tego|odpowied|w tym pom)",
    r"я не могу (?:помочь|предостав|выполнить|ответить|создать|дать|это)",  # … Russian, Turkish, CJK
    r"yardımcı olamam|bu isteği yerine getiremem",
    r"我(?:不能|无法|無法)(?:提供|协助|協助|帮|幫|回答|满足|滿足|完成|为您|為您)",
    r"(?:お手伝い|お答え|提供|対応|回答)(?:する(?:こと)?は?|は)?(?:でき(?:ません|かねます)|出来ません)",
    r"도와드릴 수 없|제공할 수 없|답변(?:드릴|할) 수 없",
)

PHRASES: tuple[str, ...] = (
    # "I cannot help", and the same where the answer begins with it
    rf"\bi(?: \w+)? ?{_CANNOT}{_MANNER} {_DO}",
    rf"^\W*(?:[^.,]*, ?)?(?:(?:but|so|and) )?(?:as an? [^.,]*, ?)?i(?: \w+)? ?{_CANNOT}{_MANNER} {_DO}",
    rf"(?:and|but|so|model,) {_CANNOT} {_DO}",
    rf"\bi don{_Q}t think it{_Q}s (?:appropriate|right|ethical)|not comfortable",
    # the same said around a corner
    rf"\b(?:is|are)(?:n{_Q}t| not) (?:something|anything) (?:that )?(?:i|we)\b",
    rf"\bi(?:{_Q}ll| will)? (?:have|need) to(?: \w+ly)? (?:declin|pass on|turn (?:this|that) down)",
    rf"\bi (?:do not|don{_Q}t) feel (?:able|comfortable|right)|\bi (?:won{_Q}t|will not) be able to\b",
    r"\b(?:outside|beyond)(?: of)? (?:what (?:i|we) can|my (?:scope|abilit|capabilit|role|remit))",
    rf"\bi(?:{_Q}m| am)? ?(?:just |only )?(?:do not|don{_Q}t|not) have (?:any |direct )?"
    r"(?:access|information|permission)",
    # apologies
    r"\bsorry,? (?:but|i|that|we|as)",
    r"^\W*(?:i|we) (?:must |do |have to )?(?:sincerely )?apologi[sz]e|^my apologies",
    rf"\bi{_Q}m afraid (?:i|that|we)\b|unfortunately,? (?:i|we)\b",
    # rules, and who made them
    r"\b(?:request|prompt|question|query|content|topic|task|it|this|that|which)\b[^.]* (?:goes|go|is|are) against",
    r"\bagainst (?:my|our|the|openai|its|ethical|safety|company|community)\b|\bviolat(?:es|e|ing|ion of)\b",
    r"(?:content|usage|safety|use|our|my|openai\S*) (?:policy|policies|guidelines)|my programming",
    r"\bethical (?:and|or|guid|princ)",
    r"\bi (?:am|strive|remain)\b[^.]* (?:committed|programmed|designed|neutral|unbiased)",
    # lectures: what was asked is wrong
    rf"^(?:[^.]*\b)?(?:it|that|this|which|there)(?:{_Q}s| is| would be| are)?(?: \w+ly)? {_BAD}",
    rf"\b(?:it|that|this)(?:{_Q}s| is| would be)(?: both| also| \w+ly)? {_BAD}",
    rf"^[^.\n]*\b(?:is|are) {_BAD}",
    r"(?:question|statement|request|prompt|premise|term|phrase)s? (?:itself )?"
    r"(?:contains?|may contain|is based on|seems to imply|may not be|is not)",
    r"\bi (?:must|have to|need to|should|feel it is important to|would like to)(?: \w+)? "
    r"(?:clarify|emphasi[sz]e|point out|stress|inform|remind|challenge)",
    r"\b(?:if you|please (?:reach|seek|consider|contact))\b[^.]*(?:professional|hotline|crisis|therapist|emergency)",
    r"privacy|personal (?:information|data)|confidential|consent",
    # one phrase, so that what is learned in one language holds in all
    "|".join(_OTHER_LANGUAGES),
)


def matcher() -> re2.Set:
    """Return all phrases as one automaton; its `Match` gives the numbers of those that a text contains.

    Examples
    --------
    >>> sorted(matcher().Match(b"I don't feel comfortable with that."))
    [6]
    """
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 64 << 20  # bytes; the automaton is built lazily and stays far below
    patterns = re2.Set.SearchSet(options)
    for phrase in PHRASES:
        patterns.Add(phrase)
    patterns.Compile()
    return patterns


def signature() -> str:
    """Return a hash of the phrases: learned weights belong to these and no others."""
    return xxhash.xxh3_64_hexdigest("\n".join(PHRASES).encode())
