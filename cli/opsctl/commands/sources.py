"""`opsctl alert sources`: where alerts come from."""

from __future__ import annotations

from opsctl.commands.common import Output, settings


def sources(output: Output = None) -> None:
    """Show where alerts come from: the URL each sender posts to, how it proves itself, and what is still missing."""
    from opsctl.alerts.inbox import Inbox
    from opsctl.alerts.sources.show import rows, table
    from opsctl.home import home
    from opsctl.output import emit

    place, chosen = home(), settings(output=output)
    with Inbox(place) as inbox:
        emit(rows(chosen, place, inbox), chosen.output, table)
