"""What an inventory says about a connection is spoken as it is meant, or left to Ansible with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import (
    KNOWN_HOSTS,
    Connection,
    Foreign,
    Rest,
    connection,
)


def _of(user: str = "", become: bool = False, **variables: Any) -> Connection:
    return connection("web1", variables, user, become, Rest())


def test_a_host_without_variables_is_reached_by_its_name() -> None:
    assert _of() == Connection("web1", "web1", 22, known_hosts=KNOWN_HOSTS, checking="yes")


def test_what_our_inventory_gives_is_understood() -> None:
    options = "-o HostKeyAlias=i-1 -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/home/known_hosts"
    found = _of(ansible_host="192.0.2.1", ansible_port=2222, ansible_user="root", ansible_ssh_common_args=options)
    assert (found.address, found.port, found.user) == ("192.0.2.1", 2222, "root")
    assert (found.alias, found.known_hosts, found.checking) == ("i-1", ("/home/known_hosts",), "accept-new")


def test_the_user_of_the_run_wins() -> None:
    assert _of(user="me", ansible_user="root").user == "me"


def test_become_is_root_unless_the_inventory_says_who() -> None:
    assert _of(become=True).become_user == "root"
    assert _of(ansible_become=True, ansible_become_user="app").become_user == "app"
    assert _of().become_user == ""


def test_a_jump_is_taken_in_both_forms() -> None:
    assert _of(ansible_ssh_common_args="-J jump:2222").jump == "jump:2222"
    assert _of(ansible_ssh_common_args="-oProxyJump=me@jump").jump == "me@jump"


def test_secrets_are_not_in_its_text() -> None:
    assert "hunter2" not in repr(_of(ansible_password="hunter2", ansible_become_password="hunter2", become=True))


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"ansible_connection": "local"}, "connection is local"),
        ({"ansible_ssh_common_args": "-o ProxyCommand='nc %h %p'"}, "proxycommand"),
        ({"ansible_ssh_common_args": "-F /etc/other"}, "-F"),
        ({"ansible_host": "{{ private_ip }}"}, "template"),
        ({"ansible_password": {"__ansible_vault": "..."}}, "vault"),
        ({"ansible_become": True, "ansible_become_method": "doas"}, "doas"),
        ({"ansible_port": "ssh"}, "port is ssh"),
        ({"ansible_ssh_common_args": "-o 'x"}, "cannot be read"),
    ],
)
def test_what_is_not_spoken_is_left_to_ansible(variables: dict[str, Any], reason: str) -> None:
    with pytest.raises(Foreign, match=reason):
        _of(**variables)
