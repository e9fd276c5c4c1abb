"""The closed loop: alerts come in, rules decide, guards bound it, remediations run and are verified."""
