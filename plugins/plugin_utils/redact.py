# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what is to be recorded or shown: at the journal's door, before anything is written."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "******"

_SHORTEST = 4
"""Characters: a shorter value would be found in innocent words and give itself away by what it leaves of them."""

# In JSON within a text a word may come right after the escape of a line's end.
_BEGIN = r"(?:\b|(?<=\\[nrt]))"
BLOCKS = re.compile(
    r"\$ANSIBLE_VAULT;[\d.]+;\w+(?:;\w+)?(?:[\s\\nr\"',]+[0-9a-f]{32,})+"
    r"|-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY(?: BLOCK)?)-----.*?-----END (?P=kind)-----"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\\\"',+-]{1,64}[A-Za-z0-9+/=]{8,})*"
    rf"|{_BEGIN}LTAI[0-9A-Za-z]{{12,28}}\b"
    rf"|{_BEGIN}STS\.[0-9A-Za-z]{{16,}}"
    rf"|{_BEGIN}(?:AKIA|ASIA)[0-9A-Z]{{16}}\b"
    rf"|{_BEGIN}eyJ[\w-]{{8,}}\.eyJ[\w-]{{8,}}(?:\.[\w-]*){{1,3}}"
    rf"|{_BEGIN}(?:gh[opsur]_\w{{36,}}|github_pat_\w{{22,}}|glpat-[\w-]{{20,}}|xox[abprse]-[\w-]{{10,}}|AIza[\w-]{{35}})"
    rf"|{_BEGIN}(?:hv[sbr]\.[\w-]{{20,}}|npm_\w{{36}}|pypi-AgEI[\w-]{{20,}}|sk-(?:ant|proj)-[\w-]{{20,}}|sk_live_\w{{20,}})"
    r"|\$(?:1|5|6|y|gy|7|apr1|2[abxy])\$[./A-Za-z0-9$=,]{20,}",
    re.DOTALL,
)
"""What is a secret by its look, whoever made it: keys and tokens that begin with their kind, hashes of passwords."""
_TRIGGERS = (
    *(("PRIVATE KEY",), ("LTAI",), ("STS.",), ("IA", "AKIA", "ASIA"), ("eyJ",), ("_pat_",), ("glpat-",), ("xox",)),
    *(("gh", "ghp_", "gho_", "ghs_", "ghu_", "ghr_"), ("AIza",), ("hv", "hvs.", "hvb.", "hvr."), ("npm_",)),
    *(("pypi-AgEI",), ("sk-ant-",), ("sk-proj-",), ("sk_live_",)),
    ("$", "$ANSIBLE_VAULT;", "$1$", "$5$", "$6$", "$y$", "$gy$", "$7$", "$apr1$", "$2a$", "$2b$", "$2x$", "$2y$"),
)
"""Whatever BLOCKS finds has one of these in it: the first of a line, and one of the others where there are others."""

_PASS = r"pass(?:word|wd|phrase)|(?<=[_\-.])pass"  # noqa: S105
_WORD = rf"(?:{_PASS}|secret|token|(?:private|secret|api|access|account)[_-]?key|credential)"
_NAMES = re.compile(
    r"(?:^|[_\-.])(?:pass|password|passwd|passphrase|secret|token|private_?key|secret_?key|access_?key_?secret|api_?key"
    r"|secret_?access_?key|account_?key|authorization|cookie)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?:Password|Passphrase|Secret|Token|PrivateKey|ApiKey|SecretKey|AccountKey)$")
_PASSWORD = re.compile(r"pass(?:word|wd|phrase)$", re.IGNORECASE)

_ASCII = re.IGNORECASE | re.ASCII
_FLAG = re.compile(rf"--?(?:[\w-]*[_-])?{_WORD}", _ASCII)
# In JSON within a text a line ends with the two characters of its escape.
_PLAIN = r"(?:[^\s\"',;&()\[\]{}<>|\\]|\\(?![nrt\"']))"
_VALUE = rf"""(?:"(?:[^"\\\n]|\\.)+"|'(?:[^'\\\n]|\\.)+'|\\{{1,7}}["'][^"'\n]+["']|{_PLAIN}+)"""
_INNOCENT = (
    r"(?![\\\"']*(?:true|false|null|none|yes|no|always|never|on_create|required|optional|absent|present|str|string)\b"
    r"[\\\"']*(?:[\s,;})\]]|$))"
)
_PARTS = (
    # scheme://user:password@host
    (("://",), re.compile(r"(\b[a-z][a-z0-9+.\-]{1,30}://[^\s:/@\"'<>]{0,256}:)[^\s/@\"'<>]{1,256}(?=@)", _ASCII)),
    (
        ("uthorization", "cookie"),
        re.compile(
            r"((?:authorization|cookie)\\{0,7}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,7}[\"']?)[^\s\"'\\][^\r\n\"'\\]*",
            _ASCII,
        ),
    ),
    (("bearer",), re.compile(rf"({_BEGIN}bearer[ \t]{{1,4}})[\w.~+/=\-]{{12,}}", _ASCII)),
    # NAME=value, name: value, "name": "value" within a text
    (
        ("pass", "secret", "token", "key", "credential"),
        re.compile(rf"({_WORD}(?:\\{{0,7}}[\"'])?[ \t]{{0,8}}(?:=>|:=|[:=])[ \t]{{0,8}}){_INNOCENT}{_VALUE}", _ASCII),
    ),
    # --name value
    (
        ("pass", "secret", "token", "key", "credential"),
        re.compile(rf"((?<![\w-])--?(?:[\w-]{{1,40}}[_-])?{_WORD}[ \t]{{1,4}}){_INNOCENT}(?!-){_VALUE}", _ASCII),
    ),
    (("passw",), re.compile(rf"({_BEGIN}login[ \t]+\S{{1,256}}\s+password[ \t]+){_VALUE}", _ASCII)),
    (
        ("identified by", "password '"),
        re.compile(rf"({_BEGIN}(?:identified by|with password|password)[ \t]+)'[^'\n]+'", _ASCII),
    ),
    (("requirepass", "masterauth"), re.compile(rf"({_BEGIN}(?:requirepass|masterauth)[ \t]+){_VALUE}", _ASCII)),
)
"""What is a secret by what stands before it: words one of which is there, in small letters, and what is kept."""
_WORDS = tuple(dict.fromkeys(word for words, _pattern in _PARTS for word in words if word != "key"))
_HINTS = frozenset({"pass", "passw", "secret", "token", "uthorization", "cookie", "key"})
"""Those that names of secrets have in them."""
_FOREIGN = ("\\u017f", "\\u212a")
"""In JSON: letters beyond ASCII that a pattern takes for an s and a k."""
_FOREIGNERS = frozenset("\u017f\u212a")
_KEYS = re.compile(r"(?:private|secret|api|access|account)[_-]?key")
_RUN = re.compile(r"[0-9A-Za-z]{6,}")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{8,15}Z", re.ASCII)
_REMEMBERED = 10_000
_LARGE = 4096

_LEAST = 7
"""Characters: a name, a sign and a value have as many."""
_KEPT = r"\g<1>" + MASK

Rules = list[tuple[tuple[str, ...], re.Pattern[str], str]]
"""A pattern, what it is replaced by, and words one of which, in small letters, is in what it finds."""
_EVERY: Rules = [(words, pattern, _KEPT) for words, pattern in _PARTS]


class Redactor:
    """Masks given values wherever they stand, what is known by its name, and what is known by its look."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets`: values, of any length; very short ones are masked only where they stand alone."""
        values = {value for value in secrets if value}
        self._whole = frozenset(values)
        self.forms = {form for value in values for form in _forms(value) if len(form) >= _SHORTEST}
        """All that is masked wherever it stands."""
        # The longest first: a value may begin with another.
        ordered = sorted(self.forms, key=len, reverse=True)
        self.values = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        present = _fewest(needle for form in self.forms for needle in _needles(form))
        self._runs = [needle for needle in present if _RUN.fullmatch(needle)]
        self._odd = [needle for needle in present if not _RUN.fullmatch(needle)]
        self._clean_runs: set[str] = set()
        short = {value for value in values if len(value) < _SHORTEST}
        self._seen: set[str] = set()
        self._alone = _fewest({*map(json.dumps, short), *(value for value in short if not value.isalpha())})

    def text(self, text: str) -> str:
        """A text without the secrets."""
        return _masked(text, self._rules(text, _words(text.lower())))

    def known(self, text: str) -> str:
        """A text without the values that were given; what only looks like a secret stays."""
        return text if self.values is None else self.values.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """A JSON value without the secrets; keys are cleaned too."""
        every: Rules = [((), BLOCKS, MASK), *_EVERY]
        return self._clean(value, [((), self.values, MASK), *every] if self.values is not None else every)

    def clean(self, value: Any) -> Any:
        """As `value`, but quick when there is nothing to hide, which is nearly always."""
        return self.line(value)[0]

    def line(self, value: Any) -> tuple[Any, str]:
        """A JSON value without the secrets, and its JSON: ASCII, on one line."""
        text = dumped(value)
        rules = self._suspicions(text)
        if rules is None:
            return value, text
        cleaned = self._clean(value, rules)
        return cleaned, dumped(cleaned)

    def record(self, record: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """As `line`, of a record of the journal: texts that were looked at before are not looked at again. Its time,
        which is never a secret, stays as it is."""
        fresh: list[str] = []
        if self._gather(record, fresh):
            return self.line(record)
        if fresh:
            text = "\n".join(fresh)
            words = _words(text.lower())
            if self._rules(text, words) or not words.isdisjoint(_HINTS):
                return self.line(record)
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            if len(text) < _LARGE:
                self._seen.update(fresh)
        return record, dumped(record)

    def _gather(self, record: dict[str, Any], fresh: list[str]) -> bool:
        """Collect the texts of a record that are not known to be innocent; whether one is a secret by itself."""
        seen, whole = self._seen, self._whole
        rest: list[Any] = [item for name, item in record.items() if name != "time" or not _TIME.fullmatch(str(item))]
        while rest:
            item = rest.pop()
            kind = type(item)
            if kind is str:
                if item in seen:
                    continue
                if item in whole or not (item.isascii() or _FOREIGNERS.isdisjoint(item)):
                    return True
                fresh.append(item)
            elif kind is dict:
                rest.extend(item)
                rest.extend(item.values())
            elif kind is list:
                rest.extend(item)
            elif item is not None and kind is not bool and (kind not in (int, float) or str(item) in whole):
                return True
        return False

    def json(self, text: str) -> str:
        """A JSON text (ASCII, on one line) without the secrets."""
        rules = self._suspicions(text)
        return text if rules is None else dumped(self._clean(json.loads(text), rules))

    def _suspicions(self, text: str) -> Rules | None:
        """What may find something in the values of which this is the JSON; None when there is nothing to hide."""
        words = _words(text.lower())
        rules = self._rules(text, words)
        return None if not rules and words.isdisjoint(_HINTS) and not self._others(text) else rules

    def _rules(self, text: str, words: set[str]) -> Rules:
        """What may find something in a text, or in the texts of which this is the JSON. JSON writes character by
        character: what a string has in it, its JSON has in it too, and letters and digits as they are."""
        rules: Rules = []
        if self.values is not None and self._there(text):
            rules.append(((), self.values, MASK))
        if _triggered(text):
            rules.append(((), BLOCKS, MASK))
        if words:
            rules += [part for part in _EVERY if not words.isdisjoint(part[0])]
        return rules

    def _there(self, text: str) -> bool:
        """Whether a value may be in a text. Most words of a text have been looked at before."""
        fresh = set(_RUN.findall(text)) - self._clean_runs
        if fresh:
            joined = " ".join(fresh)
            for needle in self._runs:
                if needle in joined:
                    return True
            if len(self._clean_runs) >= _REMEMBERED:
                self._clean_runs.clear()
            if len(joined) < _LARGE:
                self._clean_runs |= fresh
        return any(needle in text for needle in self._odd)

    def _others(self, text: str) -> bool:
        """Whether a JSON text may have a short secret that stands alone, or a name in foreign letters."""
        return any(needle in text for needle in (*self._alone, *_FOREIGN))

    def _clean(self, value: Any, rules: Rules) -> Any:
        if isinstance(value, str):
            return MASK if value in self._whole else _masked(value, rules)
        if isinstance(value, Mapping):
            return {_masked(str(key), rules): self._named(str(key), item, rules) for key, item in value.items()}
        if isinstance(value, list | tuple):
            # Lines of a text: those of a key say nothing on their own.
            inside = _lines_of_blocks(value) if any(rule[1] is BLOCKS for rule in rules) else frozenset()
            return [
                MASK if index in inside or _flagged(value, index) else self._clean(item, rules)
                for index, item in enumerate(value)
            ]
        if self._whole and not isinstance(value, bool | None) and str(value) in self._whole:
            return MASK
        return value

    def _named(self, key: str, item: Any, rules: Rules) -> Any:
        if isinstance(item, str) and item and (_NAMES.search(key) or _CAMEL.search(key)):
            return MASK
        if isinstance(item, int) and not isinstance(item, bool) and _PASSWORD.search(key):
            return MASK
        return self._clean(item, rules)


def _masked(text: str, rules: Rules) -> str:
    small = text.lower() if len(text) >= _LEAST else ""
    for words, pattern, replacement in rules:
        if not words:
            text = pattern.sub(replacement, text)
            continue
        # Looking for words first: most texts of a record have none.
        for word in words:
            if word in small:
                text = pattern.sub(replacement, text)
                break
    return text


def _triggered(text: str) -> bool:
    for trigger in _TRIGGERS:
        if trigger[0] in text and (len(trigger) == 1 or any(exact in text for exact in trigger[1:])):
            return True
    return False


def _words(small: str) -> set[str]:
    """Those words of the patterns that are in a text of small letters."""
    found = {word for word in _WORDS if word in small}
    if "key" in small and _KEYS.search(small):
        found.add("key")
    return found


def _needles(form: str) -> set[str]:
    """What is in every text, and in every JSON of a text, that has this in it."""
    runs = _RUN.findall(form)
    return {max(runs, key=len)} if runs else {form, _inner(form)}


def _lines_of_blocks(lines: Sequence[Any]) -> frozenset[int]:
    """Numbers of the items that are lines of a private key or of a vaulted text that goes over several of them."""
    found: set[int] = set()
    until: re.Pattern[str] | None = None
    for index, line in enumerate(lines):
        if not isinstance(line, str):
            until = None
        elif until is not None and not (until is _HEX and not until.fullmatch(line.strip())):
            found.add(index)
            until = None if until is _END and until.search(line) else until
        elif "PRIVATE KEY" in line and "-----BEGIN " in line and not _END.search(line):
            found.add(index)
            until = _END
        else:
            until = _HEX if line.lstrip().startswith("$ANSIBLE_VAULT;") else None
    return frozenset(found)


_END = re.compile(r"-----END ")
_HEX = re.compile(r"[0-9a-f]{16,}")


def _flagged(words: Sequence[Any], index: int) -> bool:
    """Whether a word of a command line is the value of an option that is named like a secret."""
    if not index or not isinstance(words[index], str) or not isinstance(words[index - 1], str):
        return False
    return _FLAG.fullmatch(words[index - 1]) is not None and not words[index].startswith("-")


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str)


def dumped(value: Any) -> str:
    """JSON on one line, ASCII only. Text that is not valid Unicode survives as escapes."""
    return _ENCODER.encode(value)


def _inner(text: str) -> str:
    """A text as it stands between the quotes of JSON."""
    return json.dumps(text)[1:-1]


def _fewest(texts: Iterable[str]) -> list[str]:
    """Those that must be looked for to find out whether any is there: not those that have another in them."""
    found: list[str] = []
    for text in sorted(set(texts), key=len):
        if not any(shorter in text for shorter in found):
            found.append(text)
    return found


def _forms(value: str) -> set[str]:
    """How a value looks where tools print it: as it is, quoted for JSON, Python, shells, SQL, HTML and URLs, encoded in
    base64 on its own or within something, in hex, line by line."""
    once = _inner(value)
    raw = _bytes(value)
    forms = {value, value.strip(), once, json.dumps(value, ensure_ascii=False)[1:-1], _inner(once)}
    forms |= {repr(value)[1:-1], ascii(value)[1:-1], value.replace("'", "''"), html.escape(value)}
    forms |= {html.escape(value, quote=False), html.escape(value).replace("&#x27;", "&#39;")}
    quoted = {value.replace("'", "'\"'\"'"), value.replace("'", r"'\''"), _ESCAPED.sub(r"\\\g<0>", value)}
    quoted |= {shlex.quote(value)} if "'" in value else set()
    forms |= quoted | {_inner(form) for form in quoted}
    urls = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    forms |= urls | {_PERCENT.sub(lambda found: found[0].lower(), url) for url in urls}
    if len(value) >= 6:
        forms |= {raw.hex()} | _encoded(raw)
    if len(lines := [line.strip() for line in value.splitlines()]) > 1:
        forms |= {line for line in lines if len(line) >= 8}
    return forms - {""}


_ESCAPED = re.compile(r"[^\w@%+=:,./-]", re.ASCII)
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _encoded(raw: bytes) -> set[str]:
    """In base64: on its own, and the characters that are the same whatever comes before and after it."""
    plain = base64.b64encode(raw).decode()
    forms = {plain, plain.rstrip("=")}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        sure = text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        forms |= {sure} if len(sure) >= 8 else set()
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}
