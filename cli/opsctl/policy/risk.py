"""How dangerous shell text is, judged on its syntax tree: what runs counts, not which words are in it.

`judge` is pure, never raises, and takes bounded time on any text. What cannot be parsed is `high`; what is too long or
too deep to be judged is `critical`, so nothing gets safer by being wrapped up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from opsctl.policy.finding import Finding, Level, short
from opsctl.policy.origin import origin
from opsctl.policy.rules.files import written
from opsctl.policy.rules.table import command_risk
from opsctl.policy.shell import Redirect, Unreadable, Word, assignments, inputs, parse, redirect, source, words
from opsctl.policy.walk import Stand, commands
from opsctl.policy.wrappers import SHELLS, unwrap

_DEEPEST = 20
_MOST = 5000
_PRELOAD = re.compile(r"(?:LD_PRELOAD|LD_LIBRARY_PATH|LD_AUDIT|BASH_ENV|ENV|PROMPT_COMMAND|PATH|IFS)\+?=")
_BINARIES = re.compile(r"(?:/usr)?(?:/local)?/s?bin/[^/]+")


@dataclass
class _Budget:
    """What is left to be judged of one text."""

    commands: int = _MOST
    findings: list[Finding] = field(default_factory=list)
    known: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, *found: Finding) -> None:
        for finding in found:
            key = (finding.level, finding.category, finding.reason)
            if key not in self.known:
                self.known.add(key)
                self.findings.append(finding)


def judge(text: str) -> list[Finding]:
    """What is dangerous in this shell text, in the order it stands there, each thing once; empty = nothing is."""
    budget = _Budget()
    _text(text, Stand(), budget)
    return budget.findings


def _text(text: str, at: Stand, budget: _Budget) -> None:
    if at.depth > _DEEPEST:
        budget.add(Finding("critical", "obfuscation", "shells in shells, too deep to be judged", short(text)))
        return
    try:
        root = parse(text)
    except Unreadable as reason:
        level: Level = "high" if "NUL" in str(reason) else "critical"
        budget.add(Finding(level, "opaque", f"cannot be judged: {reason}", short(text)))
        return
    if root.has_error:
        budget.add(Finding("high", "opaque", "cannot be parsed as shell", short(text)))
    for node, place in commands(root, at):
        if budget.commands <= 0:
            budget.add(Finding("critical", "opaque", "cannot be judged: it has too many commands", short(text)))
            return
        budget.commands -= 1
        _node(node, place, budget)


def _node(node: Node, at: Stand, budget: _Budget) -> None:
    excerpt = short(source(node))
    if node.type == "file_redirect":
        budget.add(*_redirected(redirect(node), excerpt))
        return
    if node.type == "function_definition":
        name = next((source(part) for part in node.children if part.type == "word"), "")
        inside = [source(part) for part, _at in commands(node, at) if part.type == "command"]
        if name and inside.count(name) > 1 and re.search(r"&(?!&)", source(node)):
            budget.add(Finding("critical", "kernel", "starts itself without end", excerpt))
        return
    if node.type == "command":
        _told(assignments(node), budget, excerpt)
    given = tuple(inputs(node)) or at.given
    _call(words(node), Stand(at.depth, at.piped, given), budget, excerpt)


def _told(texts: list[str], budget: _Budget, excerpt: str) -> None:
    """Variables that make a harmless command run something else."""
    for text in texts:
        if _PRELOAD.match(text):
            budget.add(Finding("high", "obfuscation", f"sets {text.split('=')[0]} for a command", excerpt))


def _redirected(found: Redirect | None, excerpt: str) -> Iterator[Finding]:
    if found is None:
        return
    if found.operator.startswith(">") or found.operator.startswith("&>") or found.target.text.startswith("/dev/tcp"):
        for level, category, reason in written(found.target):
            yield Finding(level, category, reason, excerpt)


def _call(called: list[Word], at: Stand, budget: _Budget, excerpt: str) -> None:
    """One command: what it is, and what it runs."""
    if not called or not called[0].text:
        return
    first, arguments = called[0], called[1:]
    if at.depth > _DEEPEST:
        budget.add(Finding("critical", "obfuscation", "shells in shells, too deep to be judged", excerpt))
        return
    if not first.fixed or (first.bare and re.search(r"[*?{]|\[.+\]", first.text) and first.text not in ("[", "[[")):
        worse = origin(first.text)[0] == "network"
        reason = "the name of a command is only known when it runs"
        budget.add(Finding("critical" if worse else "high", "obfuscation", reason, excerpt))
    name = first.text.rsplit("/", 1)[-1].lower() if first.fixed else ""
    if first.fixed and "/" in first.text and not _BINARIES.fullmatch(first.text):
        budget.add(Finding("medium", "opaque", f"runs {short(first.text)}, which is not judged", excerpt))
    told = arguments if name in ("env", "sudo", "doas") else called[:1]
    _told([word.text for word in told], budget, excerpt)
    budget.add(*command_risk(name, arguments, excerpt))
    for inner in unwrap(name, arguments):
        deeper = Stand(at.depth + 1, at.piped, at.given)
        if inner.text is not None:
            _inner(name, inner.text, deeper, budget, excerpt)
        else:
            more = [Word("$ITEM", fixed=False)] if name == "xargs" else []
            _call([*inner.words, *more], deeper, budget, excerpt)
    _fed(name, arguments, at, budget, excerpt)


def _inner(name: str, text: Word, at: Stand, budget: _Budget, excerpt: str) -> None:
    if not text.fixed and name == "eval":
        worse = origin(text.text)[0] != "unknown"
        level: Level = "critical" if worse else "high"
        budget.add(Finding(level, "obfuscation", "eval of text that is only known when it runs", excerpt))
    _text(text.text, at, budget)


def _fed(name: str, arguments: list[Word], at: Stand, budget: _Budget, excerpt: str) -> None:
    """Shells whose script is their input or a file."""
    sourcing = name in ("source", ".")
    if not (name in SHELLS or sourcing or name in ("python", "python3", "perl", "ruby", "node", "php")):
        return
    plain = [word for word in arguments if not re.match(r"[-+]\w|--\w", word.text)]
    if any(re.fullmatch(r"[-+][A-Za-z]*[ce][A-Za-z]*", word.text) for word in arguments) and not sourcing:
        return
    reading = any(re.fullmatch(r"-[a-z]*s[a-z]*|-", word.text) for word in arguments)
    if plain and plain[0].text not in ("-", "/dev/stdin") and not reading:
        if plain[0].text.startswith("<(") or not plain[0].fixed:
            budget.add(_ran(origin(plain[0].text)[0], excerpt))
        else:
            budget.add(
                Finding("medium", "opaque", f"runs the file {short(plain[0].text)}, which is not judged", excerpt)
            )
        return
    shell = name in SHELLS
    deeper = Stand(at.depth + 1)
    for text in at.given:
        if shell:
            _text(text.text, deeper, budget)
        if not text.fixed:
            budget.add(
                Finding("medium", "obfuscation", "runs text with parts that are only known when it runs", excerpt)
            )
    if at.piped is None or (at.given and at.piped != "cat"):
        return
    kind, literal = ("literal", "") if at.given else origin(at.piped)
    if kind == "literal":
        if shell and literal:
            _text(literal, deeper, budget)
        budget.add(Finding("medium", "obfuscation", f"pipes text into {name}", excerpt))
        return
    budget.add(_ran(kind, excerpt))


def _ran(kind: str, excerpt: str) -> Finding:
    if kind == "network":
        return Finding("critical", "obfuscation", "runs what the network sends", excerpt)
    if kind == "coded":
        return Finding("critical", "obfuscation", "runs text that was encoded", excerpt)
    return Finding("high", "obfuscation", "runs text that is only known when it runs", excerpt)
