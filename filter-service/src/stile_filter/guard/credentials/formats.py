"""Tokens that are known by their form, as their issuers document it.

Each form begins with a fixed piece. All of them are looked for at once, and a form's expression is tried only
after its own piece.
"""

import re
from collections.abc import Iterator

from ahocorasick_rs import AhoCorasick

_MIN_DISTINCT = 6
"""Fewer different characters after the fixed piece are a placeholder: ``ghp_xxxxxxxxxxxx``."""

_WORD = "A-Za-z0-9"
_URL = "A-Za-z0-9_\\-"

# kind, fixed pieces, what follows the piece
_FORMS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("aws", ("AKIA", "ASIA", "ABIA", "ACCA"), rf"[A-Z0-9]{{16}}(?![{_WORD}])"),
    ("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"[{_WORD}]{{30,}}"),
    ("github", ("github_pat_",), rf"[{_WORD}_]{{22,}}"),
    ("gitlab", ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glft-", "gloas-"), rf"[{_URL}.]{{20,}}"),
    (
        "slack",
        ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.", "xapp-"),
        r"[A-Za-z0-9.-]{16,}",
    ),
    ("slack", ("hooks.slack.com/services/",), r"T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
    ("stripe", ("sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"), rf"[{_WORD}]{{16,}}"),
    ("anthropic", ("sk-ant-",), rf"[{_URL}]{{24,}}"),
    ("openai", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-"), rf"[{_URL}]{{24,}}"),
    ("openai", ("sk-",), rf"[{_WORD}]{{32,}}"),
    ("google", ("AIza",), rf"[{_URL}]{{35}}(?![{_URL}])"),
    ("google", ("GOCSPX-",), rf"[{_URL}]{{28}}"),
    ("google", ("ya29.",), rf"[{_URL}]{{30,}}"),
    ("jwt", ("eyJ",), rf"[{_URL}]{{8,}}={{0,2}}\.eyJ[{_URL}]{{8,}}={{0,2}}\.[{_URL}]{{16,}}"),
    ("npm", ("npm_",), rf"[{_WORD}]{{36}}(?![{_WORD}])"),
    ("pypi", ("pypi-AgE",), rf"[{_URL}]{{40,}}"),
    ("docker", ("dckr_pat_", "dckr_oat_"), rf"[{_URL}]{{24,}}"),
    ("huggingface", ("hf_", "api_org_"), rf"[{_WORD}]{{34,}}"),
    ("groq", ("gsk_",), rf"[{_WORD}]{{40,}}"),
    ("xai", ("xai-",), rf"[{_WORD}]{{60,}}"),
    ("perplexity", ("pplx-",), rf"[{_WORD}]{{40,}}"),
    ("replicate", ("r8_",), rf"[{_WORD}]{{37,}}"),
    ("sendgrid", ("SG.",), rf"[{_URL}]{{20,24}}\.[{_URL}]{{39,50}}"),
    ("twilio", ("SK",), rf"[0-9a-f]{{32}}(?![{_WORD}])"),
    ("mailgun", ("key-",), rf"[0-9a-f]{{32}}(?![{_WORD}])"),
    ("square", ("sq0csp-", "sq0atp-", "sq0idp-"), rf"[{_URL}]{{22,}}"),
    ("shopify", ("shpat_", "shpss_", "shpca_", "shppa_"), r"[a-fA-F0-9]{32}"),
    ("digitalocean", ("dop_v1_", "doo_v1_", "dor_v1_"), r"[a-f0-9]{64}"),
    ("linear", ("lin_api_", "lin_oauth_"), rf"[{_WORD}]{{40}}"),
    ("notion", ("ntn_", "secret_"), rf"[{_WORD}]{{43,}}"),
    ("postman", ("PMAK-",), r"[a-f0-9]{24}-[a-f0-9]{34}"),
    ("grafana", ("glsa_", "glc_"), rf"[{_WORD}_+/=]{{32,}}"),
    ("vault", ("hvs.", "hvb.", "hvr."), rf"[{_URL}]{{24,}}"),
    ("databricks", ("dapi",), rf"[a-f0-9]{{32}}(?![{_WORD}])"),
    ("atlassian", ("ATATT3", "ATCTT3", "ATBB"), rf"[{_URL}=]{{24,}}"),
    ("planetscale", ("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), rf"[{_URL}.=]{{32,}}"),
    ("doppler", ("dp.pt.", "dp.st.", "dp.sa."), rf"[{_WORD}.]{{40,}}"),
    ("supabase", ("sbp_", "sb_secret_"), rf"[{_WORD}_]{{20,}}"),
    ("sentry", ("sntrys_", "sntryu_"), rf"[{_WORD}+/=_]{{40,}}"),
    ("newrelic", ("NRAK-", "NRII-"), rf"[{_URL}]{{27,}}"),
    ("figma", ("figd_",), rf"[{_URL}]{{40,}}"),
    ("pulumi", ("pul-",), r"[a-f0-9]{40}"),
    ("rubygems", ("rubygems_",), r"[a-f0-9]{48}"),
    ("alibaba", ("LTAI",), rf"[{_WORD}]{{16,24}}(?![{_WORD}])"),
    ("age", ("AGE-SECRET-KEY-1",), r"[0-9A-Z]{58}"),
    ("nkey", ("SU", "SA", "SO", "SN", "SC"), rf"[A-Z2-7]{{56}}(?![{_WORD}])"),
    ("azure", ("AccountKey=", "SharedAccessKey="), r"[A-Za-z0-9+/]{40,}={0,2}"),
    ("telegram", (":AA",), rf"[{_URL}]{{33}}(?![{_URL}])"),
    (
        "discord",
        ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
        rf"\d{{16,20}}/[{_URL}]{{50,}}",
    ),
    # People ask about the header alone; after a key's header comes its base64, in lines or after "\n".
    (
        "private_key",
        (" PRIVATE KEY-----", " PRIVATE KEY BLOCK-----"),
        r"(?:\s|\\n|\\r|[A-Za-z][A-Za-z-]{0,30}:[^\n\\]{0,100}){0,16}(?:[A-Za-z0-9+/=]\s?){32}",
    ),
    ("private_key", ("PuTTY-User-Key-File-",), r"\d: "),
)

_PIECES = [piece for _, pieces, _ in _FORMS for piece in pieces]
_REST = [(kind, re.compile(rest)) for kind, pieces, rest in _FORMS for _ in pieces]
_AUTOMATON = AhoCorasick(_PIECES)
_UNBOUND = frozenset({"telegram", "private_key", "slack", "discord", "azure"})
"""Kinds whose fixed piece may follow a letter or digit."""


def find(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of each token."""
    for index, start, end in _AUTOMATON.find_matches_as_indexes(text, overlapping=True):
        kind, rest = _REST[index]
        if kind not in _UNBOUND and start and (text[start - 1].isalnum() or text[start - 1] == "_"):
            continue
        found = rest.match(text, end)
        if found is None or (len(set(found[0])) < _MIN_DISTINCT and kind != "private_key"):
            continue
        if kind == "telegram" and not text[max(0, start - 8) : start].isdigit():
            continue
        yield kind, start, found.end()
