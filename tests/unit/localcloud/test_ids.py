"""Identifiers look as the real ones do, and one thing has one."""

from __future__ import annotations

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud import ids


def test_shapes() -> None:
    assert re.fullmatch(r"vpc-[a-z0-9]{20}", ids.new_id("vpc"))
    assert re.fullmatch(r"t-[0-9a-f]{20}", ids.new_hex("t"))


def test_a_stack_id_is_a_lower_case_uuid_and_a_request_id_an_upper_case_one() -> None:
    stack_id, request_id = ids.new_stack_id(), ids.new_request_id()
    assert (str(uuid.UUID(stack_id)), str(uuid.UUID(request_id)).upper()) == (stack_id, request_id)


def test_no_two_are_the_same() -> None:
    assert len({ids.new_id("i") for _ in range(1000)}) == 1000


@given(st.from_regex(r"i-[a-z0-9]{20}", fullmatch=True), st.from_regex(r"i-[a-z0-9]{20}", fullmatch=True))
def test_an_instance_keeps_its_hardware_address(one: str, other: str) -> None:
    assert re.fullmatch(r"00:16:3e(:[0-9a-f]{2}){3}", ids.mac(one))
    assert ids.mac(one) == ids.mac(one)
    assert ids.interface_id(one) == f"eni-{one[2:]}"
    assert (ids.interface_id(one) == ids.interface_id(other)) == (one == other)
