# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation shared by what talks to Alibaba Cloud."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments: the connection (default), and how hosts are named and reached (HOSTS)."""

    DOCUMENTATION = r"""
options:
  access_key_id:
    description:
      - The id of the access key.
      - If neither this nor O(profile) is set, the environment variables E(ALIBABA_CLOUD_ACCESS_KEY_ID),
        E(ALIBABA_CLOUD_ACCESS_KEY_SECRET) and E(ALIBABA_CLOUD_SECURITY_TOKEN) are used, and after them the profile file
        of the official CLI, C(~/.aliyun/config.json).
    type: str
  access_key_secret:
    description:
      - The secret of the access key. It is needed when O(access_key_id) is set.
    type: str
  security_token:
    description:
      - The token of a temporary access key.
    type: str
  profile:
    description:
      - The name of a profile in C(~/.aliyun/config.json). Profiles of the modes C(AK) and C(StsToken) are supported.
      - If unset, E(ALIBABA_CLOUD_PROFILE) is used, and after it the file's current profile.
    type: str
  region:
    description:
      - The id of the region, such as V(cn-hangzhou).
      - If unset, E(ALIBABA_CLOUD_REGION_ID) is used, and after it the region of the profile.
    type: str
  endpoint:
    description:
      - The URL of an endpoint that serves every product of the cloud, such as V(http://127.0.0.1:8460).
      - If unset, E(OPSCTL_CLOUD_ENDPOINT) is used, and after it the public endpoint of each product.
    type: str
requirements:
  - alibabacloud-tea-openapi >= 0.4 (Python package, the core of the official SDK)
notes:
  - The variables E(HTTP_PROXY) and E(HTTPS_PROXY) are used, but not for an endpoint on the loopback interface or
    one that E(NO_PROXY) names.
"""

    HOSTS = r"""
options:
  address:
    description:
      - Where to find the address to reach a host at; the first that is there becomes C(ansible_host).
      - V(tag) is the instance's tag C(opsctl:ssh-address), V(public) its public address, V(eip) its elastic address and
        V(private) its address in the VPC.
    type: list
    elements: str
    choices: [tag, public, eip, private]
    default: [tag, public, eip, private]
  host_key_alias:
    description:
      - Remember SSH host keys by the instance's id, not by its address, in C(known_hosts) of opsctl's directory.
        Thus an address that another instance had before is no reason for alarm, and a changed key is.
      - opsctl's directory is E(OPSCTL_HOME), or C(~/.opsctl) if that is unset.
    type: bool
    default: true
  ssh_user:
    description:
      - The user to log in as. Set it to an empty text to leave that to other variables.
    type: str
    default: root
  ssh_private_key:
    description:
      - The path of the private key to log in with.
      - If unset, C(keys/<stack name>_ed25519) of opsctl's directory is used where it exists.
    type: str
  include_stopped:
    description:
      - Include instances that do not run. They are members of the group C(<stack name>_stopped), too.
    type: bool
    default: false
"""
