"""What commands do to databases and containers, and programs that take programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsctl.policy.rules.call import Call, Said, Table, said
from opsctl.policy.sql import sql_risk


def _database(call: Call) -> Iterator[Said]:
    asked = list(call.value("-e", "--execute", "-c", "--command", "--eval", "-Q", "-q", "--query"))
    if call.name.startswith("sqlite") and len(call.plain) > 1:
        asked += [word.text for word in call.plain[1:]]
    for text in asked:
        yield from sql_risk(text)
    if call.name in ("mongo", "mongosh") and any(re.search(r"\.(?:drop|remove|delete)\w*\(", text) for text in asked):
        yield "high", "database", "removes data"
    if not asked and call.flag("f", "file"):
        yield "medium", "opaque", "runs statements of a file that is not judged"


_CHANGING = {"del", "unlink", "config", "debug", "failover", "replicaof", "slaveof", "eval", "forget"}


def _redis(call: Call) -> Iterator[Said]:
    spoken = {text.lower() for text in call.texts}
    if spoken & {"flushall", "flushdb", "shutdown", "swapdb"} or {"cluster", "reset"} <= spoken:
        yield "high", "database", "removes all data, or stops the database"
    elif spoken & _CHANGING and not ({"config", "get"} <= spoken):
        yield "medium", "database", "removes or reconfigures"


def _container(call: Call) -> Iterator[Said]:
    if call.sub("prune") or (call.sub("down") and call.flag("v", "volumes")) or (call.sub("volume") and call.sub("rm")):
        yield "high", "service", "removes containers with their data"
    elif call.sub("rm", "rmi", "stop", "kill", "down", "restart", "delete", "drain", "uninstall"):
        yield "high" if call.name in ("kubectl", "helm") else "medium", "service", "stops or removes containers"
    if call.flag("privileged"):
        yield "high", "kernel", "starts a container that owns the host"


def _script(call: Call) -> Iterator[Said]:
    if call.arguments and not call.flag("version", "V", "h", "help"):
        yield "medium", "opaque", f"runs code for {call.name} that is not judged"


def _awk(call: Call) -> Iterator[Said]:
    if any(re.search(r"\bsystem\s*\(|\|\s*\"|\"\s*\|", text) for text in call.texts):
        yield "high", "opaque", "runs a program from awk"


TABLE: Table = {
    "dropdb dropuser mysqladmin": said("high", "database", "removes or stops databases"),
    "mysql mariadb psql sqlite3 mongo mongosh clickhouse-client": _database,
    "redis-cli valkey-cli": _redis,
    "docker podman kubectl helm crictl nerdctl docker-compose": _container,
    "python python2 python3 perl ruby node php lua": _script,
    "awk gawk mawk": _awk,
}
