"""What can become of a remediation: its states, what moves it from one to the next, and what follows a failure. Pure.

    matched -> starting | held | proposed | shadowed | suppressed | escalated | closed   (closed = people were notified)
    held -> the same                       (it is looked at again; closed also = the problem went away by itself)
    proposed -> the same                   (a person says yes, which holds it for a moment, or no; or time goes by)
    starting -> running | waiting | verifying | failed                  (waiting = for the approval that policy wants)
    waiting -> running | verifying | failed | closed
    running -> verifying | failed
    verifying -> healed | failed
    healed -> closed                                                    (told to the source, silence given back)
    failed -> retrying | undoing | escalated                            (retrying = another attempt has taken over)
    undoing -> escalated

Each move is stored before what it means is done; so whoever finds a remediation in a state can do what that state asks
for, once more if need be: a run has an id that was stored before, and everything else may be done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

State = Literal[
    "matched",
    "held",
    "proposed",
    "shadowed",
    "suppressed",
    "starting",
    "waiting",
    "running",
    "verifying",
    "healed",
    "closed",
    "failed",
    "retrying",
    "undoing",
    "escalated",
]
Event = Literal[
    "go",
    "hold",
    "propose",
    "shadow",
    "suppress",
    "escalate",
    "notice",
    "started",
    "waits",
    "succeeded",
    "fails",
    "gone",
    "stays",
    "told",
    "again",
    "undo",
    "undone",
    "over",
]
"""`notice`: people are told, and that is all; `over`: the problem went away before anything was done about it."""

_DECIDED: Mapping[Event, State] = {
    "go": "starting",
    "hold": "held",
    "propose": "proposed",
    "shadow": "shadowed",
    "suppress": "suppressed",
    "escalate": "escalated",
    "notice": "closed",
}
MOVES: Mapping[State, Mapping[Event, State]] = {
    "matched": _DECIDED,
    "held": {**_DECIDED, "over": "closed"},
    "proposed": {**_DECIDED, "over": "closed"},
    "starting": {"started": "running", "waits": "waiting", "succeeded": "verifying", "fails": "failed"},
    "waiting": {"started": "running", "succeeded": "verifying", "fails": "failed", "over": "closed"},
    "running": {"succeeded": "verifying", "fails": "failed"},
    "verifying": {"gone": "healed", "stays": "failed"},
    "healed": {"told": "closed"},
    "failed": {"again": "retrying", "undo": "undoing", "escalate": "escalated"},
    "undoing": {"undone": "escalated"},
    "shadowed": {},
    "suppressed": {},
    "closed": {},
    "retrying": {},
    "escalated": {},
}

ENDS: frozenset[State] = frozenset(state for state, moves in MOVES.items() if not moves)
"""Nothing more happens by itself."""

BUSY: frozenset[State] = frozenset({"starting", "running", "verifying", "undoing"})
"""Something is being changed on hosts, or may be."""

ACTED: frozenset[State] = BUSY | {"waiting", "healed", "failed", "retrying"}
"""Somebody decided that it goes ahead, and the end is not told yet, or another attempt has it."""


class Impossible(Exception):
    """This cannot happen in this state."""


def moved(state: State, event: Event) -> State:
    """The state after.

    Raises:
        Impossible: the event does not belong there.
    """
    try:
        return MOVES[state][event]
    except KeyError:
        raise Impossible(f"A remediation that is {state} cannot take '{event}'") from None


Next = Literal["again", "undo", "escalate"]


def after_failure(attempt: int, retries: int, tries_left: int, *, undo: bool, hopeless: bool, gone: bool) -> Next:
    """What follows a failed attempt.

    `attempt`: from 1. `retries`: how many more than the first there may be. `tries_left`: how many the guard of tries
    still allows on this host. `undo`: whether the rule says how. `hopeless`: it would fail again for the same reason,
    and nothing was changed: policy denied it, its host is unknown. `gone`: the problem has gone meanwhile.
    """
    if hopeless:
        return "escalate"
    if not gone and attempt <= retries and tries_left > 0:
        return "again"
    return "undo" if undo and not gone else "escalate"
