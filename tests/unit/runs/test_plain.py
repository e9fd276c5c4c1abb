"""What records say to people, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsctl.runs.plain import spoken


@given(st.text(st.characters(), max_size=20))
def test_any_text_can_be_printed(text: str) -> None:
    spoken({"event": "text", "stdout": text}).encode()


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert spoken({"event": "text", "stdout": "caf\udce9 \ud800"}) == "caf\\xe9 \ufffd"
