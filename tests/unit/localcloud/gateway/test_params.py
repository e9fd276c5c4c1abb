from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.params import Params, decode, merge, unflatten

from .signer import encoded

word = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,6}", fullmatch=True)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
nested = st.recursive(
    text,
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(word, inner, min_size=1, max_size=4),
    max_leaves=12,
)


def flatten(value: Any, name: str = "") -> dict[str, str]:
    """What the SDKs do, written anew."""
    if isinstance(value, str):
        return {name: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value, 1)
    flat: dict[str, str] = {}
    for key, child in pairs:
        flat |= flatten(child, f"{name}.{key}" if name else str(key))
    return flat


def leaves(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [leaf for child in (value.values() if isinstance(value, dict) else value) for leaf in leaves(child)]


@given(tree=st.dictionaries(word, nested, max_size=5), shuffle=st.randoms())
def test_lists_and_objects_come_back_in_any_order_of_names(tree: dict[str, Any], shuffle: Any) -> None:
    pairs = list(flatten(tree).items())
    shuffle.shuffle(pairs)
    assert unflatten(dict(pairs)) == tree


@given(st.dictionaries(word, text, max_size=5))
def test_a_query_is_decoded_as_it_was_encoded(flat: dict[str, str]) -> None:
    assert merge(decode(encoded(flat))) == flat


@given(st.dictionaries(st.text(alphabet="ab.01", min_size=1, max_size=8), text, max_size=6))
def test_any_names_give_a_tree_or_a_refusal(flat: dict[str, str]) -> None:
    try:
        tree = unflatten(flat)
    except ApiError:
        return
    assert sorted(leaves(tree)) == sorted(flat.values())


def test_holes_in_a_list_close_up_in_order() -> None:
    assert unflatten({"A.10": "c", "A.2": "b", "A.1": "a"}) == {"A": ["a", "b", "c"]}


@pytest.mark.parametrize("flat", [{"A": "1", "A.1": "2"}, {"A.1": "2", "A": "1"}, {".".join("a" * 40): "1"}])
def test_what_cannot_be_one_tree_is_refused(flat: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        unflatten(flat)
    assert caught.value.code == "InvalidParameter"
    assert len(str(caught.value)) < 200


def test_names_made_to_be_slow_are_not() -> None:
    started = time.perf_counter()
    Params({f"A.{10**5 - i}.B{i}": "" for i in range(10_000)}).objects("A")
    with pytest.raises(ApiError):
        unflatten({"." * 200_000: ""})
    assert time.perf_counter() - started < 2


def test_typed_getters_read_what_sdks_send() -> None:
    params = Params(
        {
            "N": "7", "T": "True", "F": "false", "E": "", "L.1": "a", "L.2": "", "O.1.Key": "k", "S.Size": "40",
            "J": '["i-1"]', "Empty": "",
        }
    )  # fmt: skip
    assert params.integer("N", 1, 10) == 7
    assert params.integer("Absent", 1, 10, 3) == 3
    assert (params.boolean("T"), params.boolean("F", True), params.boolean("E", True)) == (True, False, True)
    assert (params.names("L"), params.names("Absent"), params.names("Empty")) == (["a", ""], [], [])
    assert params.objects("O") == [{"Key": "k"}]
    assert (params.object("S"), params.object("Absent")) == ({"Size": "40"}, {})
    assert (params.parsed("J", list), params.parsed("Absent", list, [])) == (["i-1"], [])
    assert (params.choice("N", ["7"]), params.choice("Absent", ["a", "b"], "b")) == ("7", "b")
    assert (params.text("N"), params.text("E", "d"), params["E"]) == ("7", "d", "")


@pytest.mark.parametrize(
    ("read", "code", "words"),
    [
        (lambda p: p.required("Absent"), "MissingParameter", "Absent"),
        (lambda p: p.required("Empty"), "MissingParameter", "Empty"),
        (lambda p: p.integer("Absent", 1, 2), "MissingParameter", "Absent"),
        (lambda p: p.integer("Word", 1, 2), "InvalidParameter", "an integer"),
        (lambda p: p.integer("Big", 1, 2), "InvalidParameter", "from 1 to 2"),
        (lambda p: p.integer("Huge", 1, 2), "InvalidParameter", "an integer"),
        (lambda p: p.boolean("Word"), "InvalidParameter", "true or false"),
        (lambda p: p.choice("Word", ["a", "b"]), "InvalidParameter", "one of a, b"),
        (lambda p: p.names("Word"), "InvalidParameter", "Word.1"),
        (lambda p: p.names("O"), "InvalidParameter", "text"),
        (lambda p: p.objects("L"), "InvalidParameter", "an object"),
        (lambda p: p.object("L"), "InvalidParameter", "an object"),
        (lambda p: p.parsed("Word", list), "InvalidParameter", "JSON"),
        (lambda p: p.parsed("Deep", list), "InvalidParameter", "JSON"),
        (lambda p: p.parsed("Big", list), "InvalidParameter", "a list"),
    ],
)
def test_bad_values_get_one_clear_line(read: Any, code: str, words: str) -> None:
    flat = {"Empty": "", "Word": "word", "Big": "3", "Huge": "9" * 5000, "O.1.K": "v", "L.1": "a", "Deep": "[" * 90_000}
    with pytest.raises(ApiError) as caught:
        read(Params(flat))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_stay_out_of_the_text_form() -> None:
    assert "CANARY" not in repr(Params({"Password": "CANARY"}))
