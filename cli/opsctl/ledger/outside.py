"""Verification by a third party, who has an export and a public key and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from opsctl.errors import UsageError
from opsctl.ledger.anchor import Head
from opsctl.ledger.audit import Report, Tally
from opsctl.ledger.checkpoint import parse
from opsctl.ledger.export import Header
from opsctl.ledger.key import PublicKey
from opsctl.ledger.proof import Trail, walked
from opsctl.ledger.record import Record
from opsctl.ledger.verify import Finding, check

_LINE = 256 << 20
"""Characters of a line that is read in one piece; no record is as long."""

_BEFORE, _BETWEEN = '{"hash":"', '","record":'
_SIGNED = '{"checkpoint":'


class Export:
    """A file of JSON lines, read as a stream as often as wanted."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.path = path
        self.findings: list[Finding] = []

    def lines(self) -> Iterator[str]:
        """Its lines, whatever they are."""
        try:
            with self.path.open(encoding="ascii", errors="backslashreplace", newline="\n") as file:
                while line := file.readline(_LINE):
                    yield line.removesuffix("\n") if line.endswith("\n") else f"{line} (torn)"
        except OSError as error:
            raise UsageError(f"Cannot read {self.path}: {error.strerror}") from error

    def checkpoints(self) -> Iterator[str]:
        """The checkpoints, as they are stored."""
        return (line[len(_SIGNED) : -1] for line in self.lines() if line.startswith(_SIGNED))

    def records(self) -> Iterator[Record]:
        """The records. What is neither a record nor a checkpoint is a finding."""
        lines, last = self.lines(), 0
        next(lines, None)
        for number, line in enumerate(lines, start=2):
            if line.startswith(_SIGNED) and line.endswith("}"):
                signed = parse(line[len(_SIGNED) : -1])
                if signed is not None and signed.seq != last:
                    self.findings.append(Finding(signed.seq, "moved", f"checkpoint {signed.number} was moved"))
                continue
            record = _record(line)
            last = last if record is None else record.seq
            if record is None:
                self.findings.append(Finding(0, "changed", f"line {number} of the export is not what opsctl writes"))
            else:
                yield record


def inspect(path: Path, key: PublicKey) -> Report:
    """Verify an export.

    Raises:
        UsageError: it cannot be read, or is no export.
    """
    export = Export(path)
    first = next(export.lines(), "")
    if not first.startswith('{"export"'):
        first_seen = Finding(0, "forged", "the first line is not that of an export: it was removed, or this is none")
        return Report(0, "", (first_seen,))
    read = Header.read(first, key)
    if read is None:
        return Report(0, "", (Finding(0, "forged", "the export is not signed by this key: it was changed"),))
    header, keys = read
    trail = Trail("checkpoint", export.checkpoints, keys, ledger=header.ledger, first=header.number)
    tally = Tally()
    records = tally.of(walked(export.records(), [trail]))
    findings = list(check(records, Head(header.end), header.start)) + export.findings + trail.findings
    if trail.newest is None or trail.newest.seq != header.end.seq:
        text = f"record {header.end.seq}, the last, is not signed: checkpoints were removed"
        findings.append(Finding(header.end.seq, "uncovered", text))
    return Report(tally.records, tally.head, tuple(findings), trail.count)


def _record(line: str) -> Record | None:
    """The record of a line, its body in the very characters that stand there."""
    try:
        if line.startswith(_BEFORE) and line.endswith("}") and line[73:84] == _BETWEEN:
            body = line[84:-1]
            said = json.loads(body)
            return Record(said["seq"], said["time"], said["kind"], said["run_id"], body, line[9:73])
        said = json.loads(line)
        columns = said["damaged"]
        found = Record(**columns, hash=said["hash"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if type(found.seq) is int else None
