"""What people and programs see of an approval."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opsctl.approvals.gate import Gate
from opsctl.approvals.say import described as about
from opsctl.approvals.state import standing
from opsctl.approvals.store import Case
from opsctl.clock import now

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"open": "yellow", "approved": "green", "used": "green", "reviewed": "green", "broken": "bold red"}
_HOSTS = 50
"""Hosts that are named on a terminal."""


def described(gate: Gate, case: Case, *, whole: bool = False) -> dict[str, Any]:
    """An approval for programs; the plan, the votes and the notices only when the whole is wanted."""
    told, approval = about(case), case.approval
    result = {
        "run": case.run_id,
        "status": approval.status,
        "what": told["what"],
        "cloud": told["cloud"],
        "targets": told["targets"],
        "by": told["by"],
        "reason": told["reason"],
        "risk": told["risk"],
        "created": case.created,
        "expires": approval.expires,
        "decided": case.decided,
        "missing": gate.missing(case),
        "overdue": approval.status == "broken" and now() >= approval.expires,
        "plan_hash": approval.plan_hash,
    }
    if whole:
        result |= {
            "asks": [
                {"rule": ask.rule, "approvers": list(ask.approvers) or ["owner"], "needed": ask.needed, "have": have}
                for ask, have in standing(approval, gate.entitled())
            ],
            "votes": [
                {"by": vote.person.plain(), "verdict": vote.verdict, "comment": vote.comment, "time": vote.time}
                for vote in approval.votes
            ],
            "events": [dict(event) for event in case.events],
            "plan": dict(case.plan),
            "findings": [dict(finding) for finding in case.findings],
            "check": None if case.check is None else dict(case.check),
            "notices": [notice.plain() for notice in gate.notices(case)],
            "stuck": gate.stuck(case),
        }
    return result


def drawn(shown: dict[str, Any]) -> RenderableType:
    """The whole of it for people."""
    from rich.console import Group
    from rich.text import Text

    from opsctl.output import fields, grid

    plan, targets = shown["plan"], shown["plan"]["targets"]
    parts: list[RenderableType] = [
        fields(
            [
                ("run", shown["run"]),
                ("status", styled(shown["status"], late=shown["overdue"])),
                ("missing", shown["missing"]),
                ("by", shown["by"]),
                ("reason", shown["reason"]),
                ("created", shown["created"]),
                ("until", shown["expires"]),
                *planned(plan),
                ("hosts", hosts(targets)),
            ]
        )
    ]
    parts += risky(shown["findings"])
    rows = [(ask["rule"], ", ".join(ask["approvers"]), f"{ask['have']} of {ask['needed']}") for ask in shown["asks"]]
    parts += [Text(""), grid(("rule", "approvers", "said yes"), rows)]
    said = [(vote["time"], vote["by"], vote["verdict"], vote["comment"]) for vote in shown["votes"]]
    said += [(event["time"], event["by"], event["kind"], event["comment"]) for event in shown["events"]]
    if said:
        lines = [(row[0][:19].replace("T", " "), _who(row[1]), row[2], row[3]) for row in sorted(said, key=_first)]
        parts += [Text(""), grid(("when", "who", "said", "comment"), lines)]
    if shown["check"]:
        parts += checked(shown["check"])
    if failed := [notice for notice in shown["notices"] if notice["error"]]:
        lost = [(notice["channel"], notice["status"], notice["attempts"], notice["error"]) for notice in failed]
        parts += [Text(""), grid(("notice to", "status", "attempts", "error"), lost)]
    if shown["stuck"] and shown["status"] == "open":
        text = "The owner asked, and only the owner may approve: name approvers in the rule, or break the glass."
        parts += [Text(""), Text(text, style="yellow")]
    return Group(*parts)


def planned(plan: dict[str, Any]) -> list[tuple[str, object]]:
    """What would run, as fields."""
    options = plan["options"]
    modes = [name for name in ("check", "diff") if options.get(name)]
    rest = {name: value for name, value in options.items() if name not in ("check", "diff")}
    return [
        ("what", f"{plan['kind']} {plan['content']} {plan['action']}".strip()),
        ("cloud", plan["cloud"]),
        ("stack", plan["targets"].get("stack")),
        ("limit", plan["targets"].get("limit")),
        ("mode", ", ".join(modes)),
        ("parameters", json.dumps(plan["parameters"], ensure_ascii=False) if plan["parameters"] else None),
        ("options", json.dumps(rest, ensure_ascii=False)),
        ("content", plan["digest"]),
        ("targets", plan["targets"].get("digest")),
        ("risk", plan.get("risk")),
        ("plan", plan["plan_hash"]),
    ]


def hosts(targets: dict[str, Any]) -> str:
    """The hosts, for people."""
    names = targets.get("hosts")
    if names is None:
        return "found when it runs"
    rest = f" and {len(names) - _HOSTS} more" if len(names) > _HOSTS else ""
    return f"{len(names)}: {', '.join(names[:_HOSTS])}{rest}"


def risky(findings: list[dict[str, Any]]) -> list[RenderableType]:
    """What is dangerous."""
    from rich.text import Text

    from opsctl.output import grid

    rows = [(row["level"], row["category"], row["reason"], row["excerpt"]) for row in findings]
    return [Text(""), grid(("risk", "category", "reason", "in"), rows)] if rows else []


def checked(check: dict[str, Any]) -> list[RenderableType]:
    """What `--check --diff` said."""
    from rich.text import Text

    head = f"--check --diff, run {check['run']}, {check['status']}, digest {check['digest'][:16]}"
    lines: list[RenderableType] = [Text(""), Text(head, style="bold")]
    for change in check["changes"]:
        lines.append(Text(f"{change['host']}: {change['task']}", style="cyan"))
        for line in str(change["diff"]).splitlines():
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            lines.append(Text(f"  {line}", style=style))
    if check["left_out"]:
        lines.append(Text(f"... and {check['left_out']} more: `opsctl runs logs {check['run']}` has all"))
    if not check["count"]:
        lines.append(Text("nothing would change"))
    return lines


def line(shown: dict[str, Any]) -> str:
    """One line on how it stands."""
    rest = f"; still needs {shown['missing']}" if shown["missing"] else ""
    follow = f"; `opsctl approvals start {shown['run']}` starts it" if shown["status"] == "approved" else ""
    return f"{shown['status']}  run {shown['run']}{rest}{follow}"


def styled(status: str, *, late: bool = False) -> Any:
    """The state, coloured."""
    from rich.text import Text

    return Text(f"{status}, review overdue" if late else status, style=_STYLES.get(status, "red"))


def _who(person: dict[str, Any]) -> str:
    return f"{person['login']} as {person['name']}" if person.get("login") else str(person["name"])


def _first(row: tuple[Any, ...]) -> str:
    return str(row[0])
