"""Finding scenarios, the roles they use, and what is theirs to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.errors import ContentError, UsageError
from opsctl.scenarios import Use, collection, collections_path, find, get

DEPLOY = """
# Keeps a cache.
- name: One
  hosts: localhost
  vars:
    fixed_here: 1
  roles:
    - role: cache
      vars: {given_here: 2}
    - {role: plain, inline_here: 3}
- name: Two
  hosts: all
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: cache
            tasks_from: drill.yml
          vars: {drilled_here: 4}
    - ansible.builtin.include_role:
        name: "{{ computed }}"
    - community.general.ping:
"""

SPECS = """
argument_specs:
  main:
    options:
      cache_size: {type: int, required: true}
      fixed_here: {type: int}
      given_here: {type: int}
  drill:
    options:
      cache_drill_time: {type: int}
"""


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    folder = tmp_path / "scenarios"
    files = {
        "my_cache/deploy.yml": DEPLOY,
        "my_cache/destroy.yml": "- hosts: localhost\n",
        "my_cache/stack.ros.yml": "Parameters: {Nodes: {Type: Number, Default: !Ref x}}\n",
        "my_cache/README.md": "",
        "ops/reboot.yml": "- hosts: all\n",
        "empty/notes.txt": "",
        "roles/cache/meta/argument_specs.yml": SPECS,
        "roles/cache/tasks/main.yml": "[]\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_scenario_is_a_folder_with_playbooks(scenarios: Path) -> None:
    found = find([scenarios])
    assert "my-cache" in found
    assert not {"ops", "empty", "roles"} & set(found)
    assert list(found["my-cache"].actions) == ["deploy", "destroy"]
    assert found["my-cache"].summary() == "Keeps a cache."


def test_dashes_and_underscores_are_the_same(scenarios: Path) -> None:
    assert get("my_cache", [scenarios]).name == get("my-cache", [scenarios]).name == "my-cache"


def test_roles_are_found_wherever_a_playbook_names_them(scenarios: Path) -> None:
    assert get("my-cache", [scenarios]).uses("deploy") == [
        Use("cache", "main", frozenset({"fixed_here", "given_here", "role", "vars"})),
        Use("plain", "main", frozenset({"fixed_here", "inline_here", "role"})),
        Use("cache", "drill", frozenset({"drilled_here"})),
    ]


def test_what_the_playbook_sets_is_not_the_user_s_to_set(scenarios: Path) -> None:
    parameters = get("my-cache", [scenarios]).parameters("deploy")
    assert list(parameters) == ["stack_name", "cache_size", "cache_drill_time", "Nodes"]
    assert list(get("my-cache", [scenarios]).parameters("destroy")) == ["stack_name"]


def test_the_digest_follows_playbook_role_and_template(scenarios: Path) -> None:
    def digest(action: str = "deploy") -> str:
        return get("my-cache", [scenarios]).digest(action)

    seen = [digest()]
    for name in ("my_cache/deploy.yml", "my_cache/stack.ros.yml", "roles/cache/tasks/main.yml"):
        with (scenarios / name).open("a") as file:
            file.write("# more\n")
        seen.append(digest())
    assert len(set(seen)) == 4
    before = digest("destroy")
    (scenarios / "roles/cache/tasks/main.yml").write_text("[]\n")
    assert digest("destroy") == before


def test_an_earlier_path_hides_a_later_one(scenarios: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "my_cache"
    other.mkdir(parents=True)
    (other / "deploy.yml").write_text("- hosts: localhost\n")
    assert get("my-cache", [other.parent, scenarios]).path == other
    assert get("my-cache", [scenarios, other.parent]).path == scenarios / "my_cache"


def test_unknown_names_are_suggested(scenarios: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean my-cache\?"):
        get("my-cahce", [scenarios])
    with pytest.raises(UsageError, match=r"did you mean deploy\?"):
        get("my-cache", [scenarios]).playbook("depoly")
    with pytest.raises(UsageError, match="is not a directory"):
        find([scenarios / "none"])


def test_content_that_is_not_yaml_is_said_with_its_line(scenarios: Path) -> None:
    (scenarios / "my_cache" / "deploy.yml").write_text("- hosts: all\n  x: [\n")
    with pytest.raises(ContentError, match=r"deploy\.yml:3: not YAML"):
        get("my-cache", [scenarios]).uses("deploy")


def test_the_collection_is_ours_and_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (collection() / "galaxy.yml").is_file()
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", "/somewhere")
    first, second = collections_path().split(":")
    assert (Path(first) / "ansible_collections/opsctl/cloud").is_dir()
    assert second == "/somewhere"


def test_scenarios_of_the_collection_go_by_name() -> None:
    for scenario in find([]).values():
        for action in scenario.actions:
            assert scenario.playbook(action) == f"opsctl.cloud.{scenario.path.name}.{action.replace('-', '_')}"
            assert "stack_name" in scenario.parameters(action)
