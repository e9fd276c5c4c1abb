# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation shared by the Zabbix modules; the options themselves are in module_utils/zabbix/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments: the connection (default), and which problems (CHOICE)."""

    DOCUMENTATION = r"""
options:
  zabbix_url:
    description:
      - The address of the web pages of Zabbix, such as V(https://zabbix.example.com/zabbix).
      - If unset, E(ZABBIX_URL) is used.
    type: str
  zabbix_token:
    description:
      - An API token. It is sent over the connection only, and no message holds it.
      - If neither this nor O(zabbix_user) is set, E(ZABBIX_TOKEN) is used, and after it E(ZABBIX_USER) with
        E(ZABBIX_PASSWORD).
      - Mutually exclusive with O(zabbix_user).
    type: str
  zabbix_user:
    description:
      - The name of a user, with O(zabbix_password). Tokens are faster, as each login costs the service a slow hash.
    type: str
  zabbix_password:
    description:
      - The password of O(zabbix_user).
    type: str
  validate_certs:
    description:
      - Whether the certificate of the web server must be a valid one.
    type: bool
    default: true
  ca_path:
    description:
      - A file with the certificates of the authorities to trust, instead of those of the system.
    type: path
  timeout:
    description:
      - Seconds for one call. Where it is safe, a call that gets no answer is made again for up to 10 more seconds.
    type: float
    default: 10.0
notes:
  - Zabbix 6.0 to 8.0 are supported.
  - Modules that talk to the API need no Python package. Run them where the service can be reached, mostly on the
    controller with C(delegate_to=localhost).
"""

    CHOICE = r"""
options:
  event_ids:
    description:
      - The ids of the events that the problems are.
    type: list
    elements: str
  hosts:
    description:
      - Problems of any of these hosts, by technical name. An unknown host is an error.
    type: list
    elements: str
  groups:
    description:
      - Problems of hosts in any of these host groups, by name, without the groups below them.
      - An unknown group is an error.
    type: list
    elements: str
  tags:
    description:
      - Problems that have all of these tags. An empty value stands for any.
      - The tags of a host and of its templates are tags of its problems too.
    type: dict
  min_severity:
    description:
      - Problems of this severity or a worse one.
    type: str
    choices: [not_classified, information, warning, average, high, disaster]
    default: not_classified
  suppressed:
    description:
      - V(true) for only those that a maintenance hides, V(false) for only the others. Unset for all.
    type: bool
"""
