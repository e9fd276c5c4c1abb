"""What the roles and the template say about themselves is true, and said where it should be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = ("heal", "redis_cluster", "stack", "zabbix", "zabbix_agent", "zabbix_server")
# Worked out at run time, or a variable of a host: the text says how.
NO_DEFAULT = {
    "heal_process_pattern",
    "heal_service_units",
    "redis_cluster_address",
    "redis_cluster_hosts",
    "redis_cluster_password_file",
    "redis_cluster_zone",
    "stack_heal_asked",
    "stack_heal_group",
    "stack_name",
    "stack_template",
    "zabbix_agent_host",
    "zabbix_hosts",
    "zabbix_owner",
    "zabbix_server_admin_password_file",
    "zabbix_server_backup_file",
    "zabbix_server_ca_file",
    "zabbix_server_name",
    "zabbix_server_tls_names",
    "zabbix_server_token_file",
    "zabbix_server_url",
    "zabbix_token",
    "zabbix_url",
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(root: Path, role: str) -> dict[str, dict[str, Any]]:
    specs = load(root / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    return {name: spec for entry in specs.values() for name, spec in entry["options"].items()}


@pytest.fixture(scope="module", params=["redis_cluster", "zabbix"])
def template(root: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = load(root / "playbooks" / request.param / "stack.ros.yml")
    return found


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_argument_specs(root: Path, role: str) -> None:
    defaults = load(root / "roles" / role / "defaults" / "main.yml")
    specs = options(root, role)
    said = {name: spec["default"] for name, spec in specs.items() if "default" in spec}
    assert {name: value for name, value in defaults.items() if name not in NO_DEFAULT} == said
    assert set(specs) - set(said) <= NO_DEFAULT
    assert set(defaults) <= set(specs)


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_has_every_variable_with_its_default(root: Path, role: str) -> None:
    rows = {}
    for line in (root / "roles" / role / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            name, kind, default, text = (cell.strip() for cell in line.strip("|").split(" | ", 3))
            rows[name.strip("`")] = (kind, default, text)
    specs = options(root, role)
    assert set(rows) == set(specs)
    for name, spec in specs.items():
        kind, default, text = rows[name]
        assert kind.split()[0] == spec["type"], name
        assert " ".join(spec["description"].split()) in text, name
        shown = default.strip("`")
        if "default" in spec:
            value = spec["default"]
            assert yaml.safe_load(shown) == value or shown == str(value), name


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_that_is_used_is_documented_or_internal(root: Path, role: str) -> None:
    used = set()
    for path in (root / "roles" / role).rglob("*"):
        if path.suffix in (".yml", ".j2") and "meta" not in path.parts:
            used |= set(re.findall(rf"(?<![\w.'])({role}_\w+)", path.read_text(encoding="utf-8")))
    modules = {path.stem for path in (root / "plugins" / "modules").glob("*.py")}
    others = {name for other in ROLES for name in options(root, other)}
    assert used - others - modules - {"stack_outputs", "stack_id"} == set()


def test_parameters_of_the_template_are_told_in_two_languages(template: dict[str, Any]) -> None:
    for name, spec in template["Parameters"].items():
        for key in ("Label", "Description"):
            assert set(spec[key]) == {"en", "zh-cn"}, name
            assert re.search(r"[\u4e00-\u9fff]", spec[key]["zh-cn"]), name


def test_every_parameter_is_in_one_group_and_is_used(template: dict[str, Any]) -> None:
    groups = template["Metadata"]["ALIYUN::ROS::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])
    body = str([template[section] for section in ("Conditions", "Resources", "Outputs")])
    unused = [name for name in template["Parameters"] if f"'{name}'" not in body and f"${{{name}}}" not in body]
    assert unused == []


def test_only_ssh_and_the_front_end_are_open_outside_the_vpc(template: dict[str, Any]) -> None:
    vpc = template["Resources"]["Vpc"]["Properties"]["CidrBlock"]
    assert vpc == {"Ref": "VpcCidr"}
    rules = template["Resources"]["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    outside = {rule["PortRange"] for rule in rules if rule["SourceCidrIp"] != vpc}
    assert outside <= {"22/22", "443/443", "10051/10051"}
    assert {str(rule["SourceCidrIp"]) for rule in rules} == {str(vpc), str({"Ref": "OperatorCidr"})}
    assert template["Parameters"]["InternetMaxBandwidthOut"]["Default"] == 0


def test_redis_is_open_inside_the_vpc_only(root: Path) -> None:
    template = load(root / "playbooks" / "redis_cluster" / "stack.ros.yml")
    rules = template["Resources"]["SecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert {rule["PortRange"] for rule in rules if rule["SourceCidrIp"] == {"Ref": "OperatorCidr"}} == {"22/22"}
