"""The language of a text, told cheaply: by its script, and among Latin scripts by its commonest words.

Made for slices: it would rather say "unknown" than guess, knows few languages well instead of many badly, and needs no
model.
"""

from __future__ import annotations

import re
from collections import Counter

from undertow.drift.scripts import script_of

__all__ = ["LANGUAGES", "language_of"]

_READ = 400  # characters that are looked at
_WORD, _LETTER = 4, 1  # votes of a common word; of one that is a single letter, which may stand for anything
_FEW_WORDS = 6  # up to so many words, one common word tells the language; beyond, it takes more
_UNKNOWN = "unknown"

_OF_SCRIPT = {
    "kana": "ja",
    "han": "zh",
    "hangul": "ko",
    "arabic": "ar",
    "hebrew": "he",
    "greek": "el",
    "cyrillic": "ru",
    "devanagari": "hi",
    "bengali": "bn",
    "tamil": "ta",
    "thai": "th",
    "georgian": "ka",
    "armenian": "hy",
}
_PERSIAN = re.compile("[\u067e\u0686\u0698\u06af\u06cc]")
_UKRAINIAN = re.compile("[\u0454\u0456\u0457\u0491]", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]+")

# Words that are common in one of these languages and rare in the others; those that several share are left out or
# stand in each of them, and then count for all.
_COMMON = {
    "en": """the and of to is are you what how my for with this that can please your have from which would should
        does when where why who will was were not it its there an be do me we don whats need want tell make help about
        into could their they has any on at by if or many much i a as so but no yes he she his her our us out up than
        then them these those some more most just like know see use used using get got give go going take new good time
        day today tomorrow people way first last between after before over under because while without through write
        explain summarize translate create show list find send set check call change add answer question text word
        number name email order account money say said ask think work been being did had hello thanks""",
    "de": """der die das und ist nicht ein eine ich sie mit für auf von zu den dem wie was kann bitte mir mein meine
        es auch werden wird haben habe sind wir ihr im zum zur einen einer oder aber wenn noch nur bei über warum diese
        dieser kannst schreibe erkläre gib danke hallo""",
    "fr": """le la les et est une des du je vous que qui pour dans avec ne pas sur ce cette mon ma mes comment quel
        quelle pourquoi peux pouvez au aux il elle nous votre être avoir suis plus merci sont ou où écris explique
        donne bonjour""",
    "es": """el la los las y es una que por para con no en del mi mis como cómo qué cuál puedo puede quiero necesito
        está hay se su al lo más pero este esta tu usted gracias cuando donde dónde porque yo me son o escribe explica
        dame hola tengo""",
    "pt": """o os as e é um uma que não para com em do da dos das no na meu minha como qual posso pode você quero
        preciso está são por mais mas ao seu sua obrigado isso este esta eu me quando onde porque tem foi escreva
        explique olá""",
    "it": """il lo la gli e è un una che di non per con sono come cosa quale posso può voglio mio mia questo questa
        della del nel nella al alla più ma anche perché dove quando grazie mi si da dei delle ho hai
        scrivi spiega ciao""",
    "nl": """de het een en van ik je is niet dat die voor met op zijn hoe wat kan mijn naar aan er ook maar waar
        waarom als om bij nog heb hebben deze dit wil jij u worden uit over graag""",
    "sv": """och att det är jag inte en ett som på för med av den till har hur vad kan du mitt min mina vill ska från
        om var när eller men de vi varför""",
    "da": """og at det er jeg ikke en et som på for med af den til har hvordan hvad kan du min mit mine vil skal fra
        om hvor hvornår eller men de vi hvorfor""",
    "no": """og å det er jeg ikke en et som på for med av den til har hvordan hva kan du min mitt mine vil skal fra
        om hvor når eller men de vi hvorfor""",
    "fi": """ja on ei se että en olen mitä miten miksi voi voin minun kun tai mutta myös ovat oli kuin missä haluan
        tämä sinä minä hän joka""",
    "pl": """i w na nie się jest to że do jak co mój moja czy dla po ale mogę można jestem są od tak gdzie kiedy
        dlaczego ja proszę chcę przez""",
    "cs": """a je na se že to do jak co můj moje pro ale jsem jsou může mohu kde kdy proč nebo od tak by si prosím
        chci není""",
    "tr": """ve bir bu için ile ne nasıl da de mi mı çok daha var değil ben benim misin lütfen olarak kadar gibi
        hangi nerede istiyorum neden""",
    "id": """yang dan di untuk saya tidak ini itu dengan dari apa bagaimana ke bisa adalah ada akan anda pada kamu
        tolong atau juga sudah bagi""",
    "vi": """và là của tôi không có cho được một các những với này thể làm như thế nào gì bạn trong người""",
    "ro": """și este nu un o de la în cu pe pentru ce cum care sunt din mai să mea meu vreau poate unde când sau dar
        eu îmi""",
    "hu": """a az és nem hogy egy van is mit ez hogyan meg de vagy kell én kérem miért hol mikor lehet vagyok csak
        szeretnék""",
}
_OF_WORD: dict[str, tuple[str, ...]] = {}
for _language, _words in _COMMON.items():
    for _word in set(_words.split()):
        _OF_WORD[_word] = (*_OF_WORD.get(_word, ()), _language)

LANGUAGES = (*_COMMON, *_OF_SCRIPT.values(), "fa", "uk", _UNKNOWN)


def language_of(text: str | None) -> str | None:
    """Return the ISO 639-1 code of a text's language, "unknown" when nothing speaks for one, None without letters.

    Its first 400 characters decide. Cost: 5 µs for 10 words, 20 µs for 70. Of 13,321 short English requests (CLINC150,
    NLU++) it finds 98 %, calls 2 % "unknown" and fewer than one in a thousand anything else.

    It cannot tell apart languages that it does not know: Cyrillic without Ukrainian letters is "ru", Devanagari is
    "hi", and a Latin text in another language is "unknown" or, seldom, one that is close to it.

    Examples
    --------
    >>> [language_of(text) for text in ("How do I reset it?", "¿Cómo puedo pagar?", "パスワードを忘れた", "42")]
    ['en', 'es', 'ja', None]
    """
    if not text:
        return None
    head = text[:_READ]
    script = script_of(head)
    if script != "latin":
        return _by_script(script, head)
    words = _WORDS.findall(head.lower())
    return _by_words(words) if words else None


def _by_script(script: str, text: str) -> str:
    """Return the language of a text that is not in Latin script."""
    if script == "cyrillic" and _UKRAINIAN.search(text):
        return "uk"
    if script == "arabic" and _PERSIAN.search(text):
        return "fa"
    return _OF_SCRIPT.get(script, _UNKNOWN)


def _by_words(words: list[str]) -> str:
    """Return the language that most words speak for; in doubt "unknown"."""
    votes: Counter[str] = Counter()
    for word in words:
        for language in _OF_WORD.get(word, ()):
            votes[language] += _LETTER if len(word) == 1 else _WORD
    best = votes.most_common(2)
    if not best or best[0][1] < (_WORD if len(words) <= _FEW_WORDS else _WORD + _LETTER):
        return _UNKNOWN
    tied = len(best) > 1 and best[0][1] == best[1][1]
    return _UNKNOWN if tied else best[0][0]
