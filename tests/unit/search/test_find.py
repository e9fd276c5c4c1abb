"""Search over journals: found while they grow, whatever happens to the index."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.clock import stamp
from opsctl.errors import StoreError
from opsctl.events.journal import Journal
from opsctl.search import index as indexing
from opsctl.search.find import Answer, Embedded, excerpted
from opsctl.search.index import Index, Window, opened, passing
from opsctl.search.query import Query, parse
from opsctl.search.tails import Tail, merged

RUN = "00000000-0000-7000-8000-00000000000{}"


def about(runs: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
    return {run: {"user": f"user{run[-1]}", "kind": "scenario", "content": "redis-cluster"} for run in runs}


def said(text: str, moment: float = 1000, host: str = "web1", event: str = "host_ok", **result: Any) -> dict[str, Any]:
    data = {"res": {"stdout": text, **result}}
    return {"time": stamp(moment), "event": event, "host": host, "task": "Install redis", "data": data}


def write(home: Path, run: str, *records: dict[str, Any]) -> Path:
    journal = Journal(home / "journal" / f"{run}.ndjson")
    for record in records:
        journal.append(record)
    journal.close()
    return journal.path


def search(home: Path, query: str = "", count: int = 10, window: Window | None = None, **options: Any) -> Answer:
    return Embedded(home, about, **options).search(parse(query), window or Window(), count)


def excerpts(home: Path, query: str = "", **options: Any) -> list[str]:
    return [hit.excerpt.split(" Install")[0].split(" web")[0] for hit in search(home, query, **options).hits]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(
        tmp_path,
        RUN.format(1),
        said("connection refused by peer", 1000),
        said("all is well", 1001, "web2", changed=True),
        said("disk full", 1002, "db1", "host_failed", rc=5),
    )
    write(
        tmp_path,
        RUN.format(2),
        said("connection was closed, not refused", 2000),
        said("\u8fde\u63a5\u8d85\u65f6", 2001),
    )
    return tmp_path


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("connection refused", [5, 1]),
        ('"connection refused"', [1]),
        ("connection -closed", [1]),
        ("CONN*", [5, 1]),
        ("disk OR well", [3, 2]),
        ("host:web*", [6, 5, 2, 1]),
        ("host:WEB1 connection", [5, 1]),
        ("status:failed", [3]),
        ("status:changed OR status:failed", [3, 2]),
        ("-status:ok", [3, 2]),
        ("user:user2", [6, 5]),
        ("kind:scenario content:redis* status:failed", [3]),
        ("event:host_failed", [3]),
        ("task:redis full", [3]),
        ("task:disk", []),
        ("web2", [2]),
        ("install", [6, 5, 3, 2, 1]),
        ("\u8d85\u65f6", [6]),
        ("\u63a5\u8d85", [6]),
        ("\u65f6\u8d85", []),
        ("host:nobody", []),
        ("nowhere", []),
        ("", [6, 5, 3, 2, 1]),
        (f"run:{RUN.format(2)}", [6, 5]),
        ("-nowhere", [6, 5, 3, 2, 1]),
    ],
)
def test_queries_find_what_they_say(home: Path, query: str, found: list[int]) -> None:
    hits = search(home, query).hits
    assert [hit.seq + 4 * (hit.run == RUN.format(2)) for hit in hits] == found


def test_a_hit_says_where_it_is_from_and_marks_what_was_looked_for(home: Path) -> None:
    assert search(home, "full").hits[0].plain() == {
        "time": "1970-01-01T00:16:42.000000Z",
        "run": RUN.format(1),
        "seq": 3,
        "event": "host_failed",
        "host": "db1",
        "task": "Install redis",
        "status": "failed",
        "kind": "scenario",
        "content": "redis-cluster",
        "user": "user1",
        "excerpt": "disk full 5 db1",
        "marks": [[5, 9]],
    }


def test_times_narrow_the_search_down_to_the_microsecond(home: Path) -> None:
    assert len(search(home, window=Window(since=1_001_000_000, until=2_000_000_000)).hits) == 3
    assert len(search(home, window=Window(since=1_001_000_001, until=1_999_999_999)).hits) == 1
    assert not search(home, window=Window(since=3_000_000_000)).hits
    assert not search(home, window=Window(until=1)).hits


def test_the_newest_come_first_and_it_is_told_when_there_are_more(home: Path) -> None:
    answer = search(home, count=2)
    assert [hit.time[17:19] for hit in answer.hits] == ["21", "20"]
    assert answer.more
    assert not search(home, count=5).more


def test_events_of_runs_side_by_side_are_in_the_order_of_time(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        write(tmp_path, RUN.format(run), *(said(f"n{moment}", moment) for moment in range(run, 30, 3)))
    assert [float(hit.time[17:26]) for hit in search(tmp_path, count=30).hits] == list(range(29, 0, -1))


def test_what_is_written_later_is_found_later(home: Path) -> None:
    assert len(search(home).hits) == 5
    path = write(home, RUN.format(1), said("a new one", 3000))
    assert excerpts(home, count=1) == ["a new one"]
    with path.open("ab") as file:
        file.write(b'{"seq": 5, "event": "host_ok", "stdout": "torn')
    assert len(search(home).hits) == 6
    write(home, RUN.format(1), said("after the torn one", 3001))
    assert excerpts(home, count=1) == ["after the torn one"]
    assert len(search(home).hits) == 7


def test_a_journal_that_is_gone_or_another_one_is_forgotten(home: Path) -> None:
    search(home)
    (home / "journal" / f"{RUN.format(2)}.ndjson").unlink()
    path = home / "journal" / f"{RUN.format(1)}.ndjson"
    path.unlink()
    write(home, RUN.format(1), said("another journal", 5000))
    assert excerpts(home) == ["another journal"]


def test_damaged_lines_are_passed_over_and_told(home: Path) -> None:
    path = home / "journal" / f"{RUN.format(1)}.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\xff\x00 garbage\n[1]\n" + b"".join(lines[1:]))
    answer = search(home)
    assert len(answer.hits) == 5
    assert answer.notes == [f"The journal of run {RUN.format(1)} has damaged lines: 2"]


@pytest.mark.parametrize("damage", ["missing", "garbage", "empty", "newer", "older", "cut", "pages"])
def test_an_index_that_is_of_no_use_is_made_again(home: Path, damage: str) -> None:
    write(home, RUN.format(3), *(said(f"word{number} text", 3000 + number) for number in range(3000)))
    before = search(home, "connection OR word7").hits
    path = home / "search.db"
    size = path.stat().st_size
    if damage == "missing":
        path.unlink()
    elif damage in ("newer", "older"):
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {indexing.VERSION + (1 if damage == 'newer' else -1)}")
        connection.close()
    elif damage == "pages":
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xaa" * (size - 8192))
    else:
        path.write_bytes({"garbage": b"x" * 9000, "empty": b"", "cut": path.read_bytes()[: size // 2]}[damage])
    assert search(home, "connection OR word7").hits == before


def test_an_index_nobody_can_write_is_said_in_one_line(home: Path) -> None:
    (home / "search.db").mkdir()
    with pytest.raises(StoreError, match=r"Cannot use .*search\.db"):
        search(home)


def test_what_is_too_long_for_the_index_is_told_and_found_when_asked(home: Path) -> None:
    tail = "x " * indexing.LARGEST + "needle"
    write(home, RUN.format(3), said(tail, 3000), said("short needle", 3001, "web2"))
    answer = search(home, "needle")
    assert [hit.seq for hit in answer.hits] == [2]
    assert answer.notes == ["1 events are longer than what is indexed of them; --deep reads them whole"]
    deep = search(home, "needle", deep=True)
    assert [hit.seq for hit in deep.hits] == [2, 1]
    assert deep.hits[1].excerpt.count("needle") == 1
    assert deep.notes == []
    assert [hit.seq for hit in search(home, "x -needle", deep=True).hits] == []
    assert [hit.seq for hit in search(home, "needle host:web1", deep=True).hits] == [1]


def test_of_a_run_that_says_very_much_only_beginnings_are_indexed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "SHARE", 3000)
    write(home, RUN.format(3), *(said(f"begin{number} {'y ' * 500}end{number}", 3000 + number) for number in range(9)))
    assert excerpts(home, "begin8")
    assert not search(home, "end8").hits
    assert [hit.seq for hit in search(home, "end8", deep=True).hits] == [9]


def test_bytes_that_are_no_text_do_not_stop_the_search(home: Path) -> None:
    odd = b"caf\xff\xfe latte".decode("utf-8", "surrogateescape") + " \ud800"
    write(home, RUN.format(3), said(odd, 3000, f"h{odd}"))
    assert search(home, "latte").hits[0].excerpt.startswith("caf?? latte")


def test_a_clock_that_went_back_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, RUN.format(1), *(said(f"n{n}", moment) for n, moment in enumerate([5000, 1000, 4000])))
    assert len(search(tmp_path).hits) == 3
    assert excerpts(tmp_path, window=Window(since=3_999_000_000)) == ["n2", "n0"]
    assert excerpts(tmp_path, window=Window(until=1_000_000_000)) == ["n1"]
    write(tmp_path, RUN.format(2), said("n3", 10), {"event": "text", "time": "yesterday", "stdout": "n4"})
    assert len(search(tmp_path).hits) == 5


def _index(home: Path) -> None:
    Embedded(home, about).advance(patience=60)


def test_two_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    for run in range(6):
        write(tmp_path, RUN.format(run), *(said(f"n{n}", n) for n in range(500)))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_index, args=(tmp_path,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(search(tmp_path, count=10_000).hits) == 3000


def test_an_index_that_others_hold_is_said(home: Path) -> None:
    with opened(home / "search.db"), pytest.raises(StoreError, match="another opsctl is at work on it"):
        Embedded(home, about).advance(patience=0)


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1, 0.15])
def test_killed_while_indexing_nothing_is_lost_or_doubled(tmp_path: Path, delay: float) -> None:
    for run in range(3):
        write(tmp_path, RUN.format(run), *(said(f"n{n}", n) for n in range(3000)))
    pid = os.fork()
    if pid == 0:
        indexing._BATCH = 200
        _index(tmp_path)
        os._exit(0)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    found = [(hit.run, hit.seq) for hit in search(tmp_path, count=100_000).hits]
    assert len(found) == len(set(found)) == 9000


def test_indexing_stops_when_its_time_is_up_and_goes_on_later(tmp_path: Path) -> None:
    write(tmp_path, RUN.format(1), *(said(f"n{n}", n) for n in range(5000)))
    embedded = Embedded(tmp_path, about)
    assert embedded.advance(until=time.monotonic()) == 1000
    assert embedded.advance() == 4000
    assert len(search(tmp_path, count=10_000).hits) == 5000


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["append", "index", "remove", "kill"]), st.integers(0, 2), st.integers(0, 5)), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(operations=OPERATIONS)
def test_whatever_happened_exactly_what_the_journals_have_is_found(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, int]]
) -> None:
    home = tmp_path_factory.mktemp("home")
    there: dict[int, int] = {}
    for number, (what, run, count) in enumerate(operations):
        path = home / "journal" / f"{RUN.format(run)}.ndjson"
        if what == "append":
            write(home, RUN.format(run), *(said(f"w{number}", number) for _ in range(count)))
            there[run] = there.get(run, 0) + count
        elif what == "remove":
            path.unlink(missing_ok=True)
            there.pop(run, None)
        elif what == "kill" and path.exists():
            with path.open("ab") as file:
                file.write(b'{"seq": 99999, "torn')
        else:
            search(home)
    found = [(hit.run, hit.seq) for hit in search(home, count=1000).hits]
    expected = [(RUN.format(run), seq) for run, count in there.items() for seq in range(1, count + 1)]
    assert sorted(found) == sorted(expected)


@given(before=st.text(max_size=300), after=st.text(max_size=300))
def test_an_excerpt_is_one_line_and_marks_the_word(before: str, after: str) -> None:
    line, marks = excerpted(f"{before} needle {after}", parse("needle").words)
    assert line.splitlines() in ([line], [])
    assert len(line) < 240
    assert any(line[begin:end].lower() == "needle" for begin, end in marks)


def test_more_journals_than_may_be_open_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsctl.search.tails._OPEN", 3)
    paths = [write(tmp_path, f"r{n}", said("a", n), said("b", n + 100)) for n in range(9)]
    found = list(merged(Tail(path.stem, path) for path in paths))
    assert len(found) == 18
    assert len({(each.run, each.at) for each in found}) == 18


def test_a_passing_index_knows_long_texts() -> None:
    with passing() as index:
        assert isinstance(index, Index)
        assert index.find(Query(), Window(), 5) == []


def test_a_full_disk_is_one_line_and_the_index_goes_on_later(tmp_path: Path) -> None:
    home, journals = tmp_path / "home", tmp_path / "journal"
    write(tmp_path, RUN.format(1), *(said(f"word{n} {'z' * n}", n) for n in range(3000)))
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(home)], check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        (home / "journal").symlink_to(journals)
        with pytest.raises(StoreError, match=r"Cannot write .*search\.db: no space left on the device"):
            search(home)
        subprocess.run(["mount", "-o", "remount,size=64m", str(home)], check=True)
        assert len(search(home, "word7 OR word2999").hits) == 2
    finally:
        subprocess.run(["umount", str(home)], check=True)
