"""What is put into a host before it boots."""

from __future__ import annotations

import io
import stat
import subprocess
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.hosts.boot import STATE, Boot, access, files, pack
from opsctl.localcloud.hosts.firewall import Wiring

WIRING = Wiring("100.80.0.0/20", "100.80.0.1", 8460)
PLAIN = Boot("web", "192.168.0.5/16", "00:16:3e:01:02:03", 4096, "*filter\nCOMMIT\n", "PRIVATE KEY\n")


def read(data: bytes) -> dict[str, tuple[tarfile.TarInfo, str]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            f"/{entry.name}": (entry, file.read().decode() if (file := tar.extractfile(entry)) else "")
            for entry in tar.getmembers()
            if not entry.issym()
        }


def test_secrets_are_for_root_only_and_so_are_their_folders() -> None:
    found = read(
        files(replace(PLAIN, password="Pass-word-1", public_key="ssh-ed25519 A", user_data="#!/bin/sh\n"), WIRING)
    )
    for path in (f"{STATE}/password", f"{STATE}/user-data", "/etc/ssh/ssh_host_ed25519_key", "/root/.ssh", STATE):
        entry, _ = found[path]
        assert entry.mode & 0o077 == 0, path
        assert (entry.uid, entry.gid) == (0, 0)


def test_the_password_is_in_one_file_only() -> None:
    found = read(files(replace(PLAIN, password="Pass-word-1"), WIRING))
    assert [path for path, (_, text) in found.items() if "Pass-word-1" in text] == [f"{STATE}/password"]


@pytest.mark.parametrize(
    ("password", "key", "words"),
    [
        ("Pass-word-1", "", ("PermitRootLogin yes", "PasswordAuthentication yes")),
        ("", "ssh-ed25519 A", ("PermitRootLogin prohibit-password", "PasswordAuthentication no")),
        ("", "", ("PermitRootLogin prohibit-password", "PasswordAuthentication no")),
    ],
)
def test_sshd_takes_passwords_only_where_there_is_one(password: str, key: str, words: tuple[str, ...]) -> None:
    content = access(password, key)
    settings = content["/etc/ssh/sshd_config.d/opsctl.conf"][1].splitlines()
    assert set(words) <= set(settings)
    assert content["/root/.ssh/authorized_keys"][1] == (f"{key}\n" if key else "")
    assert (f"{STATE}/password" in content) == bool(password)


def test_every_script_is_one_that_a_shell_can_read() -> None:
    scripts = {path: text for path, (entry, text) in read(files(PLAIN, WIRING)).items() if text.startswith("#!/bin/sh")}
    assert len(scripts) == 4
    for path, text in scripts.items():
        done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, timeout=10, check=False)
        assert done.stderr == "", path


def test_units_are_enabled() -> None:
    with tarfile.open(fileobj=io.BytesIO(files(PLAIN, WIRING))) as tar:
        links = {entry.name.rsplit("/", 1)[1]: entry.linkname for entry in tar.getmembers() if entry.issym()}
        names = set(tar.getnames())
    assert set(links) == {"opsctl-network.service", "opsctl-password.service", "opsctl-first-boot.service"}
    assert all(target.lstrip("/") in names for target in links.values())


def test_packages_come_by_way_of_the_cache_only_when_there_is_one() -> None:
    path = "/etc/apt/apt.conf.d/90opsctl-cache"
    assert path not in read(files(PLAIN, WIRING))
    text = read(files(replace(PLAIN, apt_proxy="http://100.80.0.1:8460"), WIRING))[path][1]
    assert text == 'Acquire::http::Proxy "http://100.80.0.1:8460";\n'


@given(st.integers(4096, 2**24 - 1), st.integers(4096, 2**24 - 1))
def test_each_vpc_has_a_multicast_group_of_its_own(one: int, other: int) -> None:
    def group(vni: int) -> str:
        script = read(files(replace(PLAIN, vni=vni), WIRING))["/usr/local/lib/opsctl/network"][1]
        return script.partition(" group ")[2].split()[0]

    assert group(one).startswith("239.")
    assert (group(one) == group(other)) == (one == other)


@given(st.dictionaries(st.from_regex(r"/[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True), st.text(), max_size=4))
def test_what_is_packed_is_what_comes_out(content: dict[str, str]) -> None:
    content = {path: text.encode(errors="replace").decode() for path, text in content.items()}
    found = read(pack({path: (0o640, text) for path, text in content.items()}))
    assert {path: text for path, (entry, text) in found.items() if entry.isfile()} == content
    assert all(stat.S_IMODE(entry.mode) == 0o640 for entry, _ in found.values() if entry.isfile())
