"""What setup sends to each version of Zabbix, and what it makes of what it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import StoreError
from opsctl.monitor.setup.notices import action, macro, media_type
from opsctl.monitor.setup.part import Names, Part, texts
from opsctl.monitor.setup.rights import role, user, user_group
from opsctl.monitor.setup.setup import Change
from opsctl.monitor.setup.token import fresh, keep, key
from opsctl.monitor.setup.wish import METHODS, Wish
from opsctl.monitor.zabbix import NotFound, Zabbix

WISH = Wish(template_groups=("Templates",), receiver="http://h:8470/v1/alerts/zabbix", secret="s" * 64)


class Tables:
    """Answers what is asked for by name, and remembers what is written."""

    def __init__(self, version: str) -> None:
        self.version = tuple(map(int, version.split(".")))
        self.rows: dict[str, list[dict[str, str]]] = {
            "hostgroup": [
                {"groupid": "1", "name": "opsctl"},
                {"groupid": "2", "name": "opsctl/cache"},
                {"groupid": "3", "name": "others"},
                {"groupid": "4", "name": "Templates"},
            ],
            "templategroup": [{"groupid": "14", "name": "Templates/opsctl"}],
            "role": [{"roleid": "5", "name": "opsctl"}],
            "usergroup": [{"usrgrpid": "6", "name": "opsctl"}],
            "user": [{"userid": "7", "username": "opsctl"}],
            "mediatype": [{"mediatypeid": "8", "name": "opsctl"}],
        }
        self.written: list[tuple[str, Any]] = []

    def call(self, method: str, params: Any) -> Any:
        kind, verb = method.split(".")
        if verb == "get":
            return self.rows[kind]
        self.written.append((method, params))
        return None


def tables(version: str = "6.0.14") -> tuple[Tables, Zabbix, Names]:
    made = Tables(version)
    zabbix = cast(Zabbix, made)
    return made, zabbix, Names(zabbix)


def sent(part: Part, zabbix: Zabbix, known: str = "") -> Any:
    """What goes over the wire; JSON, as it must be."""
    part.write(zabbix, known, part.wanted(None))
    (written,) = cast(Tables, zabbix).written
    return json.loads(json.dumps(written))


def test_rights_are_for_groups_of_hosts_and_templates_as_the_version_has_them() -> None:
    _, zabbix, names = tables("6.0.14")
    method, params = sent(user_group(zabbix, WISH, names), zabbix)
    assert method == "usergroup.create"
    assert params["rights"] == [
        {"id": "1", "permission": 3},
        {"id": "2", "permission": 3},
        {"id": "4", "permission": 2},
    ]
    for version in ("6.2.0", "7.0.30", "8.0.0"):
        _, zabbix, names = tables(version)
        part = user_group(zabbix, WISH, names)
        _, params = sent(part, zabbix)
        assert params["hostgroup_rights"] == [{"id": "1", "permission": 3}, {"id": "2", "permission": 3}]
        assert params["templategroup_rights"] == [{"id": "14", "permission": 2}]
        assert "rights" not in params
        assert "selectRights" not in part.more
        row = {**params, "users_status": 0, "gui_access": 3}
        assert texts(part.read(texts(row))) == part.wanted(None)


def test_a_role_is_first_made_and_then_denies_what_the_version_knows() -> None:
    _, zabbix, _ = tables("7.0.30")
    part = role(zabbix, WISH)
    _, params = sent(part, zabbix)
    rules = params["rules"]
    assert rules["ui"] == [{"name": "monitoring.problems", "status": "1"}]
    assert rules["actions"] == []
    assert set(rules["api"]) == {*METHODS, "history.push"}
    assert (rules["api.access"], rules["api.mode"]) == ("1", "1")
    found = {
        "name": "opsctl",
        "type": "2",
        "rules": {
            **rules,
            "actions": [{"name": "close_problems", "status": "1"}, {"name": "execute_scripts", "status": "1"}],
            "ui": [{"name": "monitoring.problems", "status": "1"}, {"name": "configuration.hosts", "status": "1"}],
        },
    }
    shape = part.wanted(part.read(found))
    assert shape["actions"] == {"close_problems": "1", "execute_scripts": "0"}
    assert shape["ui"] == {"monitoring.problems": "1", "configuration.hosts": "0"}
    # What is known of another type is not said of this one.
    assert part.wanted({**part.read(found), "type": "3"})["actions"] == {}
    old = role(tables("6.0.14")[1], WISH)
    assert "history.push" not in old.wanted(None)["methods"]


def test_the_key_is_sent_and_never_shown() -> None:
    _, zabbix, names = tables()
    method, params = sent(macro(WISH), zabbix)
    assert (method, params["value"], params["type"]) == ("usermacro.createglobal", WISH.secret, "1")
    parts = [macro(WISH), media_type(WISH), user(WISH, names), action(WISH, names), role(zabbix, WISH)]
    for part in parts:
        change = Change(part.kind, part.name, "create", None, part.wanted(None))
        assert WISH.secret not in change.diff()
        assert WISH.secret not in repr(WISH)
        assert change.diff().startswith("--- before: ")


def test_an_update_says_nothing_that_can_be_said_once_only() -> None:
    _, zabbix, names = tables()
    method, params = sent(action(WISH, names), zabbix, "9")
    assert method == "action.update"
    assert "eventsource" not in params
    assert params["filter"]["conditions"] == [{"conditiontype": 0, "operator": 0, "value": "1"}]
    _, zabbix, names = tables()
    assert sent(action(WISH, names), zabbix)[1]["eventsource"] == "0"
    _, zabbix, names = tables()
    _, params = sent(user(WISH, names), zabbix, "7")
    assert "passwd" not in params


def test_other_conditions_and_operations_are_seen() -> None:
    _, zabbix, names = tables()
    part = action(WISH, names)
    _, params = sent(part, zabbix)
    found = texts({**params, "eventsource": 0})
    assert texts(part.read(found)) == part.wanted(None)
    narrow = {**found, "filter": {"evaltype": "0", "conditions": [{"conditiontype": "4", "value": "5"}]}}
    assert part.read(narrow)["groups"] == ["other conditions"]
    assert part.read({**found, "operations": []})["operations"] == "0 others"


def test_what_is_not_there_is_named() -> None:
    _, _, names = tables()
    with pytest.raises(NotFound, match="Zabbix has no mediatype nosuch"):
        names.ids("mediatype", ["nosuch"])
    assert names.names("mediatype", ["8", "99"]) == ["#99", "opsctl"]
    assert names.below("hostgroup", ["opsctl"]) == ["opsctl", "opsctl/cache"]


@given(st.text(min_size=1, max_size=20))
def test_every_name_makes_a_macro_that_zabbix_takes(name: str) -> None:
    import re

    assert re.fullmatch(r"\{\$[A-Z0-9_.]+\}", Wish(name=name).macro)


def test_secrets_are_written_whole_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "monitor" / "webhook.secret"
    assert key(path) == ""
    secret = fresh()
    keep(path, secret)
    assert key(path) == secret
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    keep(path, fresh())
    assert key(path) != secret
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(StoreError, match="Cannot write"):
        keep(path / "below" / "file", secret)
    path.write_bytes(b"\xff")
    with pytest.raises(StoreError, match="not UTF-8 text"):
        key(path)
