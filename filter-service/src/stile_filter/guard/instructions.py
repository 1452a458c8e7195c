# ruff: noqa: RUF001 -- the words of languages with other letters
"""A client's system message: which instructions in it are an attack on those before it.

Checks for injections look for instructions where data is expected. A system message is made of them: of 50
ordinary ones the trained check takes 10 for injections, some with more certainty than real ones. So what
counts there is only a sentence that tells the model to ignore or to reveal the owner's text before it.
"""

import re
from typing import NamedTuple

INJECTION_CHECKS = frozenset({"TrainedInjection", "PromptInjection"})
"""The scanners whose findings in a system message count only if it ``displaces``."""

_EARLIER = r"(?:previous|prior|preceding|above|earlier|former|initial|original|before|first|existing|other)"
_RULES = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directives?|orders?|restrictions?|policy|policies|everything|"
    r"system messages?)"
)
_DROP = (
    r"(?:ignor\w*|disregard\w*|forget\w*|overrid\w*|overrul\w*|bypass\w*|discard\w*|drop|cancel\w*|void|"
    r"replac\w*|supersed\w*|invalid|no longer (?:valid|apply|applies)|lifted)"
)
_TELL = r"(?:reveal|print|repeat|show|output|recite|quote|display|disclose|tell)"
_WITHIN = r"[^.!?\n]{0,60}?\b"
_DISPLACES = re.compile(
    rf"\b{_DROP}\b{_WITHIN}{_EARLIER}\b{_WITHIN}{_RULES}\b"
    rf"|\b{_DROP}\b{_WITHIN}{_RULES}\b{_WITHIN}(?:{_EARLIER}|you (?:have|were|had)|owner)\b"
    rf"|\b(?:{_EARLIER}|owner'?s?)\b{_WITHIN}{_RULES}\b{_WITHIN}{_DROP}\b"
    rf"|\b{_TELL}\b{_WITHIN}{_EARLIER}\b{_WITHIN}{_RULES}\b"
    rf"|\b{_TELL}\b{_WITHIN}{_RULES}\b{_WITHIN}{_EARLIER}\b"
    rf"|\b{_DROP}\b{_WITHIN}(?:safety|owner'?s?)\b{_WITHIN}{_RULES}\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|don't|doesn't|can't|cannot|refuse to|if|when|whenever|tries|attempts?|asks?)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n。！？؟।]+")


class _Words(NamedTuple):
    """How a language says it, each as a regular expression: of what it says all of the first three count."""

    do: str
    """Ignore, forget, cancel; or show, repeat, print."""
    earlier: str
    rules: str
    unless: str
    """Not, never, if, tries to: then it is forbidden, or said of a user."""


# In other languages than English the words come in any order: the verb first, last, or in two pieces.
_OTHERS = (
    _Words(  # German
        r"\b(?:ignorier|vergiss|vergesst|missacht|übergeh|verwirf|umgeh|überschreib|streich|gib|gebt|zeig|"
        r"nenn|wiederhol|druck|verrat|zitier|offenbar)\w*|\b(?:ungültig|gelten nicht mehr|aufgehoben)\b",
        r"\b(?:vorherig|vorig|obig|bisherig|früher|vorangegangen|ursprünglich|anfänglich|erst)\w*|"
        r"\b(?:davor|oben|vor dies\w+)\b",
        r"\b(?:system)?(?:anweisung|instruktion|regel|vorgabe|richtlinie|prompt|befehl|nachricht)\w*|\balles\b",
        r"\b(?:nie|niemals|kein\w*|wenn|falls|sobald|versucht|bittet|verlangt|darfst)\b|\bnicht\b(?! mehr)",
    ),
    _Words(  # French
        r"\b(?:ignor|oubli|néglig|annul|contourn|outrepass|montre|affiche|révèle|répète|récite|cite|imprime)\w*"
        r"|\bne tiens? (?:pas|plus) compte\b|\bne s'appliquent plus\b",
        r"\b(?:précédent|antérieur|initia|origin|premi)\w*|ci-dessus|\b(?:avant|plus haut|qui précède)\b",
        r"\b(?:instruction|consigne|règle|directive|prompt|ordre|message)\w*|\btout\b",
        r"\b(?:jamais|si|quand|lorsque|essaie|tente|demande|refuse)\b|\bn[e']\s?(?!tiens?\b|s'appl)\w+",
    ),
    _Words(  # Spanish
        r"\b(?:ignor|olvid|descart|anul|omit|muestr|muéstr|revel|repit|recit|cit|imprim)\w*"
        r"|\bhaz caso omiso\b|\bya no (?:valen|rigen|se aplican)\b",
        r"\b(?:anterior|previ|inicial|origina|primer)\w*|\b(?:arriba|antes)\b",
        r"\b(?:instruccion|regla|directri|prompt|orden|norma|mensaje|indicacion)\w*|\btodo\b",
        r"\b(?:nunca|jamás|si|cuando|intenta|pide|niégate)\b|(?<!ya )\bno\b",
    ),
    _Words(  # Italian
        r"\b(?:ignor|dimentic|trascur|annull|mostr|rivel|ripet|recit|cit|stamp)\w*|\bnon valgono più\b",
        r"\b(?:precedent|inizial|original|prim)\w*|\b(?:sopra|anteriori)\b",
        r"\b(?:istruzion|regol|direttiv|prompt|ordin|messagg|indicazion)\w*|\btutto\b",
        r"\b(?:mai|se|quando|tenta|cerca|chiede|rifiuta)\b|\bnon\b(?! valgono)",
    ),
    _Words(  # Portuguese
        r"\b(?:ignor|esqueç|esquec|descart|anul|mostr|revel|repit|recit|cit|imprim)\w*|\bnão valem mais\b",
        r"\b(?:anterior|prévi|inicia|origina|primeir)\w*|\b(?:acima|antes)\b",
        r"\b(?:instruç|regra|diretri|prompt|orde|mensage|orienta)\w*|\btudo\b",
        r"\b(?:nunca|jamais|se|quando|tenta|pede|recuse)\b|\bnão\b(?! valem)",
    ),
    _Words(  # Dutch
        r"\b(?:negeer|vergeet|omzeil|toon|herhaal|print|onthul|citeer)\w*|\bgelden niet meer\b",
        r"\b(?:vorig|eerder|bovenstaand|oorspronkelijk|eerst)\w*|\b(?:hierboven|hiervoor)\b",
        r"\b(?:instructie|regel|richtlijn|prompt|opdracht|bericht)\w*|\balles\b",
        r"\b(?:nooit|geen|als|wanneer|probeert|vraagt)\b|\bniet\b(?! meer)",
    ),
    _Words(  # Polish
        r"\b(?:z?ignoruj|zapomnij|pomiń|pokaż|powtórz|wypisz|ujawnij|zacytuj)\w*",
        r"\b(?:poprzedni|wcześniejsz|powyższ|pierwotn|początkow)\w*",
        r"\b(?:instrukcj|zasad|reguł|prompt|polece|wytyczn|wiadomoś)\w*|\bwszystko\b",
        r"\b(?:nie|nigdy|jeśli|jeżeli|gdy|kiedy|próbuje|prosi)\b",
    ),
    _Words(  # Russian
        r"\b(?:игнорир|проигнорир|забудь|отмени|отбрось|обойди|покажи|выведи|повтори|раскрой|процитируй)\w*",
        r"\b(?:предыдущ|прежн|изначальн|первоначальн|вышеуказанн|перв)\w*|\b(?:выше|ранее|до этого)\b",
        r"\b(?:инструкц|правил|указан|промпт|приказ|директив|сообщени)\w*|\bвс[её]\b",
        r"\b(?:не|никогда|если|когда|пытается|просит)\b",
    ),
    _Words(  # Turkish
        r"\b(?:yok say|unut|görmezden gel|geçersiz|göster|yazdır|tekrarla|açıkla)\w*",
        r"\b(?:önceki|yukarıdaki|ilk|baştaki|orijinal)\b",
        r"\b(?:talimat|kural|komut|prompt|istem|yönerge|mesaj)\w*|\bher şeyi\b",
        r"\b(?:asla|eğer|olursa|isterse|çalışırsa|gösterme|unutma|açıklama)\w*",
    ),
    _Words(  # Chinese
        "忽略|无视|忘记|忘掉|取消|绕过|覆盖|作废|显示|说出|重复|复述|输出|泄露|透露",
        "之前|先前|以前|上面|上述|以上|前面|此前|原来|最初|初始",
        "指令|指示|规则|提示|命令|要求|设定|消息|一切",
        "不要|不得|不能|不可|绝不|切勿|请勿|如果|若|当|试图",
    ),
    _Words(  # Japanese
        "無視|忘れ|破棄|取り消|表示し|出力し|繰り返|教え|明かし",
        "以前|これまで|上記|上の|前の|最初|元の",
        "指示|命令|ルール|規則|プロンプト|設定|メッセージ",
        "ない|ません|もし|場合|たら|禁止",
    ),
    _Words(  # Korean
        "무시|잊|취소|보여|출력|반복|말해|공개",
        "이전|위의|앞의|지금까지|처음|원래",
        "지시|명령|규칙|프롬프트|지침|메시지",
        "마라|마세요|말고|않|만약|경우|하면|려고",
    ),
    _Words(  # Arabic
        r"تجاهل|انس|ألغ|تخط|اعرض|أظهر|اكشف|كرر|اطبع",
        r"السابق|أعلاه|ما سبق|قبل|الأصلي|الأولى|الأولي",
        r"تعليمات|قواعد|أوامر|توجيهات|موجه|رسالة",
        r"\b(?:لا|لن|أبدا|إذا|عندما|حاول|طلب)",
    ),
)
_COMPILED = tuple(tuple(re.compile(form, re.IGNORECASE) for form in words) for words in _OTHERS)


def displaces(text: str) -> bool:
    """Return whether a system message tells the model to ignore or to reveal the text before it.

    A sentence that forbids this, or says what to do if a user tries it, does not count.
    """
    return any(
        _displaces_in_english(sentence) or any(_displaces_in(sentence, *words) for words in _COMPILED)
        for sentence in _SENTENCE.findall(text)
    )


def _displaces_in_english(sentence: str) -> bool:
    found = _DISPLACES.search(sentence)
    return found is not None and not _NOT.search(sentence, 0, found.start())


def _displaces_in(
    sentence: str,
    do: re.Pattern[str],
    earlier: re.Pattern[str],
    rules: re.Pattern[str],
    unless: re.Pattern[str],
) -> bool:
    return all(form.search(sentence) for form in (do, earlier, rules)) and not unless.search(sentence)
