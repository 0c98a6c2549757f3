"""Which tools destroy: by the words of their names, and by what they are told to do in SQL, a shell or over HTTP."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

import re2

from undertow.drift.interaction import ToolCall
from undertow.drift.values import leaves_of, plain, searchable, words_in, words_of

__all__ = ["destructive"]

_MAX_TEXT = 65_536  # characters of one text that are searched
_MAX_TEXTS = 32  # of one tool's arguments


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What is done, by the words of a tool's name.
_VERBS = {
    "delete": _words("delete deletes del remove removes rm rmdir unlink erase expunge delist"),
    "destroy": _words(
        "drop destroy truncate wipe purge nuke shred obliterate annihilate flush flushall flushdb rmtree"
    ),
    "terminate": _words("terminate kill shutdown decommission teardown uninstall deprovision undeploy"),
    "revoke": _words("revoke deactivate suspend ban"),
    "money": _words("refund refunds payout disburse withdraw reimburse chargeback"),
}
_MONEY_MOVES = _words("transfer send wire pay make issue move release create submit execute process")
_MONEY = _words(
    "money funds payment payments transfer wire cash balance crypto bitcoin btc eth usd eur dollars payroll"
)
_MONEY_ALONE = _words("pay charge")  # … a card, an invoice
_PAID = _words("card invoice bill customer vendor supplier employee salary account")
_HARMLESS = _words(  # what is removed from a view, a basket or a text
    "cart basket filter filters duplicate duplicates whitespace formatting background noise stopword stopwords "
    "highlight selection bookmark favorite favorites wishlist tag tags label labels reaction emoji down dropdown off "
    "box drag pin accent accents markdown html"
)
_READS = _words("get list show find search lookup check view read fetch count preview describe explain can is")
_READ_FIRST = frozenset((word,) for word in _READS)
_ABOUT = _words("policy policies rule rules status history estimate eligibility quote calculator")

# Tools that do what they are told; of others the arguments are data.
_EXECUTORS = _words(
    "sql query execute exec run shell bash sh zsh powershell terminal console command cmd python code script eval http "
    "request requests curl rest api graphql kubectl helm terraform docker db database postgres psql mysql sqlite mongo "
    "redis snowflake bigquery aws gcloud az ssh repl interpreter computer"
)
_SEARCHES = _words("search knowledge kb docs documentation faq web google wiki wikipedia retrieve retriever")
_COMMANDS = _words("command commands cmd sql statement statements script code shell bash mutation method verb")
_TOLD = {
    "destroy": (
        r"\bdrop\s+(?:table|database|schema|index|view|materialized|collection|keyspace|column|user|role|tablespace)"
        r"|\btruncate\s+(?:table\s+)?[\w\"`\[.]+\s*(?:;|,|$|cascade|restart)|\btruncate\s+-|\bdropdb\b|\.dropdatabase\(|\.drop\(\)"
        r"|\bflush(?:all|db)\b|\bmkfs\b|\bdd\s+[^\n]*\bof=/dev/|\bshred\s|\bwipefs\b|\bterraform\s[^\n]*\bdestroy\b"
        r"|\bgit\s[^\n]*(?:push\s[^\n]*(?:--force\b|\s-f\b)|reset\s+--hard|clean\s+-\w*f)|\brmtree\s*\("
        r"|\bdocker\s+(?:system|volume)\s+prune|\bformat\s+[a-z]:"
    ),
    "delete": (
        r"\bdelete\s+from\b|\bdetach\s+delete\b|\bmatch\s*\([^;]*\)\s*delete\s|(?:^|[\s;&|(`'\"])rm\s+(?:-\w+\s+)*[\w./~$*'\"-]"
        r"|(?:^|[\s;&|(`])(?:rmdir|unlink|del\s+/|remove-item)\s|\bos\.(?:remove|unlink|rmdir)\s*\(|\.unlink\(\)"
        r"|\.delete(?:many|one|_many|_one)?\s*\(|(?:-x|--request|method[\"']?\s*[:=]\s*[\"']?)\s*[\"']?delete\b"
        r"|\bkubectl\s[^\n]*\bdelete\b|\bhelm\s+(?:uninstall|delete)\b|\baws\s[^\n]*\b(?:delete-|rm\b|rb\b)"
        r"|\b(?:gcloud|az|gh|doctl|flyctl|railway|heroku)\s[^\n]*\b(?:delete|destroy)\b"
        r"|\bdocker\s+(?:\w+\s+)?rmi?\s|\bmutation\b[^}]*\b\w*(?:delete|destroy|remove|purge)\w*"
    ),
    "terminate": (
        r"\bterminate-instances\b|\bpg_terminate_backend\b|(?:^|[\s;&|(])(?:kill|pkill|killall)\s+-|\bshutdown\s+-"
        r"|\bsystemctl\s+(?:stop|disable)\b"
    ),
    "revoke": (r"\brevoke\s+[\w\s,]+\bon\b[^;]+\bfrom\b"),
}
_PATTERNS = {kind: re2.compile(f"(?i){told}") for kind, told in _TOLD.items()}
_SUSPECT = re2.compile(f"(?i){'|'.join(_TOLD.values())}")  # most commands are harmless: one search tells


def destructive(call: ToolCall) -> frozenset[str]:
    """Return the classes of destruction a tool call belongs to: delete, destroy, terminate, revoke, money.

    Examples
    --------
    >>> sorted(destructive(ToolCall("volumeDelete"))), sorted(destructive(ToolCall("remove_from_cart")))
    (['delete'], [])
    >>> sorted(destructive(ToolCall("run_sql", {"query": "DROP TABLE orders"})))
    ['destroy']
    >>> sorted(destructive(ToolCall("web_search", {"query": "what does DROP TABLE do"})))
    []
    """
    named = _by_name(call.name)
    return named | told if (told := _by_arguments(call)) else named


@lru_cache(maxsize=4096)
def _by_name(name: str) -> frozenset[str]:
    words = words_of(name)
    if words & (_HARMLESS | _ABOUT) or words_in(name)[:1] in _READ_FIRST:
        return frozenset()
    found = {kind for kind, verbs in _VERBS.items() if words & verbs}
    if (words & _MONEY_MOVES and words & (_MONEY - _MONEY_MOVES)) or {"wire", "transfer"} <= words:
        found.add("money")
    if words & _MONEY_ALONE and (words & _PAID or words & _MONEY or len(words) == 1):
        found.add("money")
    return frozenset(found)


@lru_cache(maxsize=4096)
def _obeys(name: str) -> bool:
    words = words_of(name)
    return bool(words & _EXECUTORS) and not words & _SEARCHES


def _by_arguments(call: ToolCall) -> frozenset[str]:
    obeys = _obeys(call.name)
    texts: dict[str, list[str]] = {}
    for key, item in islice(leaves_of(plain(call.arguments)), _MAX_TEXTS):
        if isinstance(item, str) and (obeys or _commands(key)):
            texts.setdefault(key, []).append(item[:_MAX_TEXT])  # a command may be a list of its words
    found: set[str] = set()
    for words in texts.values():
        found |= _told(" ".join(words))
    return frozenset(found)


def _told(text: str) -> set[str]:
    if text.upper() == "DELETE":  # the method of a request
        return {"delete"}
    text = searchable(text)
    if not _SUSPECT.search(text):
        return set()
    return {kind for kind, pattern in _PATTERNS.items() if pattern.search(text)}


@lru_cache(maxsize=4096)
def _commands(key: str) -> bool:
    return bool(words_of(key) & _COMMANDS)
