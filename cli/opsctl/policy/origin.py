"""Where the output of a shell text comes from, when another shell runs it."""

from __future__ import annotations

import re

from opsctl.policy.shell import Unreadable, parse, words
from opsctl.policy.walk import Stand, commands

_NETWORK = frozenset(
    [
        "curl",
        "wget",
        "fetch",
        "aria2c",
        "nc",
        "ncat",
        "netcat",
        "socat",
        "ftp",
        "tftp",
        "lynx",
        "http",
        "https",
        "scp",
        "ssh",
    ]
)
_DECODERS = frozenset(
    [
        "base64",
        "base32",
        "xxd",
        "od",
        "openssl",
        "uudecode",
        "rev",
        "tr",
        "gunzip",
        "zcat",
        "gzip",
        "bzip2",
        "xz",
        "printf",
        "perl",
        "python3",
    ]
)
_CODED = re.compile(r"\\x[0-9a-fA-F]{2}|\\0?[0-7]{3}|\\u[0-9a-fA-F]{4}")


def origin(text: str) -> tuple[str, str]:
    """Where the output of this text comes from: `network`, `coded`, `literal` (and the text) or `unknown`."""
    if text.startswith("<("):
        text = text[2:-1]
    try:
        root = parse(text)
    except Unreadable:
        return "unknown", ""
    names, calls = set(), 0
    said = ""
    for node, _place in commands(root, Stand()):
        if node.type != "command" or calls > 200:
            continue
        calls += 1
        called = words(node)
        # Wrappers and options do not matter here: the name may be any of the words.
        names |= {word.text.rsplit("/", 1)[-1] for word in called[:6] if word.fixed}
        if called and called[0].text in ("echo", "printf") and all(word.fixed for word in called):
            said = " ".join(word.text for word in called[1:] if not re.fullmatch(r"-[neE]+", word.text))
    if names & _NETWORK:
        return "network", ""
    if names & (_DECODERS - {"printf"}) or _CODED.search(text):
        return "coded", ""
    return ("literal", said) if said and calls == 1 and not root.has_error else ("unknown", "")
