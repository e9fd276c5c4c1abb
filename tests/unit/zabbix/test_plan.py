"""Whatever hosts there are and whatever is wanted: one run makes it so, and the next one has nothing to do."""

from __future__ import annotations

import dataclasses

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hostplan import (
    MARK,
    Changes,
    Present,
    Wanted,
    fingerprint,
    plan,
)
from hypothesis import given, settings
from hypothesis import strategies as st

OWNER = ("opsctl_stack", "cache")
OTHER = ("opsctl_stack", "web")
PSK = "0123456789abcdef" * 4

_names = st.sampled_from(["a", "b", "c", "d"])
_groups = st.lists(st.sampled_from(["g", "h", "i"]), min_size=1, unique=True)
_templates = st.lists(st.sampled_from(["t", "u"]), unique=True)
_tags = st.lists(st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["", "1"])), unique=True)
_macros = st.dictionaries(st.sampled_from(["{$A}", "{$B}"]), st.sampled_from(["1", "2"]))


@st.composite
def wanted(draw):
    return Wanted(
        host=draw(_names),
        groups=tuple(draw(_groups)),
        name=draw(st.sampled_from(["", "A name"])),
        address=draw(st.sampled_from(["", "10.0.0.1", "a.example.com"])),
        templates=tuple(draw(_templates)),
        tags=tuple(draw(_tags)),
        macros=draw(_macros),
        psk=(psk := draw(st.sampled_from(["", PSK]))),
        psk_identity="id" if psk else "",
        proxy=draw(st.sampled_from(["", "edge"])),
        enabled=draw(st.booleans()),
    )


@st.composite
def present(draw):
    address = draw(st.sampled_from(["", "10.0.0.1", "10.0.0.2"]))
    return Present(
        host_id=str(draw(st.integers(1, 10_000))),
        host=draw(_names),
        name="as it was",
        groups={name: f"id-{name}" for name in draw(_groups)},
        templates={name: f"id-{name}" for name in draw(_templates)},
        tags=(draw(st.sampled_from([OWNER, OWNER, OTHER])), *draw(_tags)),
        macros=draw(_macros),
        secrets=(),
        macro_ids={},
        address=address,
        port="10050" if address else "",
        interface_id="1" if address else "",
        encryption=draw(st.sampled_from(["none", "psk"])),
        proxy="",
        enabled=draw(st.booleans()),
    )


def applied(changes: Changes, hosts: list[Present], purge: bool) -> list[Present]:
    """What Zabbix has after the changes, as far as they say."""
    gone = {one.host_id for one in [*changes.delete, *changes.extra]}
    updates = {one.present.host_id: one for one in changes.update}
    after = [_changed(one, updates.get(one.host_id)) for one in hosts if one.host_id not in gone]
    return [*after, *(_made(number, one, changes) for number, one in enumerate(changes.create, 20_000))]


def _changed(host: Present, update) -> Present:
    if update is None:
        return host
    after = update.change.after
    fields = {key: after[key] for key in ("name", "address", "port", "encryption", "proxy", "enabled") if key in after}
    for key in ("groups", "templates"):
        if key in after:
            fields[key] = {name: f"id-{name}" for name in after[key]}
    return dataclasses.replace(
        host, **fields, tags=tuple(after["tags"]), macros={**host.macros, **after.get("macros", {})}
    )


def _made(number: int, one: Wanted, changes: Changes) -> Present:
    bare = Present(str(number), one.host, one.host, {}, {}, (), {}, (), {}, "", "", "", "none", "", True)
    (update,) = plan([one], [dataclasses.replace(bare, tags=(OWNER,))], OWNER).update
    return _changed(bare, update)


@settings(max_examples=150)
@given(
    st.lists(wanted(), unique_by=lambda one: one.host),
    st.lists(present(), unique_by=lambda one: one.host_id),
    st.booleans(),
)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(want, hosts, purge):
    names = {one.host for one in want}
    hosts = [one for one in hosts if OWNER in one.tags or one.host not in names]
    changes = plan(want, hosts, OWNER, purge=purge)
    after = applied(changes, hosts, purge)
    again = plan(want, after, OWNER, purge=purge)
    assert not again, again.diff
    assert sorted(again.unchanged) == sorted(names)
    ours = [one for one in after if OWNER in one.tags]
    assert sorted(one.host for one in ours) == sorted(names)


@settings(max_examples=150)
@given(
    st.lists(wanted(), unique_by=lambda one: one.host),
    st.lists(present(), unique_by=lambda one: one.host_id),
    st.booleans(),
    st.booleans(),
)
def test_hosts_of_others_are_never_changed(want, hosts, purge, prune):
    names = {one.host for one in want}
    hosts = [one for one in hosts if OWNER in one.tags or one.host not in names]
    changes = plan(want, hosts, OWNER, purge=purge, prune=prune)
    touched = [*changes.delete, *changes.extra, *(one.present for one in changes.update)]
    assert all(OWNER in one.tags for one in touched)
    assert prune or not changes.delete


def test_secrets_are_told_apart_and_do_not_show():
    def host(**fields):
        return Wanted("a", ("g",), **fields)

    marks = [
        fingerprint(host()),
        fingerprint(host(psk=PSK, psk_identity="a")),
        fingerprint(host(psk=PSK, psk_identity="b")),
        fingerprint(host(psk=PSK[::-1], psk_identity="a")),
        fingerprint(host(secrets={"{$P}": "hunter2"})),
        fingerprint(host(secrets={"{$P}": "hunter3"})),
        fingerprint(host(secrets={"{$Q}": "hunter2"})),
    ]
    assert len(set(marks)) == len(marks)
    assert all(len(one) <= 33 and "hunter" not in one and PSK[:8] not in one for one in marks)
    (made,) = plan([host(secrets={"{$P}": "hunter2"})], [], OWNER).create
    assert MARK not in made.macros
