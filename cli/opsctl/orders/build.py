"""What a spec means here and now: the request, with content read and hosts found, and the work that does it."""

from __future__ import annotations

import hashlib
import os
import shlex
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.clock import now, uuid7
from opsctl.clouds import access, secrets
from opsctl.errors import UsageError
from opsctl.events.redact import Redactor
from opsctl.orders.ahead import places as chosen
from opsctl.orders.content import digest, located
from opsctl.orders.rate import rate
from opsctl.orders.spec import Spec
from opsctl.output import say
from opsctl.runs.locks import of_hosts, of_stack
from opsctl.runs.request import RunRequest, Targets, me
from opsctl.runs.work import Work
from opsctl.secrets.locked import password
from opsctl.secrets.resolve import resolved
from opsctl.settings import Settings
from opsctl.targets import Found, Places, find

if TYPE_CHECKING:
    from opsctl.fanout.batch import Batch
    from opsctl.fanout.given import Passwords
    from opsctl.parameters import Parameter

_SHOWN = 30
"""Hosts whose names are shown before a run."""


@dataclass(frozen=True, slots=True)
class Order:
    """A run that can be conducted."""

    spec: Spec
    request: RunRequest
    work: Work
    found: Found | None = None
    """All hosts its pattern means, also where it is limited to some."""


def build(spec: Spec, home: Path, settings: Settings, *, parent: str = "") -> Order:
    """The run of this spec. Says on stderr which hosts it means.

    Raises:
        UsageError: something it names does not exist, or hosts it was limited to are gone.
        OpsctlError: the cloud or the inventory cannot be asked.
    """
    if lost := spec.masked:
        raise UsageError(
            f"Secrets are not kept: {', '.join(lost)} must be given again (-e NAME=VALUE, --env NAME=VALUE)"
        )
    # Said before hosts are looked for, which takes longer.
    rate(spec, settings)
    password(spec.vault_password_file, ask=spec.ask_vault_pass)
    named, around = resolved(spec.parameters), resolved(spec.environment)
    spec = replace(spec, parameters=named.values, environment=around.values)
    kinds = {"scenario": _scenario, "playbook": _playbook, "module": _module}
    order = kinds.get(spec.kind, _fanout)(spec, home, settings)
    if spec.check:
        # Nothing is changed.
        order = replace(order, work=replace(order.work, locks=()))
    named = named.less(order.request.secrets)
    kept = named.kept_in(order.spec.plain(order.request.secrets), around)
    request = replace(
        order.request,
        spec=kept,
        parent=parent,
        references={**named.shown, **{f"env.{name}": value for name, value in around.shown.items()}},
    )
    work = replace(order.work, hidden=order.work.hidden | named.hidden | around.hidden)
    return replace(order, request=request, work=work)


def _scenario(spec: Spec, home: Path, settings: Settings) -> Order:
    from opsctl.parameters import checked
    from opsctl.scenarios import get

    found = get(spec.content, settings.scenario_path)
    playbook = found.playbook(spec.action)
    name, profile = settings.chosen(spec.cloud or None)
    known = found.parameters()
    parameters = checked(dict(spec.parameters), known)
    parameters.setdefault("stack_name", found.name)
    _complete(found.name, found.parameters(spec.action), parameters)
    spec = replace(spec, content=found.name, cloud=name, parameters=parameters)
    limit = ",".join(spec.only) or spec.pattern
    request = replace(
        _request(spec, settings),
        playbook=playbook,
        targets=Targets(stack=str(parameters["stack_name"]), limit=limit),
        parameters=parameters,
        secrets=frozenset(name for name in parameters if name in known and known[name].secret),
        digest=found.digest(spec.action),
    )
    work = Work(
        access=lambda: access(name, profile, home),
        environment=found.environment(),
        locks=of_stack(name, request.targets.stack),
    )
    return Order(spec, request, work)


def _playbook(spec: Spec, home: Path, settings: Settings) -> Order:
    places = chosen(spec, home, settings)
    path, file = located(spec.content)
    found, targets = _find(spec, places)
    spec = replace(spec, cloud=places.asked, content=path if file and path == str(file) else spec.content)
    request = replace(
        _request(spec, settings),
        playbook=path,
        cloud=places.name,
        targets=replace(targets.targets, limit=targets.pattern or _listed(spec)),
        parameters=spec.parameters,
        secrets=_secret(spec.parameters),
        digest=digest(file) if file else "",
    )
    return Order(spec, request, Work(access=lambda: places, locks=of_hosts(targets.variables, places.name)), found)


def _fanout(spec: Spec, home: Path, settings: Settings) -> Order:
    from opsctl.agent.way import kept
    from opsctl.fanout.execute import Fanout
    from opsctl.fanout.given import passwords, stdin
    from opsctl.fanout.show import recorded
    from opsctl.fanout.ssh import Command, direct

    way = kept(settings.agent)
    if way is None:
        # Loading the library takes half as long as Ansible needs for the inventory, and there are two processors.
        threading.Thread(target=direct, daemon=True).start()
    script = _script(spec)
    words = spec.words if script is None else (Path(spec.content).name, *spec.words)
    command = Command(words, spec.environment, spec.directory, script, stdin(spec.stdin))
    places = chosen(spec, home, settings)
    whole, found = _find(spec, places)
    secret = passwords(ssh=spec.ask_pass, become=spec.ask_become_pass)
    batch = _batch(spec, found, command, secret)
    environment = {f"env.{name}": value for name, value in spec.environment.items()}
    hidden = _secret(environment)
    options = {
        "user": spec.user,
        "become": spec.become,
        "chdir": spec.directory,
        "host_timeout": spec.host_timeout,
        "stdin": "" if command.stdin is None else f"sha256:{hashlib.sha256(command.stdin).hexdigest()}",
    }
    text = shlex.join(spec.words if script is None else (spec.content, *spec.words))
    request = replace(
        _request(spec, settings),
        content=Redactor(environment[name] for name in hidden).text(text),
        cloud=places.name,
        targets=found.targets,
        parameters={**{name: value for name, value in options.items() if value}, **environment},
        secrets=hidden,
        digest=hashlib.sha256(script).hexdigest() if script is not None else "",
        text=None if script is None else script.decode("utf-8", "replace"),
    )
    if settings.mark_hosts:
        batch = replace(batch, note=f"{request.requester.name}: {request.content}")
    work = Work(
        access=lambda: places,
        execution=lambda job, waiting, brake: Fanout(job, batch, waiting, request.rate, brake, way=way),
        conclude=recorded,
        locks=of_hosts(found.variables, places.name),
        hidden=batch.hidden,
    )
    return Order(replace(spec, cloud=places.asked), request, work, whole)


def _module(spec: Spec, home: Path, settings: Settings) -> Order:
    """The one module that is run by itself: what deletes a stack."""
    name, profile = settings.chosen(spec.cloud or None)
    stack = str(spec.parameters["name"])
    request = replace(_request(spec, settings), cloud=name, targets=Targets(stack=stack), parameters=spec.parameters)
    locks = () if spec.check else of_stack(name, stack)
    work = Work(lambda: access(name, profile, home), f"Delete stack {stack}", _deleted, locks=locks)
    return Order(replace(spec, cloud=name), request, work)


def _deleted(returned: dict[str, Any]) -> dict[str, Any]:
    stack = returned.get("stack") or {}
    gone = {key: stack.get(key) for key in ("stack_name", "stack_id") if stack.get(key)}
    return {"changed": returned.get("changed", False), **gone, "resources": returned.get("resources") or []}


def _request(spec: Spec, settings: Settings) -> RunRequest:
    return RunRequest(
        id=uuid7(),
        kind=spec.kind,
        content=spec.content,
        action=spec.action,
        playbook="",
        cloud=spec.cloud,
        requester=me(),
        created=now(),
        reason=spec.reason,
        check=spec.check,
        diff=spec.diff,
        timeout=spec.timeout or settings.timeout,
        forks=spec.forks or settings.forks,
        rate=rate(spec, settings),
        begin=spec.begin,
        trigger=spec.trigger,
    )


def _find(spec: Spec, places: Places) -> tuple[Found, Found]:
    """All hosts of the pattern, and those that are meant, said aloud."""
    whole = found = find(spec.pattern, places, everything=spec.everything)
    if spec.only:
        if gone := [name for name in spec.only if name not in found.variables]:
            raise UsageError(f"{', '.join(gone)}: not among the hosts of '{spec.pattern or 'all'}' any more")
        found = replace(found, variables={name: found.variables[name] for name in found.names if name in spec.only})
    rest = f" and {len(found.names) - _SHOWN} more" if len(found.names) > _SHOWN else ""
    count = "1 host" if len(found.names) == 1 else f"{len(found.names)} hosts"
    say(f"{count}: {', '.join(found.names[:_SHOWN])}{rest} (targets {found.digest[:12]})")
    return whole, found


def _listed(spec: Spec) -> str:
    """Hosts of an earlier run are a limit even where the pattern was everything."""
    return ",".join(spec.only)


def _batch(spec: Spec, found: Found, wanted: Any, secret: Passwords) -> Batch:
    from opsctl.fanout.batch import Batch
    from opsctl.fanout.ssh import Connection, Foreign, Rest, connection

    unsure = os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "").lower() in ("false", "no", "0", "off")
    rest = Rest("no" if unsure else "yes", password=secret.ssh, become_password=secret.become)
    fast: list[Connection] = []
    slow: dict[str, str] = {}
    for name, variables in found.variables.items():
        try:
            fast.append(connection(name, variables, spec.user, spec.become, rest))
        except Foreign as reason:
            slow[name] = str(reason)
    if slow:
        first = next(iter(slow))
        say(f"{len(slow)} of {len(found.names)} hosts are reached through Ansible ({first}: {slow[first]})")
    title = "Run a command" if wanted.script is None else "Run a script"
    path = Path(spec.content) if wanted.script is not None else None
    return Batch(title, wanted, fast, slow, spec.host_timeout, spec.user, spec.become, path, secret)


def _script(spec: Spec) -> bytes | None:
    if spec.kind != "script":
        return None
    try:
        return Path(spec.content).read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read script {spec.content}: {error.strerror}") from error


def _secret(names: Iterable[str]) -> frozenset[str]:
    """Those whose values are secrets, by what they are called."""
    return frozenset(name for name in names if secrets({name: "whatever it is"}))


def _complete(name: str, wanted: Mapping[str, Parameter], parameters: Mapping[str, Any]) -> None:
    missing = [p.name for p in wanted.values() if p.required and p.source == "role" and p.name not in parameters]
    if missing:
        raise UsageError(
            f"Scenario {name} needs {', '.join(missing)}; give -e {missing[0]}=VALUE (`opsctl scenario show {name}`)"
        )
