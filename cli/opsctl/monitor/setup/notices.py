"""How Zabbix tells opsctl of problems: a webhook, its key, and when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from opsctl.monitor.setup.part import Names, Part, Shape
from opsctl.monitor.setup.wish import PARAMETERS, Wish

_TEXTS = {
    "0": ("Problem: {EVENT.NAME}", "{EVENT.NAME} on {HOST.NAME} since {EVENT.DATE} {EVENT.TIME}"),
    "1": ("Resolved: {EVENT.NAME}", "{EVENT.NAME} on {HOST.NAME} is over"),
    "2": ("Updated: {EVENT.NAME}", "{EVENT.UPDATE.ACTION}"),
}


def macro(wish: Wish) -> Part:
    """Holds the key that signs webhooks, where neither exports nor the API show it."""

    def wanted(_present: Shape | None) -> Shape:
        said = f"Signs what Zabbix tells opsctl; key {wish.fingerprint}"
        return {"macro": wish.macro, "type": "1", "description": said}

    return Part(
        "macro",
        "usermacro",
        "macro",
        "globalmacroid",
        wish.macro,
        wanted,
        read=lambda row: {key: row[key] for key in ("macro", "type", "description")},
        params=lambda shape: {**shape, "value": wish.secret},
        more={"globalmacro": True},
        suffix="global",
    )


def media_type(wish: Wish) -> Part:
    """The webhook."""

    def wanted(_present: Shape | None) -> Shape:
        return {
            "name": wish.name,
            "type": "4",
            "status": "0",
            "description": "Hands problems to opsctl, signed. Made by `opsctl monitor setup`.",
            "parameters": dict(sorted({**PARAMETERS, "url": wish.receiver, "secret": wish.macro}.items())),
            "script": wish.script.strip(),
            "timeout": "10s",
            "process_tags": "1",
            "maxsessions": "0",
            "maxattempts": "10",
            "attempt_interval": "10s",
            "message_templates": {
                recovery: {"subject": subject, "message": message} for recovery, (subject, message) in _TEXTS.items()
            },
        }

    plain = [key for key, value in wanted(None).items() if isinstance(value, str)]

    def read(row: Shape) -> Shape:
        return {
            **{key: row[key] for key in plain},
            "script": row["script"].replace("\r\n", "\n").strip(),
            "parameters": dict(sorted((each["name"], each["value"]) for each in row["parameters"])),
            "message_templates": {
                each["recovery"]: {"subject": each["subject"], "message": each["message"]}
                for each in row["message_templates"]
                if str(each["eventsource"]) == "0"
            },
        }

    def params(shape: Shape) -> Shape:
        return {
            **shape,
            "parameters": [{"name": name, "value": value} for name, value in shape["parameters"].items()],
            "message_templates": [
                {"eventsource": "0", "recovery": recovery, **said}
                for recovery, said in shape["message_templates"].items()
            ],
        }

    more = {"selectMessageTemplates": "extend"}
    return Part("media type", "mediatype", "name", "mediatypeid", wish.name, wanted, read, params, more=more)


def action(wish: Wish, names: Names) -> Part:
    """Tells opsctl of problems of the groups when they come, change and go; those of hosts in maintenance later."""

    def wanted(_present: Shape | None) -> Shape:
        return {
            "name": f"{wish.name}: tell problems",
            "status": "0",
            "eventsource": "0",
            "pause_suppressed": "1",
            "groups": sorted(wish.groups),
            **dict.fromkeys(("operations", "recovery_operations", "update_operations"), f"{wish.name} to {wish.name}"),
        }

    def read(row: Shape) -> Shape:
        conditions = row["filter"]["conditions"]
        groups = [each["value"] for each in conditions if str(each["conditiontype"]) == "0"]
        plain = len(groups) == len(conditions) and (len(groups) < 2 or str(row["filter"]["evaltype"]) == "2")
        return {
            **{key: row[key] for key in ("name", "status", "eventsource", "pause_suppressed")},
            "groups": names.names("hostgroup", groups) if plain else ["other conditions"],
            **{key: operation(row[key]) for key in ("operations", "recovery_operations", "update_operations")},
        }

    def operation(rows: Sequence[Shape]) -> str:
        if len(rows) != 1 or str(rows[0]["operationtype"]) != "0":
            return f"{len(rows)} others"
        media = names.names("mediatype", [rows[0]["opmessage"]["mediatypeid"]])
        users = names.names("user", [each["userid"] for each in rows[0].get("opmessage_usr", ())])
        return f"{', '.join(media)} to {', '.join(users)}"

    def params(shape: Shape) -> Shape:
        send = {
            "operationtype": 0,
            "opmessage": {"default_msg": 1, "mediatypeid": names.ids("mediatype", [wish.name])[0]},
            "opmessage_usr": [{"userid": names.ids("user", [wish.name])[0]}],
        }
        conditions = [
            {"conditiontype": 0, "operator": 0, "value": number} for number in names.ids("hostgroup", shape["groups"])
        ]
        return {
            **{key: shape[key] for key in ("name", "status", "pause_suppressed")},
            "esc_period": "1h",
            "filter": {"evaltype": 2, "conditions": conditions},
            "operations": [{**send, "esc_step_from": 1, "esc_step_to": 1, "esc_period": "0"}],
            "recovery_operations": [send],
            "update_operations": [send],
        }

    selected = ("selectOperations", "selectRecoveryOperations", "selectUpdateOperations", "selectFilter")
    more = dict.fromkeys(selected, "extend")
    name = f"{wish.name}: tell problems"
    # What it is about can be said once only.
    first = {"eventsource": "0"}
    return Part("action", "action", "name", "actionid", name, wanted, read, params, more=more, first=first)
