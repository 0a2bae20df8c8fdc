"""Labelled turns: read back as written, refused with the line and what is wrong."""

from pathlib import Path

import pytest

from assistant.conversation.turn import Message
from assistant.routing.labelled import LabelledTurn, LabelsError, data_hash, read, read_all, write

SAID = (Message("user", "how many days of leave do I get"), Message("assistant", "26 a year."))
TURNS = [
    LabelledTurn("and for contractors?", SAID, True, False, "follow_up", "hr", "c1", "t1"),
    LabelledTurn("danke!", (), False, None, "thanks:de", "hr", "c2", "t2"),
    LabelledTurn("how much is it", (), True, False, "vague", "shop", "c3", "t3", ask=True),
]


def test_turns_come_back_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "turns.jsonl", TURNS)
    assert read(tmp_path / "turns.jsonl") == TURNS
    assert [each.language for each in TURNS] == ["en", "de", "en"]


def test_a_turn_of_two_files_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", TURNS)
    write(tmp_path / "b.jsonl", [LabelledTurn("AND for contractors? ", SAID, True)])
    assert len(read_all([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])) == len(TURNS)


def test_the_hash_sees_labels_and_history() -> None:
    other = [LabelledTurn(TURNS[0].turn, SAID, False), *TURNS[1:]]
    shorter = [LabelledTurn(TURNS[0].turn, SAID[:1], True, False, "follow_up", "hr", "c1", "t1"), *TURNS[1:]]
    assert len({data_hash(TURNS), data_hash(other), data_hash(shorter)}) == 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"information": true}', '"turn" is missing'),
        ('{"turn": " ", "information": true}', '"turn" is missing or empty'),
        ('{"turn": "x"}', '"information" must be true or false'),
        ('{"turn": "x", "information": 1}', '"information" must be true or false'),
        ('{"turn": "x", "information": true, "voice": "yes"}', '"voice" must be'),
        ('{"turn": "x", "information": true, "ask": "yes"}', '"ask" must be'),
        ('{"turn": "x", "information": true, "history": {}}', '"history" must be a list'),
        ('{"turn": "x", "information": true, "history": [{"role": "system", "content": "x"}]}', "has a role"),
        ('{"turn": "x", "information": true, "history": [{"role": "user"}]}', "has a role"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "turns.jsonl"
    file.write_text('{"turn": "fine", "information": false}\n\n' + line + "\n")
    with pytest.raises(LabelsError, match=says) as raised:
        read(file)
    assert f"{file}:3" in str(raised.value)


def test_no_turns_and_no_file_are_said(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(LabelsError, match="holds no turns"):
        read(tmp_path / "empty.jsonl")
    with pytest.raises(LabelsError, match="No such file"):
        read(tmp_path / "missing.jsonl")


def test_a_folder_is_all_of_its_files(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="holds no turns"):
        read(tmp_path)
    (tmp_path / "b.jsonl").write_text('{"turn": "hello", "information": false}')
    (tmp_path / "a.jsonl").write_text('{"turn": "how many days?", "information": true}')
    (tmp_path / "notes.txt").write_text("not read")
    assert [each.turn for each in read(tmp_path)] == ["how many days?", "hello"]


def test_voice_counts_only_where_something_is_looked_up(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"turn": "hi", "information": false, "voice": true}')
    assert read(tmp_path / "t.jsonl")[0].voice is None
