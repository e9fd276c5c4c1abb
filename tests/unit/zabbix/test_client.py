"""What a bad day looks like: each fault was seen at a real Zabbix or its web server."""

from __future__ import annotations

import os
import threading
import time

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import wire
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix, reads
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import (
    Auth,
    Duplicate,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
    ZabbixError,
    of_answer,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ship.test_tls import certificate
from tests.unit.zabbix.model import PASSWORD, TOKEN, USER
from tests.unit.zabbix.wire import FakeZabbix

FAULTS = ["reset", "lost", "cut", "html", "database", "429", "500", "502", "503", "504"]
READ, WRITE = ("host.get", {}), ("hostgroup.create", [{"name": "new"}])


def warm(connect, fake, **options):
    """A client that knows the version already."""
    zabbix = connect(fake, **options)
    assert zabbix.version
    fake.calls.clear()
    return zabbix


@pytest.mark.parametrize(
    ("version", "number"), [("6.0.14", (6, 0, 14)), ("7.4.14", (7, 4, 14)), ("8.0.0rc1", (8, 0, 0))]
)
def test_the_version_is_asked_for_once(version, number, connect, request):
    fake = FakeZabbix(version)
    request.addfinalizer(fake.close)
    zabbix = connect(fake)
    assert (zabbix.version, zabbix.version) == (number, number)
    assert fake.methods() == ["apiinfo.version"]


@pytest.mark.parametrize("text", ["5.4.12", "", "hello"])
def test_what_is_too_old_or_no_zabbix_is_refused(old, connect, text):
    old.text = text
    with pytest.raises(Unsupported, match="too old: 6.0 is the oldest" if text[:1] == "5" else "is no Zabbix"):
        connect(old).call("host.get")


def test_every_version_lets_us_in_by_token_and_by_password(fake, connect):
    fake.add_host("a")
    assert connect(fake).call(*READ)
    with Zabbix(Access(fake.url, user=USER, password=PASSWORD)) as zabbix:
        assert zabbix.call(*READ)
    assert fake.sessions == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_only_reads_is_asked_again(old, connect, fault):
    zabbix = warm(connect, old)
    old.faults.extend([fault, fault])
    assert zabbix.call(*READ) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_that_may_have_been_done_is_not_done_again(old, connect, fault):
    zabbix = warm(connect, old)
    old.faults.append(fault)
    if fault == "database":
        assert zabbix.call(*WRITE)
        return
    with pytest.raises(Unavailable) as error:
        zabbix.call(*WRITE)
    assert error.value.retryable
    assert len(old.faults) == 0
    assert old.methods().count("hostgroup.create") <= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_is_made_once_whatever_happens_on_the_way_to_it(old, fault):
    with Zabbix(Access(old.url, user=USER, password=PASSWORD, timeout=5.0)) as zabbix:
        old.faults.extend([fault, "", fault])  # version, version, login
        assert zabbix.call(*WRITE)
    assert old.methods().count("hostgroup.create") == 1


def test_a_write_waits_for_a_server_that_comes_back(connect):
    fake = FakeZabbix()
    fake.faults.append("leave")  # else the connection outlives the server
    zabbix = warm(connect, fake, patience=20.0)
    fake.close()
    found = []
    thread = threading.Thread(target=lambda: found.append(zabbix.call(*WRITE)))
    thread.start()
    time.sleep(0.3)
    again = FakeZabbix(port=int(fake.url.split(":")[2].split("/")[0]))
    thread.join(20)
    again.close()
    assert found
    assert again.methods() == ["hostgroup.create"]


def test_patience_has_an_end(old, connect):
    now = [0.0]
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        now[0] += seconds

    access = Access(old.url, token=TOKEN, patience=10.0)
    zabbix = Zabbix(access, clock=lambda: now[0], sleep=sleep)
    assert zabbix.version
    old.faults.extend(["502"] * 1000)
    with pytest.raises(Unavailable, match=r"is not up: HTTP 502 to host.get$"):
        zabbix.call(*READ)
    assert 5 < now[0] <= 10
    assert max(pauses) <= 2
    assert len(pauses) < 30
    zabbix.close()


def test_a_slow_answer_is_not_waited_for_longer_than_said(old, connect):
    zabbix = warm(connect, old, timeout=0.2, patience=0.0)
    old.faults.append("slow")
    with pytest.raises(Unavailable, match=r"did not answer hostgroup.create: timed out$"):
        zabbix.call(*WRITE)
    old.faults.append("slow")
    assert zabbix.call("hostgroup.create", [{"name": "another"}], timeout=5.0)


def test_a_body_that_drips_is_not_waited_for_either(old, connect):
    zabbix = warm(connect, old, timeout=0.4, patience=0.0)
    old.faults.append("drip")
    start = time.monotonic()
    with pytest.raises(Unavailable, match="timed out"):
        zabbix.call(*READ)
    assert time.monotonic() - start < 4


def test_one_connection_serves_many_reads_and_is_replaced_when_it_ended(old, connect, monkeypatch):
    zabbix = connect(old)
    for _ in range(20):
        zabbix.call(*READ)
    assert old.connections == 1
    old.faults.append("leave")  # the server closes it after the answer
    zabbix.call(*READ)
    zabbix.call(*READ)
    assert old.connections == 2
    monkeypatch.setattr(wire, "IDLE", 0.0)
    zabbix.call(*READ)
    assert old.connections == 3


def test_a_write_never_meets_a_connection_that_is_being_closed(old, connect):
    zabbix = connect(old)
    for one in range(10):
        old.faults.append("leave")
        zabbix.call(*READ)
        assert zabbix.call("hostgroup.create", [{"name": str(one)}])


def test_a_fork_leaves_its_parents_connection_alone(old, connect):
    zabbix = connect(old)
    zabbix.call(*READ)
    child = os.fork()
    if not child:
        os._exit(0 if zabbix.call(*READ) == [] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert zabbix.call(*READ) == []
    assert old.connections == 2


def test_threads_share_a_client(old, connect):
    old.add_host("a")
    zabbix = Zabbix(Access(old.url, user=USER, password=PASSWORD, timeout=20.0))
    found = []

    def work():
        for _ in range(20):
            found.append(zabbix.call(*READ)[0]["host"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    zabbix.close()
    assert found == ["a"] * 160
    assert old.logins == 1


def test_a_session_that_ended_is_opened_again_also_for_a_write(old):
    with Zabbix(Access(old.url, user=USER, password=PASSWORD)) as zabbix:
        zabbix.call(*READ)
        old.sessions.clear()
        assert zabbix.call(*WRITE)
        assert old.logins == 2


def test_a_wrong_password_is_tried_once(old):
    zabbix = Zabbix(Access(old.url, user=USER, password="no"))
    with pytest.raises(Auth, match=r"^Zabbix does not let us in \(user.login\): Incorrect user name or password"):
        zabbix.call(*READ)
    assert old.logins == 1


def test_nobody_is_told_to_log_in(old):
    with pytest.raises(Auth, match="needs a token, or a user with a password"):
        Zabbix(Access(old.url)).call(*READ)


def test_an_upgrade_under_way_is_noticed(old, connect):
    zabbix = warm(connect, old)
    old.text, old.version = "7.4.14", (7, 4)
    assert zabbix.call(*READ) == []
    assert zabbix.version == (7, 4, 14)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("401", Auth, "refuses host.get (HTTP 401)"),
        ("403", Auth, "refuses host.get (HTTP 403)"),
        ("404", Refused, "There is no API of Zabbix at"),
        ("301", Refused, "HTTP 301 and points to https://zabbix.example.com/; check the address"),
        ("412", Refused, "check the address"),
        ("no-data", Refused, "Zabbix refused host.get: Invalid params."),
    ],
)
def test_what_no_second_try_mends_is_said_at_once(old, connect, fault, kind, words):
    zabbix = warm(connect, old)
    old.faults.append(fault)
    with pytest.raises(kind) as error:
        zabbix.call(*READ)
    assert words in str(error.value)
    assert not error.value.retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": -32602, "message": "Invalid params.", "data": "Not authorized."}, Auth),
        ({"code": -32602, "message": "Invalid params.", "data": "Session terminated, re-login, please."}, Auth),
        ({"code": -32500, "message": "Application error.", "data": "API token expired."}, Auth),
        ({"code": -32602, "data": 'Host with the same name "x" already exists.'}, Duplicate),
        ({"code": -32500, "data": "No permissions to referred object or it does not exist!"}, NotFound),
        ({"code": -32500, "data": 'No permissions to call "host.create".'}, NotFound),
        ({"code": -32601, "message": "Method not found.", "data": 'Incorrect API "x".'}, Unsupported),
        ({"code": 1, "message": "Error connecting to database", "data": ""}, Unavailable),
        ({"code": -32603, "data": "Unable to determine current Zabbix database version: ... not found."}, Unavailable),
        ({"code": -32500, "data": 'SQL statement execution has failed "INSERT".'}, Unavailable),
        ({"code": -32500, "data": "Cannot find host interface."}, Refused),
        ({}, Refused),
    ],
)
def test_words_of_zabbix_become_kinds(error, kind):
    assert type(of_answer("host.get", error)) is kind


@given(st.dictionaries(st.sampled_from(["code", "message", "data"]), st.none() | st.integers() | st.text()))
def test_whatever_zabbix_says_is_one_line(error):
    found = of_answer("host.get", error)
    assert isinstance(found, ZabbixError)
    assert len(str(found).splitlines()) == 1


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12))
def test_no_error_says_a_secret(secret):
    params = [{"tls_psk": secret, "macros": [{"macro": "{$P}", "type": 1, "value": secret}]}, {"passwd": secret}]
    zabbix = Zabbix(Access("http://127.0.0.1:1", token=secret))
    zabbix._wire.post = lambda *_: wire.Answer(
        200, "", ('{"error": {"data": "bad value \\"' + secret + '\\" for ' + secret + '"}}').encode()
    )
    zabbix._version = (6, 0, 0)
    with pytest.raises(Refused) as error:
        zabbix.call("host.create", params)
    assert secret not in str(error.value)
    assert secret not in repr(zabbix.access)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "ftp://x"}, "is no address of a Zabbix"),
        ({"url": "http://"}, "is no address of a Zabbix"),
        ({"url": "http://me:pw-of-me@x"}, "holds a user; give user and password by themselves"),
        ({"url": "http://x:port"}, "^http://x:port is no address of a Zabbix"),
        ({"url": "http://[::1"}, "is no address of a Zabbix"),
        ({"url": "http://me:pw-of-me@[::1"}, "is no address of a Zabbix"),
        ({"url": "x", "timeout": 0.0}, "0 s is no time to wait"),
        ({"url": "x", "token": "t", "user": "u", "password": "p"}, "not both"),
        ({"url": "x", "user": "u"}, "A user needs a password"),
        (
            {"url": "https://x", "ca_file": "/no/such/file"},
            "Cannot read the certificates in /no/such/file: No such file",
        ),
    ],
)
def test_an_access_that_cannot_work_says_why(fields, words):
    with pytest.raises(Refused, match=words) as error:
        Zabbix(Access(**fields))
    assert "pw-of-me" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("zabbix.example.com", "http://zabbix.example.com"),
        ("https://x/zabbix/", "https://x/zabbix"),
        ("https://x/zabbix/api_jsonrpc.php", "https://x/zabbix"),
        ("http://x:8080/?a=b", "http://x:8080"),
    ],
)
def test_addresses_as_people_write_them(url, page):
    assert Access(url).page == page


def test_a_host_that_nobody_is_at_is_one_line(connect):
    with pytest.raises(Unavailable, match=r"^Zabbix at http://127.0.0.1:1 cannot be reached: Connection refused$"):
        Zabbix(Access("127.0.0.1:1", token=TOKEN, patience=0.0)).call(*READ)


def test_a_certificate_of_nobody_is_not_tried_again(tmp_path):
    known = certificate(tmp_path)
    fake = FakeZabbix(certificate=known)
    try:
        with pytest.raises(Refused, match=r"cannot be trusted: its certificate is not accepted \(self-signed"):
            Zabbix(Access(fake.url, token=TOKEN)).call(*READ)
        assert Zabbix(Access(fake.url, token=TOKEN, verify=False)).call(*READ) == []
        assert Zabbix(Access(fake.url, token=TOKEN, ca_file=str(known))).call(*READ) == []
    finally:
        fake.close()


def test_reading_is_told_from_writing_by_name():
    assert all(map(reads, ["host.get", "apiinfo.version", "user.login", "configuration.export"]))
    assert not any(map(reads, ["host.create", "event.acknowledge", "task.create", "configuration.import"]))
