"""The command line: commands are imported when they are used; the one place where errors become lines."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from opsctl.errors import OpsctlError

COMMANDS = {
    "run": "Run a scenario, a playbook, a command or a script, recorded and audited.",
    "plan": "Show what would run, and what it would change.",
    "scenario": "Show scenarios, their actions and parameters.",
    "stack": "Look at created stacks, delete them.",
    "inventory": "Show the hosts of the stacks.",
    "ssh": "Log in to a host, or run a command there.",
    "cloud": "Start, stop and look at the local cloud.",
    "runs": "Look at runs: state, hosts, logs.",
    "logs": "Search what all runs said, copy it to Elasticsearch, remove old journals.",
    "approvals": "Approve, deny and start what needs an approval.",
    "notify": "Look at notices, test channels.",
    "monitor": "Set Zabbix up, tell it of hosts, look whether it is well.",
    "alert": "Take alerts, heal what rules know how to heal, say why.",
    "why": "Say what caused a run: rule, alert, trigger.",
    "agent": "Keep SSH connections open between runs.",
    "access": "Say who may do what, check policy.yml.",
    "audit": "Look at the ledger, verify it.",
    "doctor": "Check this machine and installation.",
    "config": "Show the settings.",
}
"""Each is a Typer app named `app` in a module of this name in `commands/`. Listing them imports none."""


class LazyGroup(TyperGroup):
    """Knows its commands by name and help, and imports one when it is run."""

    def __init__(self, **attributes: Any) -> None:
        """The attributes Typer gives its groups."""
        attributes["commands"] = {name: TyperCommand(name, help=text, callback=None) for name, text in COMMANDS.items()}
        super().__init__(**attributes)
        self._listing = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; only its name and help while commands are listed."""
        if self._listing or cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        try:
            module = importlib.import_module(f"opsctl.commands.{cmd_name}")
        except ModuleNotFoundError as error:
            raise OpsctlError(f"Command {cmd_name} is not available in this installation: {error}") from error
        command: Any = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List them."""
        with self._listed():
            super().format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete their names."""
        with self._listed():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listed(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False


app = typer.Typer(
    name="opsctl",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"opsctl {version('opsctl')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Plan, provision, configure, operate and heal hosts on hybrid clouds, audited.

    Results go to stdout, the story to stderr. Exit status: 0 ok, 1 error, 2 usage, 3 hosts failed, 4 hosts unreachable,
    5 timeout, 6 denied, 7 waiting for approval, 130 canceled.
    """


# The base of Typer's own errors has no public name.
_Refused: Any = typer.BadParameter.__mro__[2]


_GARBAGE = 50_000
"""Objects between two searches for those that hold each other: imports make many, and none of them is garbage."""


def main() -> NoReturn:
    """Run the command line and exit: what fails is one line on stderr and an exit status."""
    gc.set_threshold(_GARBAGE, 20, 20)
    try:
        code = app(standalone_mode=False, prog_name="opsctl")
    except OpsctlError as error:
        code = _fail(str(error), error.exit_code)
    except _Refused as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(error.exit_code)
        code = _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("canceled", 130)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said, not even at exit.
        sys.stdout = sys.stderr = None
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> int:
    if message:
        print(f"opsctl: {' '.join(message.split())}", file=sys.stderr)
    return code
