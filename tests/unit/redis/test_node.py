"""What is done with one node, from what its port and its service say."""

from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_node import Unit, judge, unit
from hypothesis import given
from hypothesis import strategies as st

DEAD = Unit("loaded", "failed", "signal")
HUNG = Unit("loaded", "active", "success", age=3600)
UNITS = st.builds(
    Unit,
    st.sampled_from(["loaded", "masked", "not-found", ""]),
    st.sampled_from(["active", "inactive", "failed", "activating"]),
    st.sampled_from(["success", "signal", "exit-code", "oom-kill", ""]),
    st.none() | st.floats(0, 1e9),
)


@pytest.mark.parametrize(
    ("answer", "seen", "order", "found"),
    [
        ("ready", DEAD, "", ""),
        ("loading", HUNG, "", "it is reading its data"),
        ("none", DEAD, "start", "its process is dead (killed)"),
        ("none", Unit("loaded", "inactive", "success"), "start", "its process is dead (stopped)"),
        ("none", Unit("loaded", "failed", "oom-kill"), "start", "its process is dead (killed for want of memory)"),
        ("none", Unit("loaded", "activating", "exit-code"), "start", "its process is dead (exit-code)"),
        ("none", HUNG, "replace", "its process runs and does not answer"),
        ("none", Unit("loaded", "active", "success", age=2), "", "it has just been started"),
    ],
)
def test_the_least_that_helps_is_done(answer: str, seen: Unit, order: str, found: str) -> None:
    verdict = judge(answer, seen, drill=False)
    assert (verdict.order, verdict.found, verdict.left) == (order, found, "")
    assert verdict.wait == (answer != "ready")


@pytest.mark.parametrize(
    ("seen", "drill", "why"),
    [
        (DEAD, True, "a drill has stopped it, and will bring it back"),
        (Unit("masked", "inactive", "success"), False, "the service is masked: somebody wants it stopped"),
        (Unit("not-found", "inactive", "success"), False, "the service is not-found on this host"),
    ],
)
def test_what_somebody_wants_stopped_is_left_alone(seen: Unit, drill: bool, why: str) -> None:
    verdict = judge("none", seen, drill)
    assert (verdict.order, verdict.wait, verdict.left) == ("", False, why)


@given(st.sampled_from(["ready", "loading", "none"]), UNITS, st.booleans())
def test_a_node_that_answers_is_never_touched(answer: str, seen: Unit, drill: bool) -> None:
    verdict = judge(answer, seen, drill)
    assert verdict.order in ("", "start", "replace")
    assert not (verdict.order and answer != "none")
    assert not (verdict.order and (drill or seen.load != "loaded"))
    assert not (verdict.order and verdict.left)
    assert bool(verdict.found) == (answer != "ready")


def test_the_service_managers_words_are_read() -> None:
    text = "LoadState=loaded\nActiveState=active\nResult=success\nMainPID=42\nExecMainStartTimestampMonotonic=5000000"
    assert unit(text, 12.5) == Unit("loaded", "active", "success", 7.5)
    assert unit(text.replace("=42", "=0"), 12.5).age is None
    assert unit("", 12.5) == Unit("", "", "")
