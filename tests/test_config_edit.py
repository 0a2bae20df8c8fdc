"""One key of a YAML text changes, and not a character of anything else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.config_edit import NotEditable, set_value, unset_value, written
from assistant.config_errors import schema_at
from assistant.config_file import load
from assistant.config_schema import SCHEMA_FILE
from assistant.config_value import parse, read_value
from tests.cli.test_config_set import changed

EXAMPLE = SCHEMA_FILE.with_name("assistant.example.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value", "below"),
    [
        ("roles.main", ["a", "b"], "  # main: builtin\n"),
        ("data", "there", "# data: data\n"),
        ("models.gpt.temperature", 0.2, "    # options: {}\n"),
        ("surfaces.portal.voice", "always", "    # voice: on_request\n"),
        ("router.costs.missed_lookup", 6, "    # missed_lookup: 4.0\n"),
        ("collections.hr.sources", ["docs"], "    # readers: [everyone]\n"),
    ],
)
def test_in_the_example_a_key_goes_below_the_comment_that_shows_it(key: str, value: Any, below: str) -> None:
    loc = tuple(key.split("."))
    after = set_value(EXAMPLE, loc, value)
    assert all(line.startswith("+") for line in changed(EXAMPLE, after)), "no line goes"
    position = next(n for n, (a, b) in enumerate(zip(EXAMPLE, after, strict=False)) if a != b)
    above = after[: after.rindex("\n", 0, position) + 1]
    own = [line for line in above.splitlines(keepends=True) if line.lstrip().startswith("# ")]
    assert own[-1] == below
    emptied = unset_value(after, loc)
    assert written(emptied, loc) is None and emptied.startswith(above)


def test_every_setting_of_the_example_can_be_set_and_unset(tmp_path: Path) -> None:
    path = tmp_path / "assistant.yaml"
    path.write_text(EXAMPLE)
    for key, origin in load(path, environ={}).origins.items():
        if origin != "default" and "[" not in key:
            loc = tuple(key.split("."))
            assert written(set_value(EXAMPLE, loc, "new"), loc) == "new"
            assert written(unset_value(EXAMPLE, loc), loc) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "roles:\n  main: c\n"),
        ("# only words", "# only words\nroles:\n  main: c\n"),
        ("roles: {}", "roles: {main: c}"),
        ("{roles: {voice: b}, data: x}", "{roles: {voice: b, main: c}, data: x}"),
        ("roles: ~ # none\ndata: x\n", "roles:  # none\n  main: c\ndata: x\n"),
        ("roles: # none\n\n    # main: a\n\ndata: x\n", "roles: # none\n\n    # main: a\n    main: c\n\ndata: x\n"),
        ("roles:\n  main: [a,\n    b] # two\ndata: x\n", "roles:\n  main: c # two\ndata: x\n"),
        ("roles:\n  main:\n  - a\n  # or\n  - b\n  voice: a\n", "roles:\n  main: c\n  voice: a\n"),
        ("roles:\n  main: |\n    a\n\n# end\n", "roles:\n  main: c\n\n# end\n"),
        ("roles:\n  voice: b\n\n\n# end", "roles:\n  voice: b\n  main: c\n\n\n# end"),
        ("---\ndata: x\n...\n", "---\ndata: x\nroles:\n  main: c\n...\n"),
        ("\ufeffdata: x", "\ufeffdata: x\nroles:\n  main: c\n"),
        ("data: a\x0cb\nroles:\n  main: d\n", None),
    ],
)
def test_odd_files(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(yaml.YAMLError):
            set_value(before, ("roles", "main"), "c")
    else:
        assert set_value(before, ("roles", "main"), "c") == after


@pytest.mark.parametrize("text", ["a: &x {main: q}\nroles: *x\n", "roles:\n- x\n", "roles: x\n", "- x\n"])
def test_what_cannot_be_changed_alone_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        set_value(text, ("roles", "main"), "c")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("roles.main", "a", "a"),
        ("roles.main", "[a, b]", ["a", "b"]),
        ("roles.voice", "null", None),
        ("organisation", "null", "null"),
        ("organisation", "12", "12"),
        ("organisation", "'[x]'", "[x]"),
        ("surfaces.portal.greeting", "[Docs](http://x) are: here", "[Docs](http://x) are: here"),
        ("surfaces.portal.greeting", "{en: Hi, de: Hallo}", {"en": "Hi", "de": "Hallo"}),
        ("surfaces.portal.greeting", "{en: Hi} there", "{en: Hi} there"),
        ("surfaces.portal.suggestions", "{de: [a, b]}", {"de": ["a", "b"]}),
        ("organisation", "{en: Hi}", "{en: Hi}"),
        ("models.gpt.temperature", "0.2", 0.2),
        ("models.gpt.temperature", "${T}", "${T}"),
        ("router.ask", "true", True),
        ("router.ask", "yes", "yes"),
        ("models.gpt.options.stop", "end: here", "end: here"),
        ("models.gpt", "{connector: ollama}", {"connector": "ollama"}),
    ],
)
def test_what_people_type_is_read_by_what_the_setting_takes(key: str, text: str, value: Any) -> None:
    assert read_value(text, schema_at(tuple(key.split(".")))) == value


names = st.text("abc_-é :#", min_size=1, max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-9, 99)
    | st.floats(-9, 9)
    | st.text("ab :#'\"{}[],&*!|>%@`-?~\n\té", max_size=8)
)
values = scalars | st.lists(scalars, max_size=3)
trees = st.recursive(
    st.dictionaries(names, values, min_size=1, max_size=3),
    lambda inner: st.dictionaries(names, values | inner, min_size=1, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(tree=trees, flow=st.sampled_from([True, False, None]), loc=st.lists(names, min_size=1, max_size=3), value=values)
def test_any_edit_of_any_file_changes_that_key_alone(tree: Any, flow: bool | None, loc: list[str], value: Any) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    text = "".join(f"{line}# {n}\n" if line == "\n" else line for n, line in enumerate(text.splitlines(keepends=True)))
    try:
        after = set_value(text, tuple(loc), value)
    except NotEditable as refused:
        assert "holds a value" in str(refused), (text, loc, value)
        return
    assert written(after, tuple(loc)) == value
    if written(text, tuple(loc)) is None and not flow:
        kept = [line for line in changed(text, after) if line.startswith("-")]
        assert len(kept) <= 1, "at most the line of an empty section changes"
    assert written(unset_value(after, tuple(loc)), tuple(loc)) is None
    assert parse(after) != parse(text) or value == written(text, tuple(loc))
