"""What a start leaves out: stubs that Gradio would write, and libraries that the first request loads."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from ui.gradio_stubs import unwritten

PAGE = """
import ast
from ui.gradio_stubs import unwritten

def failing(*_): raise AssertionError("a source is parsed for a stub")

ast.get_source_segment = failing
with unwritten():
    import ui.chat_page, ui.desk.mount
"""
APIS = """
import sys
import ui.api, ui.mcp_door, ui.native_api, ui.openai_api

assert not {"mcp", "mcp_types", "gradio"} & sys.modules.keys()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_pages_are_imported_without_a_stub_for_every_class() -> None:
    done = run(PAGE)
    assert not done.returncode, done.stderr


def test_gradio_alone_parses_its_sources_or_the_test_before_this_one_says_nothing() -> None:
    assert "a source is parsed for a stub" in run(PAGE.replace("with unwritten():", "if True:")).stderr


def test_what_answers_programs_is_loaded_when_one_asks() -> None:
    done = run(APIS)
    assert not done.returncode, done.stderr


def test_files_of_other_classes_are_found_meanwhile_and_all_of_them_later() -> None:
    class ComponentMeta(type):
        pass

    class Component(metaclass=ComponentMeta):
        pass

    with unwritten():
        assert inspect.getfile(run) == __file__
        with pytest.raises(OSError, match="no stub"):
            inspect.getfile(Component)
    assert inspect.getfile(Component) == __file__
