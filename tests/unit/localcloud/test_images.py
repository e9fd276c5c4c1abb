"""The host image: found, pulled or built, and clear words where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.localcloud.hosts import image
from opsctl.localcloud.hosts.engine import HostError


class Docker:
    """Only what is asked about images."""

    def __init__(self, *known: str) -> None:
        self.known = set(known)
        self.calls: list[tuple[str, ...]] = []

    def has_image(self, name: str) -> bool:
        return name in self.known

    def pull(self, name: str) -> None:
        self.calls.append(("pull", name))

    def import_image(self, tar: str, name: str) -> None:
        self.calls.append(("import", Path(tar).read_text(), name))


def ensure(docker: Docker, wanted: str | None = None) -> tuple[str, list[str]]:
    said: list[str] = []
    return image.ensure(docker, wanted, said.append), said  # type: ignore[arg-type]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for mmdebstrap, which writes its last argument."""
    path = tmp_path / "mmdebstrap"
    path.write_text('#!/bin/sh\nfor last; do :; done\nprintf image > "$last"\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def test_the_name_changes_with_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.name()
    assert image.name() == before
    monkeypatch.setattr(image, "PACKAGES", [*image.PACKAGES, "hello"])
    assert image.name() != before


def test_an_image_that_is_there_is_taken_without_a_word() -> None:
    assert ensure(Docker(image.name())) == (image.name(), [])
    assert ensure(Docker("mine:1"), "mine:1") == ("mine:1", [])


def test_a_named_image_is_pulled() -> None:
    docker = Docker()
    assert ensure(docker, "mine:1") == ("mine:1", ["Pulling the host image mine:1"])
    assert docker.calls == [("pull", "mine:1")]


def test_an_image_is_built_where_none_is_named(tool: Path) -> None:
    docker = Docker()
    found, said = ensure(docker)
    assert found == image.name()
    assert docker.calls == [("import", "image", image.name())]
    assert "Building" in said[0]


def test_without_a_builder_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="apt-get install mmdebstrap"):
        ensure(Docker())


def test_a_build_that_fails_says_its_own_reason(tool: Path) -> None:
    tool.write_text("#!/bin/sh\necho 'I: working' >&2; echo 'E: no such mirror' >&2; echo 'I: cleaning' >&2; exit 1\n")
    tool.chmod(0o755)
    with pytest.raises(HostError, match=r"^mmdebstrap failed: E: no such mirror$"):
        ensure(Docker())
