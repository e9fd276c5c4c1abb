"""The corpus of secrets through the journal's door."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tests.canaries import HARMLESS, LOOKS, SHAPES, VALUES, remains

from opsctl.events.journal import Journal, read
from opsctl.events.redact import Redactor
from opsctl.events.seam import Seam
from opsctl.runs.recorder import Recorder


def searched(text: str) -> str:
    """The text as it is and as JSON would show it."""
    return text + "\n" + json.dumps(text)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_known_secret_passes_in_no_shape(shape: str, value: str) -> None:
    text = SHAPES[shape](value)
    redactor = Redactor([value])
    for cleaned in (redactor.text(text), json.dumps(redactor.clean({"stdout": text}))):
        assert "******" in cleaned
        for part in remains(value):
            assert part not in cleaned
            assert json.dumps(part)[1:-1] not in cleaned
    # Hardly more than the shape is left; within base64 a few characters belong to the secret and to what is around it.
    left, bare = (sum(map(str.isalnum, each)) for each in (redactor.text(text), SHAPES[shape]("")))
    assert left <= bare + (8 if "base64" in shape else 0)


@pytest.mark.parametrize("look", LOOKS)
def test_what_looks_like_a_secret_does_not_pass(look: str) -> None:
    text, secret = LOOKS[look]
    redactor = Redactor()
    assert secret in text
    assert secret not in redactor.text(text)
    for record in ({"stdout": text}, {"data": {"res": {"stdout_lines": text.splitlines(), "msg": text}}}):
        cleaned, line = redactor.line(record)
        whole = json.dumps(cleaned.get("stdout") or cleaned["data"]["res"]["msg"])
        assert secret not in whole
        assert json.loads(line) == cleaned


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_stays(text: str) -> None:
    assert Redactor().text(text) == text
    assert Redactor().clean({"stdout": text}) == {"stdout": text}


def test_an_option_and_its_value_in_a_list_of_words() -> None:
    words = ["mysql", "--password", "c4n4ry", "--user", "root", "-v", "--secret-key", "--x"]
    cleaned = Redactor().clean({"cmd": words})
    assert cleaned == {"cmd": ["mysql", "--password", "******", "--user", "root", "-v", "--secret-key", "--x"]}


@pytest.mark.parametrize("look", [look for look in LOOKS if "\n" not in LOOKS[look][0]])
def test_a_line_that_comes_in_two_pieces(look: str) -> None:
    text, secret = LOOKS[look]
    for cut in range(1, len(text)):
        seam = Seam(Redactor())
        told = "".join((seam.take(f"before\n{text[:cut]}"), seam.take(f"{text[cut:]}\nafter\n"), seam.rest()))
        assert secret not in told, cut
        assert told.startswith("before\n")
        assert told.endswith("after\n")


class Silent:
    def stopping(self, *, again: bool) -> None:
        raise AssertionError

    def show(self, record: dict[str, Any], progress: Any) -> None:
        self.shown = record


def test_the_whole_corpus_through_the_door(tmp_path: Path) -> None:
    """As events of Ansible and as pieces of a command's output, all at once; then the file is searched."""
    path = tmp_path / "journal"
    journal = Journal(path)
    recorder = Recorder(journal, Redactor(VALUES), Silent(), on_error=lambda: None)
    texts = [shape(value) for shape, value in itertools.product(SHAPES.values(), VALUES)]
    # A vaulted text is no secret; nobody waits for its other lines.
    texts += [text for look, (text, _) in LOOKS.items() if look != "vaulted"]
    for number, text in enumerate(texts):
        result = {"stdout": text, "stdout_lines": text.splitlines(), "diff": {"before": text, "after": ""}, "msg": text}
        data = {"host": "h", "task": f"Show {text}", "res": result}
        recorder.put({"event": "runner_on_ok", "event_data": data, "stdout": f"ok: [h] => {json.dumps(result)}"})
        for start in range(0, len(text), 7):
            res = {"stream": "stdout"}
            piece = {"host": f"p{number}", "res": res}
            recorder.put({"event": "runner_on_output", "event_data": piece, "stdout": text[start : start + 7]})
    recorder.finish()
    journal.close()
    content = path.read_text() + "".join(json.dumps(record, ensure_ascii=False) for record in read(path))
    content += "".join(str(record.get("stdout", "")) for record in read(path))
    for value in VALUES:
        for part in remains(value):
            assert part not in content
            assert json.dumps(part)[1:-1] not in content
    for look, (_, secret) in LOOKS.items():
        assert secret not in content, look
