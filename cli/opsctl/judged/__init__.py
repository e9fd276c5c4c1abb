"""ansible-playbook with every task judged by policy in the moment before it runs."""

from __future__ import annotations

VARIABLE = "OPSCTL_RISK"
"""Names the file of limits in the environment; see `opsctl.policy.limit.Limits`."""
