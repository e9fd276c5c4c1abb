# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.none() | st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), max_size=4)


@pytest.mark.parametrize(
    ("before", "after", "changed", "diff"),
    [
        ({"a": 1}, {"a": 1}, False, ({}, {})),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, True, ({"b": 2}, {"b": 3})),
        (None, {"a": 1}, True, ({}, {"a": 1})),
        ({"a": 1}, None, True, ({"a": 1}, {})),
        (None, None, False, ({}, {})),
    ],
)
def test_both_sides_decide_changed_and_diff(before, after, changed, diff):
    change = Change(before, after)
    assert bool(change) is changed
    assert change.diff == {"before": diff[0], "after": diff[1]}


def test_what_cannot_be_compared_may_be_a_change():
    assert Change({"a": 1}, {"a": 1}, unsure=True)


@given(SIDES, SIDES)
def test_no_change_shows_no_diff_and_a_diff_means_a_change(before, after):
    change = Change(before, after)
    shown = change.diff["before"] != change.diff["after"]
    assert not shown or change
    assert shown == ((before or {}) != (after or {}))
