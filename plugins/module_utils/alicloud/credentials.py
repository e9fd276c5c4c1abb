# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the access key comes from: options, then the environment, then the official CLI's profile file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

PROFILES = Path("~/.aliyun/config.json")
MODES = {"AK": (), "StsToken": ("sts_token",)}


@dataclass(frozen=True)
class Credentials:
    """An access key, with what its source says about the region; no secret shows in ``repr``."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    region: str | None = None


def find(options: Mapping[str, Any], env: Mapping[str, str], profiles: Path = PROFILES) -> Credentials:
    """The first complete source wins; a half one is an error, never mixed with the next.

    ``options`` are access_key_id, access_key_secret, security_token and profile; a named profile counts as an option.
    """
    key = _key("the options", options, "access_key_id", "access_key_secret", "security_token")
    if key:
        return key
    if options.get("profile"):
        return _profile(profiles.expanduser(), str(options["profile"]))
    prefix = "ALIBABA_CLOUD_"
    names = (f"{prefix}ACCESS_KEY_ID", f"{prefix}ACCESS_KEY_SECRET", f"{prefix}SECURITY_TOKEN")
    key = _key("the environment", env, *names)
    if key:
        return key
    return _profile(profiles.expanduser(), env.get(f"{prefix}PROFILE"))


def _key(source: str, values: Mapping[str, Any], key: str, secret: str, token: str) -> Credentials | None:
    if not values.get(key) and not values.get(secret):
        return None
    for name in (key, secret):
        if not values.get(name):
            raise Invalid(f"No {name} in {source}: an access key needs {key} and {secret}")
    return Credentials(str(values[key]), str(values[secret]), str(values[token]) if values.get(token) else None)


def _profile(path: Path, wanted: str | None) -> Credentials:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        name = wanted or data.get("current") or "default"
        found = next((one for one in data.get("profiles") or () if one.get("name") == name), None)
    except FileNotFoundError:
        raise Invalid(
            f"No access key: set access_key_id and access_key_secret, or ALIBABA_CLOUD_ACCESS_KEY_ID and "
            f"ALIBABA_CLOUD_ACCESS_KEY_SECRET, or write {path} with 'aliyun configure'"
        ) from None
    except OSError as error:
        raise Invalid(f"Cannot read {path}: {error.strerror}") from None
    except (ValueError, AttributeError, TypeError):
        # the text of the file, which a parser's message may quote, holds secrets
        raise Invalid(f"{path} is not a profile file of the official CLI: write it with 'aliyun configure'") from None
    if found is None:
        raise Invalid(f"No profile {name} in {path}")
    mode = found.get("mode") or "AK"
    if mode not in MODES:
        raise Invalid(f"Profile {name} in {path} has mode {mode}; only {' and '.join(MODES)} are supported")
    for key in ("access_key_id", "access_key_secret", *MODES[mode]):
        if not found.get(key):
            raise Invalid(f"Profile {name} in {path} has no {key}")
    token = found.get("sts_token") if mode == "StsToken" else None
    return Credentials(found["access_key_id"], found["access_key_secret"], token, found.get("region_id") or None)
