"""What a notice says, in English or Chinese. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TITLES = {
    "approval": ("{by} asks for an approval: {what}", "{by} 请求审批：{what}"),
    "approved": ("Approved, may be started: {what}", "已批准，可以启动：{what}"),
    "refused": ("Refused: {what}", "已拒绝：{what}"),
    "expired": ("Approval expired: {what}", "审批已过期：{what}"),
    "withdrawn": ("Withdrawn: {what}", "已撤回：{what}"),
    "break_glass": ("BREAK-GLASS by {by}, runs WITHOUT approval: {what}", "紧急越权！{by} 未经审批执行：{what}"),
    "reviewed": ("Break-glass reviewed: {what}", "紧急越权已复核：{what}"),
    "alert": ("{severity}: {what}", "{severity}：{what}"),
    "proposed": ("May this be healed so? {what}: {rule}", "是否按此修复？{what}：{rule}"),
    "escalated": ("Not healed, a person is needed: {what}", "未能自愈，需要人工处理：{what}"),
    "storm": ("A storm of alerts: rules only propose until it is calm", "告警风暴：平息之前规则只提出建议"),
    "test": ("opsctl can reach this channel", "opsctl 可以使用此通道"),
}
_LABELS = {
    "what": ("What", "内容"),
    "host": ("Host", "主机"),
    "severity": ("Severity", "级别"),
    "rule": ("Rule", "规则"),
    "alert": ("Alert", "告警"),
    "remediation": ("Remediation", "自愈"),
    "run": ("Run", "运行"),
    "cloud": ("Cloud", "云"),
    "targets": ("Targets", "目标"),
    "by": ("Requester", "申请人"),
    "actor": ("By", "操作人"),
    "reason": ("Reason", "原因"),
    "comment": ("Comment", "意见"),
    "rules": ("Rules", "规则"),
    "needed": ("Approvals needed", "所需批准数"),
    "approvers": ("Approvers", "审批人"),
    "risk": ("Risk", "风险"),
    "expires": ("Expires", "过期时间"),
    "due": ("Review due", "复核期限"),
    "plan_hash": ("Plan", "计划"),
    "machine": ("Machine", "主机"),
    "do": ("Next", "下一步"),
}
_LONGEST = 400
"""Characters of one value: a notice says what to look at, `opsctl approvals show` shows it whole."""


@dataclass(frozen=True, slots=True)
class Message:
    """One notice, the same for all channels of a language."""

    id: str
    event: str
    time: str
    title: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "version": 1,
            "id": self.id,
            "event": self.event,
            "time": self.time,
            "title": self.title,
            "text": self.text,
            "data": dict(self.data),
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Message:
        """From what `plain` gave."""
        return cls(**{name: plain[name] for name in ("id", "event", "time", "title", "text", "data")})


def written(identity: str, event: str, time: str, data: Mapping[str, Any], language: str) -> Message:
    """The notice on an event; values of `data` that have no label are for programs only."""
    column = 1 if language == "zh" else 0
    shown = {name: _line(data[name]) for name in _LABELS if data.get(name) not in (None, "", [], {})}
    title = _TITLES[event][column].format_map({"what": "", "by": "", "rule": "", "severity": "", **shown})
    colon = "：" if column else ": "
    lines = [title, *(f"{_LABELS[name][column]}{colon}{value}" for name, value in shown.items())]
    return Message(identity, event, time, f"[opsctl] {title}", "\n".join(lines), dict(data))


def _line(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    # Control characters could forge lines in mails and chats; lone surrogates cannot be sent at all.
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
