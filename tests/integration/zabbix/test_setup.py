"""`opsctl monitor setup` against a real Zabbix: what it makes, what that may do, what Zabbix then tells."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.deliveries import deliveries
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.maintenance import in_maintenance, lift, silence
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import check_now, gone, problems, update

from opsctl.monitor.setup.wish import METHODS, Wish
from opsctl.monitor.zabbix import Access, Auth, NotFound, Zabbix

from .lab import PATIENCE, Setup, done, seen, watch
from .server import Refused, Server


@pytest.fixture
def setup(zabbix: Server, tmp_path: Path) -> Setup:
    return Setup(zabbix, tmp_path)


KINDS = ["key", "host group", "role", "user group", "macro", "media type", "user", "action", "token"]


def test_check_changes_nothing_and_a_second_time_nothing_is_left(setup: Setup) -> None:
    assert done(setup(check=True)) == dict.fromkeys(KINDS, "create")
    assert not (setup.home / "monitor").exists()
    assert setup.server.call("user.get", {"filter": {"username": [setup.name]}}) == []
    assert list(setup.ledger.records()) == []
    assert done(setup()) == dict.fromkeys(KINDS, "create")
    before = setup.token, setup.key
    assert done(setup()) == {}
    assert done(setup(check=True)) == {}
    assert (setup.token, setup.key) == before
    assert {path.stat().st_mode & 0o777 for path in (setup.home / "monitor").iterdir()} == {0o600}
    (record,) = setup.ledger.records()
    assert record.kind == "monitor-setup"
    assert setup.token not in record.body
    assert setup.key not in record.body


def test_the_user_may_do_what_opsctl_needs_and_no_more(setup: Setup) -> None:
    setup()
    ours = {"groupid": setup.one("hostgroup", filter={"name": [setup.name]})["groupid"]}
    (foreign,) = setup.server.call("hostgroup.create", {"name": f"{setup.name} foreign"})["groupids"]
    template = setup.one("template", filter={"host": ["ICMP Ping"]}, output=["templateid"])
    face = {"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}
    with Zabbix(Access(setup.server.url, token=setup.token, timeout=60)) as zabbix:
        host = {"host": setup.name, "interfaces": [face], "templates": [template]}
        (made,) = zabbix.call("host.create", {**host, "groups": [ours]})["hostids"]
        with pytest.raises(NotFound):
            zabbix.call("host.create", {**host, "host": f"{setup.name} 2", "groups": [{"groupid": foreign}]})
        assert [row["hostid"] for row in zabbix.call("host.get", {"output": ["hostid"]})] == [made]
        zabbix.call("host.delete", [made])
        for method in ("user.get", "mediatype.get", "script.get", "usermacro.get", "token.get", "configuration.export"):
            with pytest.raises(NotFound, match=r"No permissions to call"):
                zabbix.call(method, {})
        for method in METHODS:
            if method.endswith(".get"):
                zabbix.call(method, {"limit": 1})


def test_what_somebody_changed_is_put_right(setup: Setup) -> None:
    setup()
    call = setup.server.call
    media = setup.one("mediatype", filter={"name": [setup.name]}, selectMessageTemplates="extend")
    call("mediatype.update", {"mediatypeid": media["mediatypeid"], "script": "return 1;", "maxattempts": "3"})
    role = setup.one("role", filter={"name": [setup.name]})
    call("role.update", {"roleid": role["roleid"], "rules": {"api.mode": 0, "api": ["host.delete"]}})
    action = setup.one("action", filter={"name": [f"{setup.name}: tell problems"]})
    call("action.update", {"actionid": action["actionid"], "status": 1, "recovery_operations": []})
    wanted = dict.fromkeys(("role", "media type", "action"), "update")
    checked = setup(check=True)
    assert done(checked) == wanted
    shown = "\n".join(change.diff() for change in checked)
    assert "-script: return 1;" in shown
    assert '-  "maxattempts": "3"' in shown
    assert setup.key not in shown
    assert done(setup()) == wanted
    assert done(setup()) == {}


def test_a_token_that_opens_nothing_is_made_anew(setup: Setup) -> None:
    setup()
    first = setup.token
    (setup.home / "monitor" / "zabbix.token").write_text("0" * 64)
    assert done(setup()) == {"token": "update"}
    assert setup.token not in (first, "0" * 64)
    with Zabbix(Access(setup.server.url, token=first)) as zabbix, pytest.raises(Auth):
        zabbix.call("problem.get", {"limit": 1})


def test_rotation_makes_a_new_token_and_a_new_key(setup: Setup) -> None:
    setup(days=30)
    before = setup.token, setup.key
    assert done(setup(days=30, rotate=True)) == {"key": "update", "macro": "update", "token": "update"}
    assert setup.token != before[0]
    assert setup.key != before[1]
    found = setup.one("token", filter={"name": [setup.name]})
    assert 29 * 86400 < int(found["expires_at"]) - time.time() < 31 * 86400
    # Renewed in its last two weeks.
    setup.server.call("token.update", {"tokenid": found["tokenid"], "expires_at": int(time.time()) + 86400})
    assert done(setup(days=30)) == {"token": "update"}


def test_without_a_receiver_there_is_no_webhook(setup: Setup) -> None:
    kinds = [kind for kind in KINDS if kind not in ("key", "macro", "media type", "action")]
    assert done(setup(receiver="")) == dict.fromkeys(kinds, "create")
    assert done(setup()) == {
        **dict.fromkeys(("key", "macro", "media type", "action"), "create"),
        "user": "update",
    }
    # Who leaves the option out later keeps it.
    assert done(setup(receiver="")) == {}


def test_who_may_not_set_up_is_told_so(setup: Setup) -> None:
    setup()
    from opsctl.errors import OpsctlError

    with pytest.raises(OpsctlError, match=r"^Cannot set up role .* It takes a Super admin\.$"):
        setup(access=Access(setup.server.url, token=setup.token))


# --- what Zabbix tells -------------------------------------------------------------------------------------------


@dataclass
class Receiver:
    """Takes what Zabbix sends; says it wants a tag on the problem."""

    statuses: list[int] = field(default_factory=list)
    """What to answer next, before 202s."""
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    def told(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message like this."""
        limit = time.monotonic() + PATIENCE
        while True:
            for _headers, body in list(self.messages):
                if what(found := json.loads(body)):
                    return dict(found)
            assert time.monotonic() < limit, f"not told within {PATIENCE} s: {self.messages}"
            time.sleep(0.05)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.messages.append((dict(self.headers.items()), body))
            self.send_response(made.statuses.pop(0) if made.statuses else 202)
            self.end_headers()
            self.wfile.write(b'{"tags": {"opsctl_alert": "018f"}}')

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    made.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def test_problems_and_recoveries_are_told_and_signed(setup: Setup, receiver: Receiver) -> None:
    setup(receiver=f"http://{setup.server.gateway}:{receiver.port}")
    host = watch(setup)
    receiver.statuses = [503]
    host.send(1)
    begun = time.time()
    host.send(0)
    told = receiver.told(lambda message: message["value"] == "1" and message["host"] == host.host)
    assert told == {
        "version": 1,
        "source": "zabbix",
        "eventid": told["eventid"],
        "value": "1",
        "update": "0",
        "r_eventid": "",
        "trigger_id": host.trigger,
        "name": 'Redis 😀 is "down"',
        "severity": "4",
        "host": host.host,
        "host_id": host.id,
        "address": "192.0.2.7",
        "tags": told["tags"],
        "opdata": told["opdata"],
        "clock": told["clock"],
        "r_clock": 0,
        "groups": [setup.name],
        "acknowledged": False,
    }
    assert {(tag["tag"], tag["value"]) for tag in told["tags"]} == {
        ("opsctl_stack", "cäche"),
        ("opsctl_problem", "redis-process-down"),
    }
    # A time in the zone of UTC, whatever the server's is.
    assert begun - 5 < told["clock"] < time.time() + 5
    # The first was refused with 503: it comes again, with a signature of its own.
    tagged = {"eventids": [told["eventid"]], "selectTags": "extend"}
    limit = time.monotonic() + PATIENCE
    while {"tag": "opsctl_alert", "value": "018f"} not in setup.one("event", **tagged)["tags"]:
        assert time.monotonic() < limit, "the answer's tag is not on the event"
        time.sleep(0.2)
    assert len(receiver.messages) == 2
    setup.server.call("event.acknowledge", {"eventids": [told["eventid"]], "action": 6, "message": "seen"})
    update = receiver.told(lambda message: message["update"] == "1")
    assert (update["eventid"], update["acknowledged"]) == (told["eventid"], True)
    host.send(1)
    over = receiver.told(lambda message: message["value"] == "0")
    assert over["eventid"] == told["eventid"]
    assert int(over["r_eventid"]) > int(told["eventid"])
    assert told["clock"] <= over["r_clock"] < time.time() + 5
    for headers, body in receiver.messages:
        signed = headers["X-Opsctl-Timestamp"].encode() + b"." + body
        mac = hmac.new(setup.key.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["X-Opsctl-Signature"] == f"sha256={mac}"
        assert abs(int(headers["X-Opsctl-Timestamp"]) - time.time()) < PATIENCE
        assert setup.key.encode() not in body


def test_the_user_may_do_all_that_healing_takes(setup: Setup) -> None:
    setup(receiver="")
    host = watch(setup)
    host.send(0)
    with Zabbix(Access(setup.server.url, token=setup.token, timeout=60)) as zabbix:
        problem = seen(lambda: problems(zabbix, hosts=[host.host]))[0]
        silence(zabbix, [host.host], time.time() + 600, f"{setup.name} run")
        assert list(in_maintenance(zabbix, [host.host])) == [host.host]
        assert lift(zabbix, f"{setup.name} run")
        update(zabbix, [problem.event_id], message="opsctl run 018f", acknowledge=True, severity=5)
        (changed,) = problems(zabbix, event_ids=[problem.event_id])
        assert (changed.acknowledged, changed.severity) == (True, 5)
        update(zabbix, [problem.event_id], close=True)
        assert seen(lambda: gone(zabbix, [problem.event_id]))
        assert deliveries(zabbix, since=time.time() - 60) == []
        # Checks at once are for items that the server asks for, and on 6.0 for a role of type Super admin.
        face = setup.one("hostinterface", hostids=[host.id])["interfaceid"]
        item = {"hostid": host.id, "name": "ping", "key_": "agent.ping", "type": 0, "value_type": 3, "delay": "1h"}
        setup.server.call("item.create", {**item, "interfaceid": face})
        setup.server.call(
            "trigger.update", {"triggerid": host.trigger, "expression": f"last(/{host.host}/agent.ping)=0"}
        )
        with pytest.raises(NotFound, match=r"task\.create"):
            check_now(zabbix, [host.trigger])
        setup(receiver="", rights="methods")
        assert len(check_now(zabbix, [host.trigger])) == 1
        assert done(setup(receiver="")) == {"role": "update"}
        assert done(setup(receiver="")) == {}


def script(server: Server, parameters: dict[str, Any]) -> str:
    """What the script returns in Zabbix' own engine."""
    server.run("sh", "-c", 'printf %s "$1" > /tmp/webhook.js', "sh", Wish().script)
    return server.run("zabbix_js", "-s", "/tmp/webhook.js", "-p", json.dumps(parameters, ensure_ascii=False))


def test_the_script_says_what_it_lacks_and_what_was_answered(zabbix: Server, receiver: Receiver) -> None:
    url = f"http://{zabbix.gateway}:{receiver.port}/v1/alerts/zabbix"
    with pytest.raises(RuntimeError, match=r"lacks its url or secret; run `opsctl monitor setup` again"):
        script(zabbix, {"url": url, "secret": "{$OPSCTL.WEBHOOK.SECRET}"})
    receiver.statuses = [403]
    with pytest.raises(RuntimeError, match=r"opsctl answered HTTP 403"):
        script(zabbix, {"url": url, "secret": "s3cret"})
    odd = {"url": url, "secret": "s3cret", "tags": "no JSON", "name": "*UNKNOWN*", "date": "today", "groups": "a, b/c"}
    assert json.loads(script(zabbix, odd)) == {"tags": {"opsctl_alert": "018f"}}
    body = json.loads(receiver.messages[-1][1])
    assert (body["tags"], body["name"], body["clock"], body["groups"]) == ([], "", 0, ["a", "b/c"])


def test_the_fixture_refuses_what_it_does_not_know(zabbix: Server) -> None:
    with pytest.raises(Refused):
        zabbix.call("user.get", token="0" * 64)
