#!/usr/bin/python
# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action fanout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fanout
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Run a command or a script on all hosts of a play at once
description:
  - Runs a command or a script on all hosts that the play has left, at once and as one task, over SSH connections of
    its own. For many hosts this takes a small part of the time that M(ansible.builtin.command) needs, because no
    module is carried to the hosts and no process is started here for each of them.
  - It honours what the play, its variables, the command line and C(ansible.cfg) say of users, ports, keys, passwords,
    jump hosts, known hosts, timeouts, C(become) by sudo, C(environment) and check mode.
  - A host that needs more than that, such as another connection plugin, another become method or a C(ProxyCommand), is
    reached through Ansible's connection plugins in the same task, and a warning says so.
  - Commands are not read by a shell on the host; where one is wanted, O(argv=['sh', '-c', '...']) says so.
  - When time is up on a host, or Ansible is killed, the command is ended there with all of its process group.
notes:
  - It runs once for the whole play, as if C(run_once) were set, so O(cmd) and the other options are the same for all
    hosts, and variables in them are those of the first one. Set C(run_once) on the task to have what is registered on
    all hosts. It needs the strategy C(linear).
  - With C(serial) it runs once for each batch.
requirements:
  - asyncssh >= 2.14 on the controller; without it all hosts are reached through Ansible's connection plugins
extends_documentation_fragment:
  - action_common_attributes
  - action_common_attributes.conn
  - action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: partial
    details: In the fast way by sudo, through Ansible by any method.
  bypass_host_loop:
    support: full
  check_mode:
    support: full
    details: Nothing runs, as nobody can know what a command would change.
  connection:
    support: full
  delegation:
    support: none
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  cmd:
    description:
      - The command as one line, whose words are told apart as a shell does it. With O(script), its arguments.
      - Mutually exclusive with O(argv).
    type: str
  argv:
    description:
      - The command as a list of words. With O(script), its arguments.
    type: list
    elements: str
  script:
    description:
      - A script of the controller, which is sent to the hosts and run there.
    type: path
  chdir:
    description:
      - The directory to run it in.
    type: str
  stdin:
    description:
      - What the command reads.
      - Mutually exclusive with O(stdin_file).
    type: str
  stdin_file:
    description:
      - A file of the controller that the command reads. It may hold any bytes.
    type: path
  timeout:
    description:
      - How many seconds it may take on one host, logging in included.
    type: float
    default: 600
  forks:
    description:
      - On how many hosts at the same time.
    type: int
    default: 50
  on_failure:
    description:
      - What happens when it fails on some hosts. V(stop) fails the task, which ends the play for all of its hosts, as
        always with tasks that run once. V(report) does not, and leaves it to later tasks what becomes of these hosts.
    type: str
    choices: [stop, report]
    default: stop
seealso:
  - module: ansible.builtin.command
  - module: ansible.builtin.script
"""

EXAMPLES = r"""
- name: See what kernels run
  opsctl.cloud.fanout:
    cmd: uname -r
  register: kernels

- name: Restart the service everywhere, as root
  opsctl.cloud.fanout:
    argv: [systemctl, restart, nginx]
    timeout: 60
  become: true

- name: Run a script, and go on with the hosts where it worked
  opsctl.cloud.fanout:
    script: check.sh
    argv: ["--fast"]
    on_failure: report
  register: checked
  run_once: true

- name: Leave out the others
  ansible.builtin.fail:
    msg: "{{ checked.hosts[inventory_hostname].msg }}"
  when: checked.hosts[inventory_hostname].rc != 0
"""

RETURN = r"""
hosts:
  description: What came of it, by host.
  returned: always
  type: dict
  contains:
    rc:
      description: The exit status; none if it did not end by itself.
      type: int
      sample: 0
    stdout:
      description: What it said; at most 16 MB.
      type: str
      sample: "6.1.0-18-amd64\n"
    stderr:
      description: What it complained of; at most 16 MB.
      type: str
      sample: ""
    truncated:
      description: Whether it said more than that.
      type: bool
      sample: false
    seconds:
      description: How long it took, logging in included.
      type: float
      sample: 0.21
    failed:
      description: Whether it ended badly, or not in time.
      type: bool
      sample: false
    unreachable:
      description: Whether the host was not reached.
      type: bool
      sample: false
    msg:
      description: Why it failed; empty if it did not.
      type: str
      sample: "exit status 2: No such file or directory"
failed_hosts:
  description: Hosts where it ended badly, or not in time.
  returned: always
  type: list
  elements: str
  sample: [web3]
unreachable_hosts:
  description: Hosts that were not reached.
  returned: always
  type: list
  elements: str
  sample: []
"""
