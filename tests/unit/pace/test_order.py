"""The rate of an order: options over settings."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.errors import UsageError
from opsctl.orders.rate import rate
from opsctl.orders.spec import Spec
from opsctl.pace.rate import Rate
from opsctl.pace.settings import Pacing
from opsctl.settings import Settings


def of(given: dict[str, Any], kind: Any = "command", **settings: Any) -> Rate:
    return rate(Spec(kind=kind, content="x", rate=given), Settings(rate=Pacing(**settings)))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"batches": "1,x"}, "--batch '1,x': 'x' is no number of hosts, no percentage"),
        ({"max_errors": "many"}, "--max-errors 'many' is no number of hosts and no percentage up to 100%"),
        ({"pause": "often"}, "--pause 'often': give first, every or never"),
        ({"stop_match": "("}, "--stop-match '(' is no regular expression"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_option(given: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as told:
        of(given)
    assert str(told.value).startswith(line)


def test_options_win_over_settings() -> None:
    found = of({"max_errors": "6", "lock": False}, batch="2,rest", max_errors=0, lock_wait=3)
    assert found == Rate(batches="2,rest", max_errors="6", lock_wait=3, lock=False)


def test_playbooks_try_nothing_again() -> None:
    assert of({}, "playbook", retries=3, retry_delay=1) == Rate()
    assert of({}, "script", retries=3, retry_delay=1) == Rate(retries=3, retry_delay=1)


@pytest.mark.parametrize(
    "values", [{"batch": "x"}, {"max_errors": -1}, {"pause": "often"}, {"retries": 1000}, {"batches": "1"}]
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Pacing(**values)
