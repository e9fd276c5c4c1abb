"""What was ordered can be kept and read again, and never with a secret in it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from opsctl.orders.spec import Spec
from opsctl.runs.request import MASK

TEXT = st.text(max_size=8)
NAMES = st.text("abcdefgh_", min_size=1, max_size=6)
SPECS = st.builds(
    Spec,
    kind=st.sampled_from(["scenario", "command", "script", "playbook"]),
    content=TEXT,
    action=TEXT,
    words=st.lists(TEXT, max_size=3).map(tuple),
    cloud=TEXT,
    files=st.lists(TEXT, max_size=2).map(tuple),
    pattern=TEXT,
    everything=st.booleans(),
    only=st.lists(TEXT, max_size=3).map(tuple),
    user=TEXT,
    become=st.booleans(),
    directory=TEXT,
    environment=st.dictionaries(NAMES, TEXT, max_size=3),
    parameters=st.dictionaries(NAMES, TEXT | st.integers() | st.booleans(), max_size=3),
    check=st.booleans(),
    diff=st.booleans(),
    host_timeout=st.floats(0.1, 1e6),
    timeout=st.integers(0, 10),
    forks=st.integers(0, 10),
    reason=TEXT,
    begin=st.dictionaries(TEXT, st.lists(TEXT, min_size=1, max_size=2).map(tuple), max_size=2),
)


@given(SPECS)
def test_what_is_kept_reads_as_what_was_said(spec: Spec) -> None:
    assert Spec.of(json.loads(json.dumps(spec.plain(frozenset())))) == spec


@given(SPECS)
def test_hidden_values_are_masked_and_told(spec: Spec) -> None:
    hidden = frozenset(spec.parameters) | {f"env.{name}" for name in spec.environment}
    kept = Spec.of(spec.plain(hidden))
    assert set(kept.masked) >= hidden
    assert all(value == MASK for value in (*kept.parameters.values(), *kept.environment.values()))


def test_a_secret_in_the_command_is_masked_there_too() -> None:
    spec = Spec(kind="command", content="", words=("sh", "-c", "x canary-11"), environment={"A_TOKEN": "canary-11"})
    kept = spec.plain(frozenset({"env.A_TOKEN"}))
    assert "canary-11" not in json.dumps(kept)
    assert Spec.of(kept).masked == ["env.A_TOKEN", "a word of the command"]


def test_keys_of_a_later_opsctl_are_left_out() -> None:
    assert Spec.of({"kind": "command", "content": "", "novelty": 1}) == Spec(kind="command", content="")
