"""A Zabbix of any version for a test, and a client of it that is not patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix

from tests.unit.zabbix.model import TOKEN
from tests.unit.zabbix.trapper import Trapper
from tests.unit.zabbix.wire import FakeZabbix

VERSIONS = ["6.0.14", "6.4.21", "7.0.30", "7.4.14", "8.0.0rc1"]


@pytest.fixture(params=VERSIONS)
def fake(request: pytest.FixtureRequest) -> Iterator[FakeZabbix]:
    """The same test speaks to each version."""
    zabbix = FakeZabbix(request.param)
    yield zabbix
    zabbix.close()


@pytest.fixture
def old() -> Iterator[FakeZabbix]:
    """Where the version makes no difference."""
    zabbix = FakeZabbix()
    yield zabbix
    zabbix.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Zabbix]]:
    made: list[Zabbix] = []

    def client(fake: FakeZabbix, **options: Any) -> Zabbix:
        how = {"timeout": 5.0, "patience": 5.0, **options}
        if "user" not in how:
            how.setdefault("token", TOKEN)
        made.append(Zabbix(Access(fake.url, **how)))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def trapper() -> Iterator[Trapper]:
    made = Trapper()
    yield made
    made.close()
