"""The state of a run from its journal: the same for the live view, the recap and a lost run."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsctl.runs.execute import KILLED, Outcome
from opsctl.runs.judge import judge
from opsctl.runs.progress import Progress, message, natural, replay

HOSTS = ("a", "b", "c")


def event(kind: str, host: str = "a", **result: Any) -> dict[str, Any]:
    return {"event": kind, "time": "2026-01-01T00:00:00.000000Z", "host": host, "task": "T", "data": {"res": result}}


def stats(**counts: dict[str, int]) -> dict[str, Any]:
    hosts = {host for names in counts.values() for host in names}
    return {"event": "stats", "time": "", "data": {**counts, "processed": dict.fromkeys(hosts, 1)}}


def test_counts_follow_results() -> None:
    progress = replay(
        [
            event("host_start"),
            event("host_ok", changed=True),
            event("host_ok"),
            event("host_skipped", "b"),
            event("host_failed", "c"),
        ]
    )
    assert progress.recap["a"] | {"ok": 2, "changed": 1} == progress.recap["a"]
    assert progress.recap["b"]["skipped"] == 1
    assert progress.recap["c"]["failed"] == 1
    assert (progress.hosts["a"].state, progress.hosts["c"].state) == ("ok", "failed")


def test_what_began_and_did_not_end_is_in_progress() -> None:
    progress = replay(
        [event("host_start", "node-10"), event("host_start", "node-2"), event("host_start"), event("host_ok")]
    )
    assert [host for host, _, _ in progress.running] == ["node-2", "node-10"]


def test_an_ignored_failure_is_none() -> None:
    record = event("host_failed")
    record["data"]["ignore_errors"] = True
    progress = replay([record])
    assert progress.failures == []
    assert progress.recap["a"] | {"ignored": 1, "failed": 0, "ok": 1} == progress.recap["a"]


def test_ansible_s_own_count_is_the_last_word() -> None:
    """It knows of rescues, which single events do not show."""
    progress = replay([event("host_failed"), stats(ok={"a": 3}, rescued={"a": 1})])
    assert progress.complete
    assert progress.recap["a"] == {
        "ok": 3, "changed": 0, "failed": 0, "unreachable": 0, "skipped": 0, "rescued": 1, "ignored": 0,
    }  # fmt: skip
    assert progress.hosts["a"].state == "ok"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["host_start", "host_ok", "host_failed", "host_skipped", "host_unreachable", "host_retry", "text"]
            ),
            st.sampled_from(HOSTS),
        )
    )
)
def test_every_host_is_in_one_state_and_nothing_is_counted_twice(steps: list[tuple[str, str]]) -> None:
    progress = replay([event(kind, host) for kind, host in steps])
    ended = [kind for kind, _ in steps if kind in ("host_ok", "host_failed", "host_skipped", "host_unreachable")]
    assert sum(progress.count(name) for name in ("ok", "failed", "skipped", "unreachable")) == len(ended)
    for host, state in progress.hosts.items():
        last = next(
            (kind for kind, name in reversed(steps) if name == host and kind not in ("host_retry", "text")), None
        )
        assert state.state == {"host_start": "running", None: "idle"}.get(last, str(last).removeprefix("host_"))


def test_the_message_of_a_failure_is_one_line_that_says_why() -> None:
    assert message({"msg": "a\n   b "}) == "a b"
    assert message({"msg": "", "stderr": "x"}) == "x"
    assert (
        message({"msg": "One or more items failed", "results": [{}, {"failed": True, "msg": "item two"}]}) == "item two"
    )
    assert message({}) == "failed without a message"
    assert len(message({"msg": "x" * 10_000})) <= 1000


def test_node_2_comes_before_node_10() -> None:
    assert sorted(["node-10", "node-2", "a", "10", "2"], key=natural) == ["2", "10", "a", "node-2", "node-10"]


def ended(status: int, *records: dict[str, Any], why: Any = "") -> str:
    return judge(Outcome(status, why, 1.0), replay(records))[0]


def test_the_state_comes_from_the_exit_status() -> None:
    assert ended(0, event("host_failed")) == "succeeded"
    assert ended(2, stats(failures={"a": 1})) == "failed"
    assert ended(2, stats(failures={"a": 1}, dark={"b": 1})) == "failed"
    assert ended(4, stats(dark={"a": 1})) == "unreachable"
    assert ended(4) == "error"
    assert ended(1) == "error"
    assert ended(250) == "error"
    assert ended(KILLED, stats(ok={"a": 1})) == "error"
    assert ended(137) == "error"
    assert ended(0, why="canceled") == "canceled"
    assert ended(99, why="timeout") == "timeout"


def test_an_error_outside_of_tasks_is_the_message() -> None:
    records = [{"event": "text", "time": "", "stdout": "[ERROR]: 'x' is not a valid\n attribute"}]
    assert judge(Outcome(4, "", 1.0), replay(records)) == ("error", "[ERROR]: 'x' is not a valid attribute")


def test_an_unknown_event_changes_nothing() -> None:
    assert replay([{"event": "something_new", "time": ""}]) == Progress()
