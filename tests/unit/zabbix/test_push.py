from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid, Missing
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import push
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import Unavailable

GOOD, BAD = push.Value("cache-1", "a", "1"), push.Value("cache-1", "b", "1")


def test_which_value_was_refused_is_known_of_few_and_counted_of_many(trapper):
    server = trapper.known("cache-1", "a")
    assert push.push(server, [GOOD, BAD, GOOD]) == push.Pushed(2, 1, (BAD,))
    assert trapper.connections == 3
    assert push.push(server, [GOOD, BAD] * 1100) == push.Pushed(1100, 1100, ())
    assert trapper.connections == 6
    assert push.push(server, []) == push.Pushed(0, 0, ())


@pytest.mark.parametrize("mood", ["failed", "silent", "garbage"])
def test_a_server_in_a_bad_mood_is_one_line(trapper, mood):
    trapper.mood = mood
    with pytest.raises(Unavailable, match=f"^The Zabbix server {trapper.address} takes no values: ") as error:
        push.push(trapper.address, [GOOD], timeout=2)
    assert len(str(error.value).splitlines()) == 1
    assert not push.alive(trapper.address, timeout=2)


def test_how_far_it_came_is_told(trapper):
    server = trapper.known("cache-1", "a")
    trapper.answers = 2
    with pytest.raises(Unavailable, match="after 2 of 5 values"):
        push.push(server, [GOOD] * 5, timeout=2)


def test_a_server_is_alive_if_it_answers_whatever_it_says(trapper):
    assert push.alive(trapper.address)
    assert not push.alive("127.0.0.1:1", timeout=2)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("zabbix", ("zabbix", 10051)),
        ("zabbix:10052", ("zabbix", 10052)),
        ("::1", ("::1", 10051)),
        ("[::1]", ("::1", 10051)),
        ("[::1]:10052", ("::1", 10052)),
    ],
)
def test_addresses_as_people_write_them(text, place):
    assert push.address(text) == place


@pytest.mark.parametrize("text", ["", ":1", "a:", "a:b", "a:0", "a:70000", "[::1]:x"])
def test_what_is_no_address_says_so(text):
    with pytest.raises(Invalid, match="is no address of a Zabbix server; say HOST or HOST:PORT"):
        push.address(text)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(push, "_TRACE", "Traceback")
    with pytest.raises(Missing, match="zabbix_utils"):
        push.push("zabbix", [GOOD])
