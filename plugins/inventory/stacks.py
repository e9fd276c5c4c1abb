# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin stacks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stacks
author: The opsctl developers (@opsctl)
version_added: 0.1.0
short_description: Hosts of resource stacks
description:
  - Reads the hosts that resource stacks have made, from any number of clouds and regions.
  - Its files end in C(.opsctl.yml) or C(.opsctl.yaml).
  - Each host is in the group of its stack, C(<stack name>), in C(<stack name>_<logical id>) of the resource that made
    it, and, if it has the tag C(opsctl:group), in C(<stack name>_<value of the tag>). What is not a letter, a digit or
    an underscore becomes an underscore, as with P(opsctl.cloud.group_name#filter), and logical ids become lower-case.
  - A host has the name of its instance, led by the name of its stack if it does not begin with it. If that is not
    unique, the id of the instance follows.
  - Variables of each host are C(ansible_host), C(private_ip), C(instance_id), C(instance_tags), C(zone_id),
    C(stack_name), C(stack_id), C(stack_outputs), C(logical_id), and C(ecs), the API's record of the instance; and
    C(cloud_name) where O(clouds) gives names.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - opsctl.cloud.alicloud
  - opsctl.cloud.alicloud.hosts
options:
  plugin:
    description:
      - Marks a file as one of this plugin.
    type: str
    required: true
    choices: [opsctl.cloud.stacks]
  regions:
    description:
      - More than one region. Mutually exclusive with O(region).
    type: list
    elements: str
    default: []
  stacks:
    description:
      - Which stacks to read; without it, all.
    type: dict
    suboptions:
      names:
        description:
          - Names of stacks; V(*) stands for any characters.
        type: list
        elements: str
      statuses:
        description:
          - Statuses of stacks, such as V(CREATE_COMPLETE).
        type: list
        elements: str
      tags:
        description:
          - Tags that stacks must have.
        type: dict
  clouds:
    description:
      - More than one cloud. What an entry does not set is taken from the options of the same name outside of it, but an
        access key only as a whole.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The name of the cloud, which becomes the variable C(cloud_name) of its hosts.
        type: str
      endpoint:
        description:
          - See O(endpoint).
        type: str
      region:
        description:
          - See O(region).
        type: str
      regions:
        description:
          - See O(regions).
        type: list
        elements: str
      profile:
        description:
          - See O(profile).
        type: str
      access_key_id:
        description:
          - See O(access_key_id).
        type: str
      access_key_secret:
        description:
          - See O(access_key_secret).
        type: str
      security_token:
        description:
          - See O(security_token).
        type: str
      stacks:
        description:
          - See O(stacks).
        type: dict
seealso:
  - module: opsctl.cloud.ros_stack_info
"""

EXAMPLES = r"""
# All hosts of all stacks; the access key and the region come from the environment or the official CLI's profile.
plugin: opsctl.cloud.stacks

---
# Some stacks of two regions and of one more cloud, with groups by zone, and a cache.
plugin: opsctl.cloud.stacks
clouds:
  - name: production
    profile: production
    regions: [cn-hangzhou, cn-shanghai]
    stacks:
      names: [cache-*, shop]
      tags:
        team: cache
  - name: laptop
    endpoint: http://127.0.0.1:8460
    region: cn-hangzhou
address: [eip, private]
compose:
  memory_mb: ecs.Memory
groups:
  large: ecs.Cpu >= 8
keyed_groups:
  - key: zone_id
    prefix: zone
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/opsctl
cache_timeout: 300
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error, Invalid

SUFFIXES = (".opsctl.yml", ".opsctl.yaml")
KEY = ("access_key_id", "access_key_secret", "security_token", "profile")
PLACE = ("endpoint", "region", "regions", "stacks")
HOSTS = ("address", "host_key_alias", "ssh_user", "ssh_private_key", "include_stopped")
ENVIRONMENT = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_PROFILE",
    "ALIBABA_CLOUD_REGION_ID",
    "OPSCTL_CLOUD_ENDPOINT",
    "OPSCTL_HOME",
)


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Hosts of resource stacks."""

    NAME = "opsctl.cloud.stacks"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            self._populate(self._found(path, cache))
        except Error as error:
            raise AnsibleParserError(str(error)) from None

    def _found(self, path: str, cache: bool) -> list[dict[str, Any]]:
        """The hosts, from the cache where it may be used and is warm."""
        key = self._key(path)
        if cache and self.get_option("cache"):
            try:
                return list(json.loads(self._cache[key]))
            except (KeyError, TypeError, ValueError):  # nothing there, or nothing of ours
                pass
        # as one text: Ansible's own decoder takes ten times as long, which is most of a warm start
        text = json.dumps(self._read())
        if self.get_option("cache"):
            self._cache[key] = text
        return list(json.loads(text))

    def _key(self, path: str) -> str:
        """The cache's key: other options or another environment may mean other hosts."""
        options = [self.get_option(name) for name in ("access_key_id", "profile", "clouds", *PLACE, *HOSTS)]
        given = json.dumps([options, [os.environ.get(name) for name in ENVIRONMENT]], sort_keys=True, default=str)
        return f"{self.get_cache_key(path)}_{hashlib.sha256(given.encode()).hexdigest()[:16]}"

    def _read(self) -> list[dict[str, Any]]:
        # with a warm cache nothing of this is needed, and the SDK takes its time to load
        from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import hosts
        from ansible_collections.opsctl.cloud.plugins.plugin_utils.gather import gather

        how = hosts.options(self._filled({name: self.get_option(name) for name in HOSTS}), os.environ)
        return gather([source for cloud in self._clouds() for source in _sources(cloud)], how)

    def _clouds(self) -> list[dict[str, Any]]:
        outside = {name: self.get_option(name) for name in (*KEY, *PLACE)}
        clouds = self.get_option("clouds") or []
        if not clouds:
            return [self._filled(outside)]
        merged = []
        for cloud in clouds:
            strange = sorted(set(cloud) - {"name", *KEY, *PLACE}) if isinstance(cloud, Mapping) else [str(cloud)]
            if strange:
                raise Invalid(
                    f"Unknown in clouds: {', '.join(strange)}; an entry may have name, {', '.join(KEY + PLACE)}"
                )
            base = {name: outside[name] for name in PLACE if not (name.startswith("region") and _has_region(cloud))}
            if not any(cloud.get(name) for name in KEY):
                base.update({name: outside[name] for name in KEY})
            merged.append(self._filled({**base, **cloud}))
        return merged

    def _filled(self, cloud: Mapping[str, Any]) -> dict[str, Any]:
        """With templates in texts resolved, such as a lookup of a secret."""
        return {key: self.templar.template(value) if isinstance(value, str) else value for key, value in cloud.items()}

    def _populate(self, found: list[dict[str, Any]]) -> None:
        strict = self.get_option("strict")
        for host in found:
            name, variables = host["name"], host["vars"]
            self.inventory.add_host(name)
            # not through inventory.set_variable, which copies and tags each part of each record: half of all the time
            entry = self.inventory.get_host(name)
            for group in host["groups"]:
                self.inventory.add_child(self.inventory.add_group(group), name)
            for key, value in variables.items():
                entry.set_variable(key, value)
            self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)


def _has_region(cloud: Mapping[str, Any]) -> bool:
    return bool(cloud.get("region") or cloud.get("regions"))


def _sources(cloud: Mapping[str, Any]) -> list[Any]:
    """One source for each region of a cloud."""
    from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import connect
    from ansible_collections.opsctl.cloud.plugins.plugin_utils.gather import Source

    if cloud.get("region") and cloud.get("regions"):
        raise Invalid("Set region or regions, not both")
    wanted = cloud.get("stacks") or {}
    strange = sorted(set(wanted) - {"names", "statuses", "tags"})
    if strange:
        raise Invalid(f"Unknown in stacks: {', '.join(strange)}; it may have names, statuses and tags")
    return [
        Source(
            client=connect({**cloud, "region": region}),
            cloud=str(cloud.get("name") or ""),
            names=wanted.get("names") or (),
            statuses=wanted.get("statuses") or (),
            tags=wanted.get("tags") or {},
        )
        for region in cloud.get("regions") or [cloud.get("region")]
    ]
