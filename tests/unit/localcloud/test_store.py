"""Whatever happens to a transaction, memory and file say the same, now and after the next start."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opsctl.localcloud.store import Store, Table


@dataclass(frozen=True)
class Thing:
    kind: ClassVar[str] = "thing"
    name: str
    value: Any = None
    extra: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextmanager
def failing(store: Store, error: Exception | None = None) -> Iterator[None]:
    """A transaction that fails when all else in it is done."""
    wanted = error or KeyError("at the end")
    with pytest.raises(type(wanted)) as caught, store.transaction():  # noqa: PT012
        yield
        raise wanted
    assert caught.value is wanted


def reread(path: Path) -> dict[str, Thing]:
    """What a service that starts now would know."""
    store = Store(path)
    try:
        return {row.key: row for row in Table(store, Thing)}
    finally:
        store.close()


def test_the_file_is_for_the_owner_only(path: Path) -> None:
    Store(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_of_an_older_version_is_read_without_what_is_gone(path: Path) -> None:
    store = Store(path)
    store.write("thing", "a", '{"name": "a", "gone": 1}')
    assert list(Table(store, Thing)) == [Thing("a")]


def test_a_failed_transaction_changes_neither_memory_nor_file(path: Path) -> None:
    store = Store(path)
    table = Table(store, Thing)
    table.put(Thing("a", 1))
    with failing(store):
        table.put(Thing("a", 2))
        table.put(Thing("b", 1))
        table.delete("a")
        store.add_event("s", {"Status": "x"})
    assert list(table) == [Thing("a", 1)]
    assert store.events("s") == []
    store.close()
    assert reread(path) == {"a": Thing("a", 1)}


def test_an_inner_transaction_that_fails_takes_only_its_own_with_it(path: Path) -> None:
    store = Store(path)
    table = Table(store, Thing)
    with store.transaction():
        table.put(Thing("outer"))
        with failing(store):
            table.put(Thing("inner"))
        table.put(Thing("after"))
    assert {row.key for row in table} == {"outer", "after"}
    store.close()
    assert set(reread(path)) == {"outer", "after"}


class FullDisk:
    """The connection, on a disk that is full when it comes to committing."""

    def __init__(self, connection: sqlite3.Connection, when: str) -> None:
        self._connection = connection
        self._when = when

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith(self._when):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_a_disk_that_is_full_at_commit_leaves_all_as_it_was(path: Path) -> None:
    store = Store(path)
    table = Table(store, Thing)
    table.put(Thing("a", 1))
    real = store._db
    store._db = FullDisk(real, "COMMIT")  # type: ignore[assignment]
    with pytest.raises(sqlite3.OperationalError), store.transaction():
        table.put(Thing("a", 2))
    store._db = real
    assert table["a"] == Thing("a", 1)
    with store.transaction():
        table.put(Thing("b", 1))
    store.close()
    assert reread(path) == {"a": Thing("a", 1), "b": Thing("b", 1)}


def test_memory_follows_when_sqlite_rolled_back_by_itself(path: Path) -> None:
    store = Store(path)
    table = Table(store, Thing)
    table.put(Thing("a", 1))
    with failing(store, sqlite3.OperationalError("database or disk is full")):
        table.put(Thing("a", 2))
        store._db.execute("ROLLBACK")  # what SQLite does by itself on a full disk or an I/O error
    assert table["a"] == Thing("a", 1)


def test_work_for_after_the_commit_waits_for_the_outermost_one(path: Path) -> None:
    store = Store(path)
    seen: list[str] = []
    with store.transaction():
        with store.transaction():
            store.after(lambda: seen.append("committed"))
        assert seen == []
    assert seen == ["committed"]
    with failing(store):
        store.after(lambda: seen.append("never"))
    store.after(lambda: seen.append("at once"))
    assert seen == ["committed", "at once"]


def test_text_that_no_encoding_holds_is_kept(path: Path) -> None:
    store = Store(path)
    Table(store, Thing).put(Thing("a", "\ud800 中 \x00"))
    store.close()
    assert reread(path)["a"].value == "\ud800 中 \x00"


def test_threads_do_not_lose_each_others_writes(path: Path) -> None:
    store = Store(path)
    table = Table(store, Thing)
    table.put(Thing("n", 0))

    def count() -> None:
        for _ in range(100):
            with store.transaction():
                table.put(Thing("n", table["n"].value + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    store.close()
    assert reread(path)["n"].value == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from("abc"), json_values), max_size=8))
@settings(max_examples=50, deadline=None)
def test_a_restart_knows_exactly_what_was_put(rows: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        store = Store(path)
        table = Table(store, Thing)
        for name, value in rows:
            table.put(Thing(name, value, [name]))
        known = {row.key: row for row in table}
        store.close()
        assert reread(path) == known


class Transactions(RuleBasedStateMachine):
    """Puts and deletes in nested transactions that commit or fail, against a plain dictionary."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.db"
        self.store = Store(self.path)
        self.table: Table[Thing] = Table(self.store, Thing)
        self.model: dict[str, Any] = {}
        self.open: list[tuple[ExitStack, dict[str, Any]]] = []

    @rule(name=st.sampled_from("abcd"), value=st.integers())
    def put(self, name: str, value: int) -> None:
        self.table.put(Thing(name, value))
        self.model[name] = value

    @rule(name=st.sampled_from("abcd"))
    def delete(self, name: str) -> None:
        self.table.delete(name)
        self.model.pop(name, None)

    @rule()
    def enter(self) -> None:
        if len(self.open) < 3:
            stack = ExitStack()
            stack.enter_context(self.store.transaction())
            self.open.append((stack, dict(self.model)))

    @rule()
    def commit(self) -> None:
        if self.open:
            self.open.pop()[0].close()

    @rule()
    def fail(self) -> None:
        if self.open:
            stack, self.model = self.open.pop()
            error = RuntimeError()
            assert not stack.__exit__(RuntimeError, error, None)

    @rule()
    def restart(self) -> None:
        if not self.open:
            self.store.close()
            self.store = Store(self.path)
            self.table = Table(self.store, Thing)

    @invariant()
    def memory_and_file_agree(self) -> None:
        if hasattr(self, "table"):
            assert {row.key: row.value for row in self.table} == self.model
            assert {key for key, _ in self.store.rows("thing")} == set(self.model)

    def teardown(self) -> None:
        while getattr(self, "open", None):
            self.commit()
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestTransactions = Transactions.TestCase
TestTransactions.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
