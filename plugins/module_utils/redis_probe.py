# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask all nodes how they are; a node that does not answer is a finding, not an error."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_cluster import Cluster
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_health import Health, Said, health
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node, info
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until


def asked(cluster: Cluster) -> list[Said]:
    """What every node says now, in the order given."""
    first = cluster.each(lambda node: _ask(cluster, node))
    # Asked again after all masters were: a replica that is in step then has all they had.
    later = cluster.each(lambda node: _ask(cluster, node) if _replica(first[node]) else first[node])
    return [later[node] for node in cluster.nodes]


def examine(cluster: Cluster, masters: int | None, replicas: int | None) -> Health:
    """The health of the cluster now."""
    return health(asked(cluster), masters, replicas)


def _well(seen: Health) -> bool:
    return not seen.findings


def watch(
    cluster: Cluster,
    masters: int | None,
    replicas: int | None,
    timeout: float,
    done: Callable[[Health], bool] = _well,
) -> Health:
    """The health of the cluster, as soon as it is ``done`` (nothing is wrong), or else after ``timeout`` seconds."""
    last: list[Health] = []

    def look() -> Health:
        last[:] = [examine(cluster, masters, replicas)]
        return last[0]

    try:
        return wait_until(look, done, "the cluster", timeout)
    except Timeout:
        return last[0]


def _ask(cluster: Cluster, node: Node) -> Said:
    try:
        text, cluster_info = cluster.ask(node, ("INFO",), ("CLUSTER", "INFO"))
        return Said(node, cluster.view(node), info(text), info(cluster_info).get("cluster_state", ""))
    except Error as error:
        return Said(node, error=str(error))


def _replica(said: Said) -> bool:
    return said.view is not None and said.view.me.master is not None
