"""Code is split by its symbols, cited by symbol and line, and nothing of it is lost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.knowledge import code, grammars
from assistant.knowledge.chunks import split
from assistant.knowledge.documents import Chunk, Document
from tests.knowledge.test_chunks import CountTokens, assert_joined_by_gaps, characters, greedy_pairs, minilm, words

EXTRA = {"kotlin", "swift", "scala", "lua"}
FENCE = "````"


def fenced(source: str, language: str = "python") -> Document:
    return Document("a.py", "server.py", f"{FENCE}py\n{source}\n{FENCE}", "0" * 64, code=language)


def chunks_of(
    source: str, language: str = "python", count: CountTokens = words, most: int = 60, least: int = 12
) -> list[Chunk]:
    return split(fenced(source, language), "hr", count, most, least)


def function(name: str, length: int, indent: str = "") -> str:
    """A function of some three words a line."""
    lines = "\n".join(f"{indent}    {name}_{each} = {each}" for each in range(length))
    return f"{indent}def {name}():\n{lines}"


def outline(source: str, language: str) -> list[tuple[int, tuple[str, ...]]]:
    found = code.sections(source, language)
    return [(source[: section.start].count("\n") + 1, section.path) for section in found]


def test_a_function_and_a_class_that_fit_are_one_chunk_each() -> None:
    small = f"class Small:\n    a = 1\n\n{function('one', 4, '    ')}\n\n{function('two', 4, '    ')}"
    made = chunks_of(f"import os\n\n\n{function('first', 12)}\n\n\n{small}\n\n\n{function('last', 10)}\n")
    assert [(chunk.section, chunk.line) for chunk in made] == [
        ((), 1),
        (("first",), 4),
        (("Small",), 19),
        (("last",), 35),
    ]
    assert made[2].text == small
    assert all(chunk.title == "server.py" and chunk.page is None for chunk in made)
    assert made[1].embedding_text().startswith("server.py › first\ndef first():")


def test_a_class_that_does_not_fit_is_cut_into_its_methods() -> None:
    one, two, three = (function(name, 12, "    ") for name in ("one", "two", "three"))
    head = 'class Big(Base):\n    """Says what it is."""\n\n    a = 1'
    source = f"{head}\n\n{one}\n\n    @cached\n{two}\n\n    b = 2\n\n{three}"
    made = chunks_of(source)
    assert [(chunk.section, chunk.line) for chunk in made] == [
        (("Big", "one"), 1),
        (("Big", "two"), 20),
        (("Big", "three"), 35),
    ]
    assert made[0].text.startswith("class Big(Base):") and made[0].text.endswith("one_11 = 11")
    assert made[1].text == f"    @cached\n{two}"


def test_small_neighbours_are_one_chunk_that_names_them() -> None:
    source = "\n\n\n".join(function(name, 1) for name in ("a", "b", "c", "d", "e", "f", "g"))
    made = chunks_of(source, least=20)
    assert [chunk.section for chunk in made] == [("a, b, c, d",), ("e, f, g",)]
    assert [chunk.section for chunk in chunks_of(source, least=60)] == [("a, b, c, …, g",)]
    assert [chunk.section for chunk in chunks_of(source, least=0)] == [(name,) for name in "abcdefg"]


def test_a_function_that_does_not_fit_keeps_its_symbol_in_every_part() -> None:
    made = chunks_of(f"{function('long', 60)}\n\n\n{function('short', 10)}")
    assert [chunk.section for chunk in made] == [*[("long",)] * (len(made) - 1), ("short",)]
    assert len(made) > 3


def test_a_long_function_falls_into_the_functions_in_it() -> None:
    inner = "\n\n".join(function(name, 12, "    ") for name in ("one", "two"))
    made = chunks_of(f"def outer():\n{inner}\n    return one, two")
    assert [chunk.section for chunk in made] == [("outer", "one"), ("outer", "two"), ("outer",)]


def test_a_comment_before_a_symbol_is_its_own_and_one_behind_code_is_not() -> None:
    source = "x = 1  # not of f\n# of f\n# and this\n@one\n@two(\n    3,\n)\ndef f():\n    pass"
    assert outline(source, "python") == [(1, ()), (2, ("f",))]


def test_indentation_is_kept_and_lines_are_those_of_the_file() -> None:
    source = "\n".join(f"{' ' * (each % 3)}value_{each} = {each}" for each in range(100))
    made = chunks_of(source)
    assert len(made) > 3
    lines = source.split("\n")
    for chunk in made:
        assert chunk.line is not None and chunk.text.split("\n")[0] == lines[chunk.line - 1]


def test_a_document_without_a_fence_or_grammar_is_split_as_well() -> None:
    source = "\n".join(f"do thing {each}" for each in range(60))
    for language in ("cobol", "python"):
        made = split(Document("a", "a", source, "0" * 64, code=language), "hr", words, 60)
        assert made[0].line == 1 and made[0].gap == "" and made[-1].end == len(source)
    assert grammars.available("python") and not grammars.available("cobol")
    made = chunks_of(source, "cobol")
    assert {chunk.section for chunk in made} == {()} and made[0].gap == f"{FENCE}py\n"


def test_code_in_prose_stays_as_it_is() -> None:
    text = f"# Notes\n\nHow to start:\n\n```python\n{function('first', 8)}\n```"
    (made,) = split(Document("a.md", "Notes", text, "0" * 64), "hr", words, 60)
    assert made.text.endswith("\n```") and made.line is None


OUTLINES: dict[str, tuple[str, list[tuple[int, tuple[str, ...]]]]] = {
    "python": (
        "import a\n\n@deco\nclass A:\n    x = 1\n\n    async def b():\n        pass\n\nif True:\n    def c(): pass\n",
        [(1, ()), (3, ("A",)), (7, ("A", "b")), (9, ()), (11, ("c",))],
    ),
    "javascript": (
        "import a\n/** doc */\nexport default class A {\n  b() {\n  }\n  c = () => {\n  };\n}\n"
        "const d = async () => {\n};\nA.prototype.e = function () {\n}\nmodule.exports = {\n  f() {\n  },\n}",
        [(1, ()), (2, ("A",)), (4, ("A", "b")), (6, ("A", "c")), (9, ("d",)), (11, ("A.prototype.e",)), (13, ()),
         (14, ("f",))],
    ),
    "typescript": (
        "@Injectable({\n  a: 1,\n})\nexport class A<T> extends B {\n  @Get()\n  async c(): Promise<T> {\n  }\n}\n"
        "interface D {\n  e: string;\n}\nnamespace F {\n  export type G = {\n  };\n}",
        [(1, ("A",)), (5, ("A", "c")), (9, ("D",)), (12, ("F",)), (13, ("F", "G"))],
    ),
    "tsx": (
        "export const A = (p: P) => {\n  return <b>{p.c}</b>;\n};\nfunction D() {\n  return <A />;\n}",
        [(1, ("A",)), (4, ("D",))],
    ),
    "go": (
        "package a\n\n// B does.\ntype B[T any] struct {\n\tc int\n}\n\n// D\nfunc (b *B[T]) D() {\n}\n\nfunc e() {\n}",
        [(1, ()), (3, ("B",)), (8, ("B.D",)), (12, ("e",))],
    ),
    "rust": (
        "use a;\n/// B.\n#[derive(Debug)]\nstruct B {}\nimpl<T> C for B<T> {\n"
        "    /// D.\n    #[inline]\n    fn d() {\n    }\n}",
        [(1, ()), (2, ("B",)), (5, ("B",)), (6, ("B", "d"))],
    ),
    "java": (
        "package a;\n/** doc */\n@B\npublic class C {\n  C() {\n  }\n  @Override\n  public void d() {\n  }\n}",
        [(1, ()), (2, ("C",)), (5, ("C", "C")), (7, ("C", "d"))],
    ),
    "c": (
        "#include <a.h>\ntypedef struct {\n  int b;\n} C;\n/* doc */\nstatic char **d(int e)\n{\n}\nenum F {\n  G\n};",
        [(1, ()), (2, ("C",)), (5, ("d",)), (9, ("F",))],
    ),
    "cpp": (
        "#pragma once\n// doc\ntemplate <typename T,\n          typename U>\nclass A : B {\n public:\n"
        "  int& c() {\n  }\n};\nnamespace d {\nint A::e(int f) {\n}\nA::~A() {\n}\n}",
        [(1, ()), (2, ("A",)), (7, ("A", "c")), (10, ("d",)), (11, ("d", "A::e")), (13, ("d", "A::~A"))],
    ),
    "csharp": (
        "using A;\nnamespace B.C\n{\n  /// D\n  [E]\n  class D\n  {\n    void F()\n    {\n    }\n  }\n}",
        [(1, ()), (2, ("B.C",)), (4, ("B.C", "D")), (8, ("B.C", "D", "F"))],
    ),
    "ruby": (
        "# doc\nmodule A\n  class B < C\n    def d\n      1\n    end\n\n    def self.e\n    end\n  end\nend",
        [(1, ("A",)), (3, ("A", "B")), (4, ("A", "B", "d")), (8, ("A", "B", "e"))],
    ),
    "php": (
        "<?php\nnamespace A;\n/** doc */\n#[B]\nclass C {\n  public function d() {\n  }\n}\nfunction e() {\n}",
        [(1, ()), (3, ("C",)), (6, ("C", "d")), (9, ("e",))],
    ),
    "bash": (
        "set -e\n# doc\na() {\n  echo\n}\nfunction b {\n  echo\n}\na",
        [(1, ()), (2, ("a",)), (6, ("b",)), (9, ())],
    ),
    "kotlin": (
        "package a\n/** doc */\n@B\ndata class C(val d: Int) {\n    fun e() {\n    }\n}\nfun String.f() = 1",
        [(1, ()), (2, ("C",)), (5, ("C", "e")), (8, ("f",))],
    ),
    "swift": (
        "/// doc\nclass A {\n  init(b: Int) {\n  }\n  func c() -> Int {\n  }\n}\nextension A {\n  func d() {\n  }\n}",
        [(1, ("A",)), (3, ("A", "init")), (5, ("A", "c")), (8, ("A",)), (9, ("A", "d"))],
    ),
    "scala": (
        "package a\n/** doc */\nobject B {\n  def c(d: Int): Int = {\n    1\n  }\n}\nclass E extends F",
        [(1, ()), (2, ("B",)), (4, ("B", "c")), (8, ("E",))],
    ),
    "lua": (
        "local a = {}\n-- doc\nfunction a.b()\nend\na.c = function()\nend\nreturn a",
        [(1, ()), (2, ("a.b",)), (5, ("a.c",)), (7, ())],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", grammars.GRAMMARS)
def test_the_symbols_of_a_language(language: str) -> None:
    if language in EXTRA and not grammars.available(language):
        pytest.skip("needs the extra `code`")
    source, expected = OUTLINES[language]
    assert outline(source, language) == expected
    broken = source.replace("}", "", 1).replace(":", "", 1)
    assert outline(broken, language)[0][0] == 1


def test_a_file_with_errors_still_gives_its_symbols() -> None:
    source = f"def broken(a):\n    x = = 1\n\n\n{function('whole', 12)}\n\n\nclass Open(\n"
    assert {("broken",), ("whole",)} <= {chunk.section for chunk in chunks_of(source, least=0)}


MINIFIED = "".join(f"function f{each}(a){{return a+{each}}}" for each in range(40_000))
HOSTILE: dict[str, tuple[str, str]] = {
    "minified": (MINIFIED, "javascript"),
    "deep functions": ("".join(f"function f{each}(){{\n" for each in range(9_000)) + "}\n" * 9_000, "javascript"),
    "deep classes": ("".join(f"{' ' * each}class C{each}:\n" for each in range(400)), "python"),
    "open brackets": ("[(" * 50_000, "python"),
    "stray braces": ("{\n" * 20_000, "javascript"),
    "decorators": ("@a\n" * 20_000 + "def f(): pass", "python"),
    "prose": ("Some words of `a` text, $(here <<EOS.\n" * 5_000, "bash"),
    "control characters": ("\x00\x0bdef a():\x85\n  pass\ud800" * 500, "python"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_code_that_no_person_wrote_is_split_too(kind: str) -> None:
    source, language = HOSTILE[kind]
    made = chunks_of(source, language, characters, 400, 100)
    assert_joined_by_gaps(fenced(source).text, made)
    assert max(len(chunk.section) for chunk in made) <= code.DEEPEST


LINES = st.sampled_from(
    [
        "", "", "import os", "# a comment", "@decorator", "class A:", "class B(A):", "def f(a, b):", "async def g():",
        "    def method(self):", "    @property", "        return 1", "    x = 1", "    '''", '"""',
        "if True:", "else:", "}", "{", "(", ")", "x = [1,", "y = lambda: 0", "```", "````", "\t", "word " * 70,
        "z" * 90, "    # a comment that says something about what comes next", "for a in b: pass", "é = 'ünïcödé 漢字'",
        "function f(a) {", "const g = () => {", "};", "class C {", "  m() { return 1 }", "end", "func (s *S) M() {",
    ]
)  # fmt: skip
SOURCES = st.lists(LINES, max_size=80).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(
    source=SOURCES,
    language=st.sampled_from(["python", "javascript", "go", "ruby", "cpp", "cobol"]),
    count=st.sampled_from([words, characters, greedy_pairs]),
    most=st.integers(60, 300),
    least=st.integers(0, 80),
)
def test_all_code_is_covered_in_order_and_within_the_budget(source: str, language: str, **given: Any) -> None:
    document = fenced(source, language)
    made = split(document, "hr", given["count"], given["most"], given["least"])
    text = document.text
    assert [(chunk.position, chunk.of) for chunk in made] == [(each, len(made)) for each in range(len(made))]
    assert all(chunk.text == text[chunk.start : chunk.end] and chunk.text.strip() for chunk in made)
    assert all(size <= given["most"] for size in given["count"]([chunk.embedding_text() for chunk in made]))
    assert_joined_by_gaps(text, made)
    assert all(not chunk.gap.strip() for chunk in made[1:])
    assert not made or (made[0].gap.strip() == f"{FENCE}py" and text[made[-1].end :].strip() == FENCE)
    assert all(chunk.line == text[: chunk.start].count("\n") for chunk in made)
    assert all(before.start < after.start for before, after in pairwise(made))


@settings(max_examples=60, deadline=None)
@given(source=SOURCES)
def test_the_budget_holds_for_the_real_tokenizer(source: str) -> None:
    made = chunks_of(source, "python", minilm(), 64, 20)
    assert all(size <= 64 for size in minilm()([chunk.embedding_text() for chunk in made]))


@settings(max_examples=100, deadline=None)
@given(source=SOURCES, language=st.sampled_from(["python", "javascript", "cpp"]))
def test_sections_join_without_a_gap(source: str, language: str) -> None:
    text = fenced(source).text
    found = code.sections(text, language)
    assert "".join(text[section.start : section.end] for section in found) == source
    assert all(text[section.start : section.end].strip() for section in found[1:])
