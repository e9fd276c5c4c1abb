"""Functions over numbers, times and addresses: computed argument in, value out, or ``FunctionError``."""

from __future__ import annotations

import ipaddress
import math
import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from opsctl.localcloud.ros.errors import FunctionError
from opsctl.localcloud.ros.parameters import to_number
from opsctl.localcloud.ros.template import kind
from opsctl.localcloud.ros.texts import Argument, items, several, text

Number = int | float

_MAX_EXPRESSION = 1000
_TOKEN = re.compile(r"\s*(?:(\d{1,64}\.\d{0,64}|\.?\d{1,64})|\{\s*(\d{1,6})\s*\}|([-+*/%()]))", re.ASCII)


def average(argument: Argument) -> Number:
    digits, listed = several(argument, 2, 2, "[digits, [number, ...]]")
    values = [0 if item is None else _number(item) for item in items(listed, "the second argument")]
    if not values:
        raise FunctionError("the list is empty")
    return _rounded(sum(values) / len(values), digits)


def largest(argument: Argument) -> Number:
    return max(_numbers(argument))


def smallest(argument: Argument) -> Number:
    return min(_numbers(argument))


def calculate(argument: Argument) -> Number:
    """``[expression, digits, [number, ...]]``: ``+ - * / % ( )`` and ``{n}`` for number n of the list.

    Division of whole numbers drops the fraction, as the documentation of the service shows.
    """
    expression, digits, *rest = several(argument, 2, 3, "[expression, digits, [number, ...]]")
    values = [_number(item) for item in items(rest[0], "the third argument")] if rest and rest[0] is not None else []
    source = text(expression, "the expression")
    if len(source) > _MAX_EXPRESSION:
        raise FunctionError(f"the expression has more than {_MAX_EXPRESSION} characters")
    try:
        return _rounded(_evaluate(_tokens(source, values)), digits)
    except (ArithmeticError, IndexError, ValueError):
        raise FunctionError("the expression cannot be calculated") from None


def _tokens(source: str, values: list[Number]) -> list[Number | str]:
    found: list[Number | str] = []
    position = 0
    source = source.rstrip()
    while position < len(source):
        token = _TOKEN.match(source, position)
        if not token:
            raise FunctionError(f"the expression has something wrong at character {position + 1}")
        digits, place, sign = token.groups()
        if digits:
            found.append(float(digits) if "." in digits else int(digits))
        elif place:
            if int(place) >= len(values):
                raise FunctionError(f"the list has no number {{{int(place)}}}")
            found.append(values[int(place)])
        else:
            found.append(sign)
        position = token.end()
    return found


def _divide(one: Number, two: Number) -> Number:
    if isinstance(one, int) and isinstance(two, int):
        whole = abs(one) // abs(two)
        return whole if (one < 0) == (two < 0) else -whole
    return one / two


_RANK = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "negate": 3, "keep": 3}
_TWO: dict[str, Callable[[Any, Any], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": operator.mod,
}


def _evaluate(tokens: list[Number | str]) -> Number:
    sums = _Sums()
    for item in tokens:
        sums.take(item)
    return sums.result()


class _Sums:
    """Shunting-yard, with no recursion for deep parentheses to exhaust."""

    def __init__(self) -> None:
        self._values: list[Number] = []
        self._signs: list[str] = []
        self._after_value = False

    def take(self, item: Number | str) -> None:
        if not isinstance(item, str):
            self._free()
            self._values.append(item)
            self._after_value = True
        elif item == "(":
            self._free()
            self._signs.append(item)
        elif item == ")":
            self._close()
        elif self._after_value:
            while self._signs and self._signs[-1] != "(" and _RANK[self._signs[-1]] >= _RANK[item]:
                self._apply()
            self._signs.append(item)
            self._after_value = False
        elif item in "+-":
            self._signs.append("negate" if item == "-" else "keep")
        else:
            raise FunctionError(f"the sign {item} in the expression has no number before it")

    def result(self) -> Number:
        if not self._after_value or "(" in self._signs:
            raise FunctionError("the expression has no end")
        while self._signs:
            self._apply()
        return self._values[0]

    def _free(self) -> None:
        if self._after_value:
            raise FunctionError("two values in the expression have no sign between them")

    def _close(self) -> None:
        while self._signs and self._signs[-1] != "(":
            self._apply()
        if not self._signs or not self._after_value:
            raise FunctionError("the parentheses of the expression do not match")
        self._signs.pop()

    def _apply(self) -> None:
        sign, two = self._signs.pop(), self._values.pop()
        if sign in _TWO:
            self._values.append(_TWO[sign](self._values.pop(), two))
        else:
            self._values.append(-two if sign == "negate" else two)


def format_time(argument: Argument, now: datetime) -> str:
    pattern, zone = argument if isinstance(argument, list) and len(argument) == 2 else (argument, None)
    if zone is not None:
        try:
            now = now.astimezone(ZoneInfo(text(zone, "the time zone")))
        except (KeyError, ValueError, OSError):
            raise FunctionError("the time zone is unknown, write one such as Asia/Shanghai") from None
    source = text(pattern, "the format")
    if len(source) > 256:
        raise FunctionError("the format has more than 256 characters")
    try:
        return now.strftime(source)
    except ValueError:
        raise FunctionError("the format is not one of strftime") from None


def cidr(argument: Argument) -> list[str]:
    block, count, bits = several(argument, 3, 3, "[block, count 1-256, host bits 1-32]")
    number, size = to_number(count), to_number(bits)
    if not (isinstance(number, int) and 1 <= number <= 256 and isinstance(size, int) and 1 <= size <= 32):
        raise FunctionError("write [block, count 1-256, host bits 1-32]")
    try:
        network = ipaddress.IPv4Network(text(block, "the block"))
    except ValueError:
        raise FunctionError("the block must be an IPv4 network such as 192.168.0.0/16") from None
    if number * 2**size > network.num_addresses:
        raise FunctionError("the block is too small for so many networks")
    first = int(network.network_address)
    return [f"{ipaddress.IPv4Address(first + place * 2**size)}/{32 - size}" for place in range(number)]


def _numbers(argument: Argument) -> list[Number]:
    listed = items(argument, "the argument")
    if not listed:
        raise FunctionError("the list is empty")
    return [_number(item) for item in listed]


def _number(value: Any) -> Number:
    number = to_number(value)
    if number is None:
        raise FunctionError(f"each item must be a number, not {kind(value)}")
    return number


def _rounded(value: Number, digits: Any) -> Number:
    """To ``digits`` places; none or fewer make a whole number."""
    places = to_number(digits)
    if not isinstance(places, int) or abs(places) > 20:
        raise FunctionError("the number of digits must be a whole number")
    if isinstance(value, float) and not math.isfinite(value):
        raise FunctionError("the result is too large")
    if isinstance(value, int):
        return value
    return round(value, places) if places > 0 else int(round(value, places))
