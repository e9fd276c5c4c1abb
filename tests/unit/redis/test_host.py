from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_host import memory_mb, systems

MEMINFO = "MemTotal:       8388608 kB\nMemFree:        1234 kB\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n', ["debian"]),
        ("ID=ubuntu\nID_LIKE=debian\n", ["ubuntu", "debian"]),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["rocky", "rhel", "centos", "fedora"]),
        ("", []),
    ],
)
def test_a_system_tells_its_names(text: str, names: list[str]) -> None:
    assert systems(text) == names


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({}, 8192),
        ({"/proc/1/cgroup": "0::/init.scope\n", "/sys/fs/cgroup/memory.max": "max\n"}, 8192),
        ({"/proc/1/cgroup": "0::/docker/x/init.scope\n", "/sys/fs/cgroup/docker/x/memory.max": "1073741824\n"}, 1024),
        (
            {
                "/proc/1/cgroup": "9:memory:/docker/x\n3:cpuset:/docker/x\n0::/docker/x\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "536870912\n",
            },
            512,
        ),
    ],
)
def test_memory_is_what_processes_can_have(files: dict[str, str], memory: int) -> None:
    found = {"/proc/meminfo": MEMINFO, **files}
    assert memory_mb(lambda path: found.get(path, "")) == memory
