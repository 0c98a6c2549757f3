"""What a tool was asked and what it answered, as hashes in which only what matters makes a difference."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import re2

from undertow.drift.values import as_text, bare, hash_of, leaves_of, plain, searchable, words_of

__all__ = ["Answer", "Asked", "answer_of", "asked_of", "wording_of"]

_MAX_TEXT = 4000  # characters of one text that are brought to a normal form; a longer one is compared as it is
_MAX_SHORT = 400  # characters; what is not ready, or not there, says so in few words
_SUBSTANTIVE = 40  # characters; "ok" and "sent" are acknowledgements, which many different calls get
_MAX_REMEMBERED = 1000  # characters of arguments whose hashes are kept for a while
_STEM = 5  # letters of a word that are compared: "policy" and "policies" are one
_MAX_WORDS = 16  # of arguments, those with the lowest hashes: alike arguments keep alike ones
_ECHOES = 4  # arguments that are looked for in the answer
_LONGEST_ECHO = 200  # characters of one


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Keys whose values differ from call to call and mean nothing to the tool; in lower case, without separators.
_VOLATILE = _words(
    "requestid reqid traceid traceparent spanid correlationid idempotencykey idempotencytoken clienttoken callid "
    "toolcallid invocationid nonce timestamp ts now currenttime requesttime requestedat sentat calledat attempt "
    "attempts attemptno attemptnumber retry retries retrycount tries counter iteration iter sequencenumber"
)
# Keys of answers that tell when and how fast it was answered, and under which number.
_VOLATILE_ANSWER = _VOLATILE | _words(
    "elapsed elapsedms duration durationms latency latencyms took tookms servertime generatedat fetchedat retrievedat "
    "updatedat checkedat lastchecked expiresat uptime transactionid messageid eventid runid uuid guid seq"
)
_PAGING = _words(
    "page pages pageno pagenumber pagetoken nextpagetoken nexttoken continuationtoken continuation cursor offset skip "
    "start startat startindex from after before since until marker index position row line lines startline endline end "
    "chunk batch part scroll scrollid chapter section"
)
_MUTATING = _words(
    "add append apply assign book cancel charge close create delete drop edit insert mark move notify pay post publish "
    "put refund remove rename reply save send set submit transfer update upload upsert write"
)
_WAITS = _words("await health heartbeat monitor ping poll progress sleep status tail wait watch")
_FILLERS = _words("a an and at by for in is me my of on or our please s the to with")

_WORD = re.compile(r"\w")
_DASH = re.compile(r"-(?!\s*[\d.])")  # a hyphen, not a minus
_COSMETIC = str.maketrans(dict.fromkeys("\"'`´‘’“”«»„,;:!?¿¡()[]{}…–—", " ") | {"&": " and "})
# A moment of the day, an id nobody chose, the number of a try.
_STAMP = (
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:[Zz]|\s?[+-]\d\d:?\d\d)?"
    r"|\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
    r"|\b(?i:attempt|retry|try)\s*(?:no\.?\s*|number\s*)?#?\d+\b"
)
_WAITING = re2.compile(
    r"(?i)\b(?:pending|running|queued|in[ _-]progress|processing|not (?:yet )?ready|waiting|scheduled|starting"
    r"|provisioning)\b"
)


def _keys(names: frozenset[str]) -> str:
    """Return a pattern of these keys in JSON, with any separators: one search says whether the slow way is needed."""
    return rf'(?i)"(?:{"|".join("[_-]?".join(name) for name in sorted(names))})"\s*:'


_STAMPED = re2.compile(_STAMP)
_ASKED_VOLATILE = re2.compile(_keys(_VOLATILE))
_ANSWER_VOLATILE = re2.compile(f"{_keys(_VOLATILE_ANSWER)}|{_STAMP}")


class Asked(NamedTuple):
    """Two hashes of a tool with its arguments.

    `exact` differs with every difference of meaning in JSON, `near` leaves out what is cosmetic: white space, order of
    keys, case, punctuation, request ids, moments of the day, numbers of tries. `named` says that the arguments were
    recorded; without them both are hashes of the name.
    """

    exact: int
    near: int
    named: bool


class Answer(NamedTuple):
    """What a tool said: a hash without the words of the question, times and request ids.

    `substantive` is what more than an acknowledgement says; `waiting`, that the tool asks for patience.
    """

    hash: int
    substantive: bool
    waiting: bool


def asked_of(name: str, arguments: object) -> Asked:
    """Return what a tool was asked.

    Examples
    --------
    >>> first = asked_of("search", '{"q": "Refund policy", "limit": 5}')
    >>> again = asked_of("search", {"limit": 5, "q": "refund  policy!", "request_id": "r-17"})
    >>> first.exact == again.exact, first.near == again.near
    (False, True)
    >>> asked_of("search", {"q": "refund policy", "page": 2}).near == asked_of("search", {"q": "refund policy"}).near
    False
    """
    if arguments is None:
        key = hash_of(name)
        return Asked(key, key, named=False)
    text = arguments if isinstance(arguments, str) else as_text(arguments)
    return _asked(name, text) if len(text) <= _MAX_REMEMBERED else _asked.__wrapped__(name, text)


@lru_cache(maxsize=4096)  # what a model asks for is mostly run next: the second time costs nothing
def _asked(name: str, text: str) -> Asked:
    value = plain(text)
    exact = as_text(value)
    near = _near(value, exact)
    key = hash_of(name, exact)
    return Asked(key, key if near is None else hash_of(name, "~", near), named=True)


def wording_of(name: str, arguments: object) -> frozenset[int] | None:
    """Return hashes of the words asked for, of many words sixteen, whatever their order, endings, numbers and fillers.

    None where numbers matter: in pages, offsets and lines, where fewer than two words are left (one order after another
    may well get the same answer), and for tools that change something: "done" each time is work, not a loop.

    Examples
    --------
    >>> wording_of("search", {"q": "the refund policy 3"}) == wording_of("search", {"q": "policies: refunds, v4"})
    True
    >>> wording_of("search", {"q": "refund policy", "page": 3}), wording_of("check", {"id": "INV-4"})
    (None, None)
    """
    value = plain(arguments)
    if words_of(name) & _MUTATING or len(as_text(value)) > _MAX_TEXT:
        return None
    asked: set[str] = set()
    for key, item in leaves_of(value):
        if bare(key) in _PAGING:
            return None
        asked.update(_cosmetic(searchable(item)).split() if isinstance(item, str) else ())
    stems = {word[:_STEM] for word in asked - _FILLERS if word.isalpha()}
    if len(stems) < 2 or asked & _PAGING:
        return None
    return frozenset(sorted(map(hash_of, stems))[:_MAX_WORDS])


def answer_of(name: str, result: object, error: object, arguments: object = None, settle: bool = True) -> Answer | None:
    """Return what a tool said; None when that was not recorded.

    Whether the tool is waiting, and times and ids of the answer's own, are looked for only if `settle` asks for it:
    that may take 50 µs, and nobody needs it before a tool is asked the same thing twice.

    Examples
    --------
    >>> one = answer_of("find", "Could not find [red fox]. Similar: fox", None, {"q": "red fox"})
    >>> two = answer_of("find", "Could not find [grey fox]. Similar: fox", None, {"q": "grey fox"})
    >>> one.hash == two.hash
    True
    >>> answer_of("deploy", {"state": "running"}, None).waiting, answer_of("find", None, None)
    (True, None)
    """
    said = error or result
    if said is None:
        return None
    text = as_text(said)
    bare = _without_echo(text, arguments) if len(text) <= _MAX_SHORT else text
    if settle and len(text) <= _MAX_TEXT and _ANSWER_VOLATILE.search(text):
        bare = _settled(plain(bare), bare)
    return Answer(hash_of(name, "=", bare), len(bare) >= _SUBSTANTIVE or bool(error), settle and _waits(name, text))


def _near(value: object, raw: str) -> str | None:
    """Return what was asked without what is cosmetic, as words; None when it is too long for that."""
    if len(raw) > _MAX_TEXT:
        return None
    if isinstance(value, str):
        return _cosmetic(raw)
    if _volatile(value, raw) or _STAMPED.search(raw):
        lasting = _lasting(value, _VOLATILE) or _lasting(value, frozenset())  # an id that stands alone is asked for
        return " ".join([f"{_plainly(key)} {_cosmetic(item)}" for key, item in lasting])
    return _plainly(raw.replace("\\n", " ").replace("\\t", " ") if "\\" in raw else raw)


def _volatile(value: object, raw: str) -> bool:
    if isinstance(value, dict) and raw.count("{") == 1:
        return any(bare(str(key)) in _VOLATILE for key in value)
    return _ASKED_VOLATILE.search(raw) is not None


def _waits(name: str, text: str) -> bool:
    return bool(words_of(name) & _WAITS) or (len(text) <= _MAX_SHORT and _WAITING.search(text) is not None)


def _settled(value: object, text: str) -> str:
    """Return an answer without times and ids of its own."""
    if isinstance(value, str):
        return str(_STAMPED.sub(" ", text))
    return " ".join([f"{key} {_STAMPED.sub(' ', item)}" for key, item in _lasting(value, _VOLATILE_ANSWER)])


def _lasting(value: object, volatile: frozenset[str]) -> list[tuple[str, str]]:
    """Return keys and values, as texts, that mean the same at any time."""
    return [(key, as_text(item)) for key, item in leaves_of(value) if bare(key) not in volatile]


def _cosmetic(text: str) -> str:
    if _STAMPED.search(text):
        kept = _STAMPED.sub(" ", text)
        text = kept if _WORD.search(kept) else text  # an id that stands alone is what is asked for
    return _plainly(text)


def _plainly(text: str) -> str:
    """Return the words of a text without case and punctuation."""
    folded = text.casefold()
    words = (_DASH.sub(" ", folded) if "-" in folded else folded).translate(_COSMETIC).split()
    return " ".join([word.rstrip(".") for word in words] if "." in folded else words)


def _without_echo(text: str, arguments: object) -> str:
    """Return the answer without the words of the question."""
    for _, item in islice(leaves_of(plain(arguments)), _ECHOES):
        if isinstance(item, str) and 2 < len(item) <= _LONGEST_ECHO:
            text = text.replace(item, "")
    return text
