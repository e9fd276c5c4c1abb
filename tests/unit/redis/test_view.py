from __future__ import annotations

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import info, members, myself

# Of Redis 7.0.15; the last two lines are of a node in handshake and of one that failed and lost its address.
NODES = """\
07c37dfeb235213a872192d90877d0cd55635b91 192.168.0.1:30004@31004,host-4 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 192.168.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922 [93-<-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 192.168.0.1:30001@31001 myself,master - 0 0 1 connected 0-92 94-5460
824fe116063bc5fcf9f4ffd895bc17aee7731ac3 :0@0 master,fail,noaddr - 1426238317741 1426238315233 3 disconnected
6ec23923021cf3ffec47632106199cb7f496ce01 192.168.0.9:30005@31005 handshake - 1426238318243 0 0 connected
"""  # noqa: E501


def test_every_line_is_a_member() -> None:
    found = members(NODES)
    own = found[myself(found)]
    assert (own.address, own.master, own.failed, own.known) == ("192.168.0.1:30001", None, False, True)
    assert own.slots == frozenset(range(5461)) - {93}
    replica, other, gone, coming = (one for one in found.values() if one is not own)
    assert (replica.master, replica.address) == (own.id, "192.168.0.1:30004")
    assert other.slots == frozenset(range(5461, 10923))
    assert (gone.failed, gone.linked, gone.slots) == (True, False, frozenset())
    assert (coming.known, coming.failed) == (False, False)


def test_info_is_read_without_its_headings() -> None:
    assert info("# Replication\r\nrole:master\r\nslave0:ip=1,port=2\r\n\r\n") == {
        "role": "master",
        "slave0": "ip=1,port=2",
    }
