# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.credentials import find
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

OPTIONS = {"access_key_id": "opt", "access_key_secret": "S3CRET-opt"}
ENV = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "env", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "S3CRET-env"}
PROFILES = {
    "current": "work",
    "profiles": [
        {"name": "work", "mode": "AK", "access_key_id": "ak", "access_key_secret": "S3CRET-ak", "region_id": "cn-x"},
        {
            "name": "temp",
            "mode": "StsToken",
            "access_key_id": "sts",
            "access_key_secret": "S3CRET-sts",
            "sts_token": "S3CRET-token",
        },
        {"name": "role", "mode": "RamRoleArn", "access_key_id": "r", "access_key_secret": "S3CRET-role"},
        {"name": "half", "mode": "AK", "access_key_id": "h", "access_key_secret": ""},
    ],
}


@pytest.fixture
def profiles(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(PROFILES))
    return path


@pytest.mark.parametrize(
    ("options", "env", "found"),
    [
        (OPTIONS, ENV, "opt"),
        ({"profile": "temp"}, ENV, "sts"),
        ({**OPTIONS, "profile": "temp"}, ENV, "opt"),
        ({}, ENV, "env"),
        ({}, {**ENV, "ALIBABA_CLOUD_PROFILE": "temp"}, "env"),
        ({}, {"ALIBABA_CLOUD_PROFILE": "temp"}, "sts"),
        ({}, {}, "ak"),
    ],
)
def test_options_come_before_the_environment_and_that_before_the_file(profiles, options, env, found):
    assert find(options, env, profiles).access_key_id == found


def test_a_profile_brings_its_token_and_its_region(profiles):
    assert find({"profile": "temp"}, {}, profiles).security_token == "S3CRET-token"
    assert find({}, {}, profiles).region == "cn-x"
    assert find({}, {}, profiles).security_token is None


@pytest.mark.parametrize(
    ("options", "env", "words"),
    [
        ({"access_key_id": "opt"}, ENV, "No access_key_secret in the options"),
        ({"access_key_secret": "S3CRET"}, ENV, "No access_key_id in the options"),
        ({}, {"ALIBABA_CLOUD_ACCESS_KEY_ID": "x"}, "No ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment"),
        ({"profile": "none"}, ENV, "No profile none in"),
        ({"profile": "role"}, {}, "has mode RamRoleArn; only AK and StsToken are supported"),
        ({"profile": "half"}, {}, "Profile half in .* has no access_key_secret"),
    ],
)
def test_what_is_missing_is_named_and_nothing_secret(profiles, options, env, words):
    with pytest.raises(Invalid, match=words) as caught:
        find(options, env, profiles)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("text", ["S3CRET", "[]", '{"profiles": "S3CRET"}', '{"profiles": [1]}', '{"S3CRET": '])
def test_a_broken_profile_file_is_one_line_without_its_content(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(Invalid, match=r"aliyun configure|No profile") as caught:
        find({}, {}, path)
    assert "S3CRET" not in str(caught.value)


def test_no_source_at_all_says_what_to_set(tmp_path):
    with pytest.raises(Invalid, match="No access key: set access_key_id and"):
        find({}, {}, tmp_path / "none.json")


def test_credentials_show_no_secret(profiles):
    assert "S3CRET" not in repr(find({"profile": "temp"}, {}, profiles))
