"""`opsctl why RUN`: what caused a run."""

from __future__ import annotations

import typer

from opsctl.commands.common import HELP, Output, RunId, desk

app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=HELP)


@app.command()
def why(run: RunId, output: Output = None) -> None:
    """Walk back from a run to the remediation, the rule, the alert and the trigger that caused it."""
    from opsctl.alerts.inbox import Inbox
    from opsctl.alerts.remedy.store import Remedies
    from opsctl.alerts.why import of_run, run_card
    from opsctl.output import emit

    state = desk(output=output)
    found = state.store.get(run)
    with Inbox(state.home) as inbox:
        emit(of_run(found, inbox, Remedies(inbox.database)), state.settings.output, run_card)
