"""Which processes run away, and which are never ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.runaway import (
    Limits,
    Process,
    ancestors,
    choose,
    over,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = [
    "worker",
    "sshd",
    "sshd-session",
    "systemd",
    "systemd-journald",
    "zabbix_agentd",
    "kworker/0:1",
    "redis-server",
]
PROCESSES = st.lists(
    st.builds(
        Process,
        st.integers(1, 500),
        st.integers(0, 500),
        st.integers(0, 10),
        st.sampled_from(NAMES),
        st.sampled_from(["", "worker --all", "/usr/sbin/sshd -D"]),
        st.floats(0, 400),
        st.floats(0, 1e5),
    ),
    max_size=12,
)


def process(
    name: str = "worker", pid: int = 42, command: str = "worker -x", cpu: float = 99, memory: float = 10
) -> Process:
    return Process(pid, 1, 7, name, command, cpu, memory)


def test_what_is_above_a_threshold_and_matches_is_ended() -> None:
    processes = [process(), process(pid=43, cpu=10), process("other", pid=44, command="other")]
    chosen, left = choose(processes, "^worker", Limits(90, 0), ())
    assert ([one.pid for one in chosen], left) == ([42], [])


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (process(pid=1), "the first process"),
        (process(command="", name="worker/0"), "one of the kernel"),
        (process("sshd"), "cannot do without it"),
        (process("zabbix_agentd"), "cannot do without it"),
        (process(pid=7), "this very heal"),
    ],
)
def test_what_a_host_needs_is_left_alone_and_told(one: Process, why: str) -> None:
    chosen, left = choose([one], ".", Limits(90, 0), {7})
    assert chosen == []
    assert why in left[0]


@given(PROCESSES, st.floats(0, 100), st.floats(0, 1000), st.sets(st.integers(1, 500)))
def test_nothing_below_the_thresholds_and_nothing_needed_is_ever_ended(
    processes: list[Process], cpu: float, memory: float, own: set[int]
) -> None:
    limits = Limits(cpu, memory)
    chosen, _left = choose(processes, ".", limits, own)
    for one in chosen:
        assert over(one, limits)
        assert one.pid > 1
        assert one.pid not in own
        assert one.command
        assert not one.name.startswith(("sshd", "systemd", "zabbix_"))


def test_arguments_are_not_told() -> None:
    assert "hunter2" not in process(command="worker --password hunter2").text


def test_the_files_of_this_very_process_are_read() -> None:
    folder = Path("/proc/self")
    files = (folder / "stat").read_text(), (folder / "status").read_text(), (folder / "cmdline").read_bytes()
    pid, parent, name, start, ticks, memory, command = parse(*files)
    assert (pid, parent) == (os.getpid(), os.getppid())
    assert name
    assert start > 0
    assert ticks >= 0
    assert memory > 5
    assert "python" in command


def test_a_name_with_brackets_and_spaces_is_read() -> None:
    numbers = "S 1 " + " ".join(str(number) for number in range(2, 50))
    assert parse(f"42 (a) (b c) {numbers}", "", b"")[:3] == (42, 1, "a) (b c")


@given(st.dictionaries(st.integers(1, 9), st.integers(0, 9)))
def test_ancestors_end_also_where_they_go_in_circles(parents: dict[int, int]) -> None:
    assert 5 in ancestors(5, parents)
