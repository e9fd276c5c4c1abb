# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source: problems of a Zabbix, as they come and as they go. Stands alone: the standard library and aiohttp."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

DOCUMENTATION = r"""
---
short_description: Problems of a Zabbix, as they come and as they go
description:
  - Asks a Zabbix (6.0 to 8.0) for its problems, again and again, and tells each once when it comes and once when it
    has gone. What there is when the source starts is told, too.
  - No webhook can be lost and nothing has to be opened towards this machine. A Zabbix that is down is asked again
    until it is back; what happened meanwhile is told then.
  - An event has one key, C(alert), which holds C(id), C(source), C(state) (V(firing) or V(resolved)), C(name),
    C(trigger), C(host), C(hosts), C(address), C(groups), C(tags) (a mapping), C(severity) (V(not_classified),
    V(information), V(warning), V(average), V(high) or V(disaster)), C(started), C(resolved), C(acknowledged) and
    C(opdata).
options:
  url:
    description: The address of Zabbix' web pages. The variable E(ZABBIX_URL) counts where this is not set.
    type: str
  token:
    description: An API token. The variable E(ZABBIX_TOKEN) counts where neither this nor O(token_file) is set.
    type: str
  token_file:
    description: A file with an API token.
    type: path
  interval:
    description: Seconds between two questions.
    type: float
    default: 1
  timeout:
    description: Seconds for one answer.
    type: float
    default: 10
  groups:
    description: Problems of hosts in one of these groups only.
    type: list
    elements: str
  tags:
    description: Problems with all of these tags only; an empty value means any.
    type: dict
  min_severity:
    description: Problems that are this bad or worse only.
    type: str
    choices: [not_classified, information, warning, average, high, disaster]
    default: not_classified
  suppressed:
    description:
      - Also problems that come while their host is in maintenance. Without it they are told when it is over, if they
        are still there.
    type: bool
    default: false
  most:
    description: How many problems are looked at, the newest ones.
    type: int
    default: 10000
  validate_certs:
    description: Whether the web server's certificate is checked.
    type: bool
    default: true
  ca_path:
    description: A file of PEM certificates it is checked against; unset = the system's.
    type: path
"""

EXAMPLES = r"""
- opsctl.cloud.zabbix:
    url: https://zabbix.example.com/zabbix
    token_file: /etc/opsctl/zabbix.token
    groups: [opsctl]
    min_severity: average
    tags:
      opsctl_component: redis
"""

SEVERITIES = ("not_classified", "information", "warning", "average", "high", "disaster")
LONGEST = 30.0
"""Seconds between questions to a Zabbix that does not answer."""
CHUNK = 500
"""Problems whose hosts are asked for at once."""

log = logging.getLogger("opsctl.cloud.zabbix")


class Wrong(ValueError):
    """What is set cannot work, and will not by itself."""


class Away(Exception):
    """There is no usable answer now."""


def truth(value: Any) -> bool:
    """A setting that is yes or no; rulebooks with variables give texts."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in {"true", "yes", "1", "on", "false", "no", "0", "off"}:
        raise Wrong(f"want true or false, not {value!r}")
    return word in {"true", "yes", "1", "on"}


class Options:
    """The arguments of a rulebook, checked."""

    known = frozenset(
        {"url", "token", "token_file", "interval", "timeout", "groups", "tags", "min_severity", "suppressed", "most"}
        | {"validate_certs", "ca_path"}
    )

    def __init__(self, args: Mapping[str, Any]) -> None:
        if unknown := sorted(set(args) - self.known - {"eda_feedback_queue"}):
            raise Wrong(f"opsctl.cloud.zabbix: unknown option {unknown[0]}; known: {', '.join(sorted(self.known))}")
        self.url = str(args.get("url") or os.environ.get("ZABBIX_URL", "")).rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Wrong("opsctl.cloud.zabbix: url must be like https://HOST/zabbix")
        self.token = self._token(args)
        self.interval = self._number(args, "interval", 1, 0.1)
        self.timeout = self._number(args, "timeout", 10, 0.1)
        self.most = int(self._number(args, "most", 10_000, 1))
        self.groups = [str(name) for name in args.get("groups") or ()]
        self.tags = {str(name): str(value or "") for name, value in (args.get("tags") or {}).items()}
        severity = str(args.get("min_severity") or SEVERITIES[0])
        if severity not in SEVERITIES:
            raise Wrong(f"opsctl.cloud.zabbix: min_severity must be one of {', '.join(SEVERITIES)}")
        self.severity = SEVERITIES.index(severity)
        self.suppressed = truth(args.get("suppressed", False))
        self.tls = self._tls(args) if self.url.startswith("https:") else None

    @staticmethod
    def _number(args: Mapping[str, Any], name: str, default: float, least: float) -> float:
        try:
            value = float(args.get(name, default))
        except (TypeError, ValueError):
            value = least - 1
        if not least <= value <= 1_000_000:
            raise Wrong(f"opsctl.cloud.zabbix: {name} must be a number from {least:g}")
        return value

    @staticmethod
    def _token(args: Mapping[str, Any]) -> str:
        if path := args.get("token_file"):
            try:
                token = Path(str(path)).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Wrong(f"opsctl.cloud.zabbix: cannot read {path}: {error.strerror}") from None
        else:
            token = str(args.get("token") or os.environ.get("ZABBIX_TOKEN", "")).strip()
        if not token:
            raise Wrong("opsctl.cloud.zabbix: give token or token_file, or export ZABBIX_TOKEN")
        return token

    @staticmethod
    def _tls(args: Mapping[str, Any]) -> ssl.SSLContext:
        path = args.get("ca_path")
        try:
            context = ssl.create_default_context(cafile=str(path) if path else None)
        except OSError as error:
            raise Wrong(f"opsctl.cloud.zabbix: cannot read the certificates in {path}: {error.strerror}") from None
        if not truth(args.get("validate_certs", True)):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Api:
    """Calls to a Zabbix. No error names the token."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        self.options, self.session = options, session
        self.bearer: bool | None = None
        self.ids = itertools.count(1)

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a method."""
        if self.bearer is None:
            version = str(await self._exchange("apiinfo.version", {}, {}, {}))
            # the token goes into a header since 6.4, and nowhere else since 7.2
            self.bearer = tuple(int(part) for part in version.split(".")[:2]) >= (6, 4)
        token = self.options.token
        if self.bearer:
            return await self._exchange(method, params, {}, {"Authorization": f"Bearer {token}"})
        return await self._exchange(method, params, {"auth": token}, {})

    async def _exchange(
        self, method: str, params: dict[str, Any], more: dict[str, Any], headers: dict[str, str]
    ) -> Any:
        call = {"jsonrpc": "2.0", "method": method, "params": params, "id": next(self.ids), **more}
        try:
            async with self.session.post(
                f"{self.options.url}/api_jsonrpc.php", json=call, headers=headers, ssl=self.options.tls or True
            ) as answer:
                if answer.status != 200:
                    raise Away(f"HTTP {answer.status}")
                said = await answer.json(content_type=None)
        except aiohttp.ClientConnectorCertificateError:
            raise Wrong(f"The certificate of {self.options.url} is not trusted; set ca_path") from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Away(getattr(error, "strerror", None) or type(error).__name__) from None
        return self._result(method, said)

    def _result(self, method: str, said: Any) -> Any:
        error = said.get("error") if isinstance(said, dict) else None
        if not isinstance(error, dict):
            if not isinstance(said, dict) or "result" not in said:
                raise Away(f"{method} was answered with no JSON-RPC")
            return said["result"]
        text = f"{error.get('data') or error.get('message')}".replace(self.options.token, "********")
        if 'unexpected parameter "auth"' in text:
            self.bearer = None
            raise Away("it was upgraded")
        if error.get("code") == 1 or "database" in text.lower():
            raise Away(text)
        raise Wrong(f"Zabbix at {self.options.url} refuses {method}: {text}")


class Watch:
    """What is known of a Zabbix' problems: told once when they come, once when they go."""

    def __init__(self, api: Any, options: Options) -> None:
        self.api, self.options = api, options
        self.firing: dict[str, dict[str, Any]] = {}

    async def look(self) -> AsyncIterator[dict[str, Any]]:
        """What has changed since the last look. What the caller was not given it is given the next time."""
        problems = {str(row["eventid"]): row for row in await self.api.call("problem.get", await self._question())}
        # the question is for the newest only: those which fell out at the old end are not gone
        oldest = min(map(int, problems)) if len(problems) >= self.options.most else 0
        gone = [key for key in self.firing if key not in problems and int(key) >= oldest]
        if gone:
            ended = await self._ended(gone)
            for key in gone:
                yield {**self.firing[key], "state": "resolved", "resolved": ended.get(key) or stamp(None)}
                del self.firing[key]
        new = sorted((key for key in problems if key not in self.firing and self._loud(problems[key])), key=int)
        for start in range(0, len(new), CHUNK):
            part = new[start : start + CHUNK]
            hosts = await self._hosts(part)
            for key in part:
                if key in hosts:
                    alert = told(problems[key], hosts[key])
                    yield alert
                    self.firing[key] = alert

    def _loud(self, problem: Mapping[str, Any]) -> bool:
        return self.options.suppressed or str(problem.get("suppressed", "0")) == "0"

    async def _question(self) -> dict[str, Any]:
        options = self.options
        asked: dict[str, Any] = {
            "output": "extend",
            "selectTags": "extend",
            "source": 0,
            "object": 0,
            "sortfield": ["eventid"],
            "sortorder": "DESC",
            "limit": options.most,
        }
        if options.severity:
            asked["severities"] = list(range(options.severity, len(SEVERITIES)))
        if options.tags:
            asked["evaltype"] = 0
            # 1 = equals, 4 = is there
            asked["tags"] = [
                {"tag": name, "value": value, "operator": 1 if value else 4} for name, value in options.tags.items()
            ]
        if options.groups:
            found = await self.api.call("hostgroup.get", {"output": ["groupid"], "filter": {"name": options.groups}})
            asked["groupids"] = [row["groupid"] for row in found]
        return asked

    async def _hosts(self, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        """Event -> its hosts, with groups and addresses. An event that is not told about has gone again."""
        rows = await self.api.call("event.get", {"output": ["eventid"], "eventids": ids, "selectHosts": ["hostid"]})
        known = {str(row["eventid"]): [str(host["hostid"]) for host in row.get("hosts", ())] for row in rows}
        wanted = sorted({host for hosts in known.values() for host in hosts}, key=int)
        groups = "selectHostGroups" if self.api.bearer else "selectGroups"
        question = {
            "output": ["hostid", "host", "name"],
            "hostids": wanted,
            groups: ["name"],
            "selectInterfaces": ["ip", "dns", "useip", "main"],
        }
        hosts = {str(row["hostid"]): row for row in await self.api.call("host.get", question)} if wanted else {}
        return {event: [hosts[one] for one in ids if one in hosts] for event, ids in known.items()}

    async def _ended(self, ids: list[str]) -> dict[str, str]:
        """When these problems ended. Those which Zabbix knows no more have no time."""
        rows = await self.api.call(
            "problem.get", {"output": ["eventid", "r_clock"], "eventids": ids, "recent": True, "source": 0, "object": 0}
        )
        return {str(row["eventid"]): stamp(row["r_clock"]) for row in rows if int(row.get("r_clock") or 0)}


def told(problem: Mapping[str, Any], hosts: list[dict[str, Any]]) -> dict[str, Any]:
    """A problem as an event has it."""
    first = hosts[0] if hosts else {}
    faces = sorted(first.get("interfaces") or (), key=lambda face: str(face.get("main")) != "1")
    face = faces[0] if faces else {}
    groups = [row["name"] for row in first.get("hostgroups", first.get("groups", ()))]
    return {
        "id": str(problem["eventid"]),
        "source": "zabbix",
        "state": "firing",
        "name": problem.get("name", ""),
        "trigger": str(problem.get("objectid", "")),
        "host": first.get("host", ""),
        "hosts": [row.get("host", "") for row in hosts],
        "address": str(face.get("ip" if str(face.get("useip")) == "1" else "dns", "")),
        "groups": sorted(groups),
        "tags": {row["tag"]: row["value"] for row in problem.get("tags") or ()},
        "severity": SEVERITIES[min(int(problem.get("severity") or 0), len(SEVERITIES) - 1)],
        "started": stamp(problem.get("clock")),
        "resolved": "",
        "acknowledged": str(problem.get("acknowledged")) == "1",
        "opdata": problem.get("opdata", ""),
    }


def stamp(seconds: Any) -> str:
    """RFC 3339 in UTC; of now if there are no seconds."""
    moment = datetime.fromtimestamp(float(seconds), UTC) if seconds else datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """What ansible-rulebook starts."""
    options = Options(args)
    pause = options.interval
    away = ""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=options.timeout)) as session:
        watch = Watch(Api(options, session), options)
        while True:
            try:
                async for alert in watch.look():
                    await queue.put({"alert": alert})
                if away:
                    log.warning("Zabbix at %s answers again", options.url)
                away, pause = "", options.interval
            except Away as error:
                if not away:
                    log.warning("Zabbix at %s does not answer: %s; it is asked again", options.url, error)
                away = str(error) or "no answer"
                pause = min(LONGEST, max(pause, 0.5) * random.uniform(1.5, 2.0))  # noqa: S311
            await asyncio.sleep(pause)
