"""Programming languages as rows: which package knows the grammar, what is a symbol in it, what leads to one.

The grammars are wheels of their own that tree-sitter loads; none is downloaded at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from time import thread_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query

MOST_CHARACTERS = 1_000_000
LONGEST_LINES = 300
"""Characters of a line on average; code above either is made by a program and holds no symbols worth a name."""
LONGEST_NAME = 80
DEEPEST_NODE = 300
"""Levels of the syntax tree, some ten for each level of the code, below which no symbol is looked for."""
SECONDS = 2.0
"""Of parsing, at most; a megabyte of usual code takes a tenth of one."""
MOST_STRAY = 5_000
"""Tokens in a row that fit nowhere; a query takes the square of their number."""
_READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Grammar:
    """``package`` holds the grammar as ``function``; ``symbols`` are node types with a name, ``patterns`` further ones
    as tree-sitter queries that capture ``symbol``, ``name`` and, for a method outside its class, ``of``; ``leads`` are
    what stands before a symbol and belongs to it."""

    package: str
    symbols: str
    leads: str = "comment"
    patterns: str = ""
    function: str = "language"

    @property
    def query(self) -> str:
        """The query for symbols and leads."""
        named = "".join(f"({kind} name: (_) @name) @symbol\n" for kind in self.symbols.split())
        return named + self.patterns + "".join(f"({kind}) @lead\n" for kind in self.leads.split())


@dataclass(slots=True)
class Symbol:
    """A function, method, class or the like; lines count from 0, ``top`` is the first with what leads to it."""

    name: str
    top: int
    first: int
    last: int
    start_byte: int
    end_byte: int


_SCRIPT = "function_declaration generator_function_declaration class_declaration method_definition"
_FUNCTIONS = "[(arrow_function) (function_expression) (generator_function) (class)]"
_ASSIGNED = f"""
(variable_declarator name: (identifier) @name value: {_FUNCTIONS}) @symbol
(assignment_expression left: (_) @name right: {_FUNCTIONS}) @symbol
(pair key: (_) @name value: {_FUNCTIONS}) @symbol
"""
_TYPED = (
    f"{_SCRIPT} abstract_class_declaration interface_declaration type_alias_declaration enum_declaration"
    " internal_module module"
)
_TYPED_FIELDS = f"{_ASSIGNED}(public_field_definition name: (_) @name value: {_FUNCTIONS}) @symbol\n"
_C = """
(function_definition declarator: (_) @name) @symbol
(struct_specifier name: (_) @name body: (_)) @symbol
(union_specifier name: (_) @name body: (_)) @symbol
(enum_specifier name: (_) @name body: (_)) @symbol
(type_definition type: (_ body: (_)) declarator: (_) @name) @symbol
"""
GRAMMARS: Mapping[str, Grammar] = {
    "python": Grammar("tree_sitter_python", "function_definition class_definition", "comment decorator"),
    "javascript": Grammar(
        "tree_sitter_javascript",
        _SCRIPT,
        "comment decorator",
        f"{_ASSIGNED}(field_definition property: (_) @name value: {_FUNCTIONS}) @symbol\n",
    ),
    "typescript": Grammar(
        "tree_sitter_typescript", _TYPED, "comment decorator", _TYPED_FIELDS, function="language_typescript"
    ),
    "tsx": Grammar("tree_sitter_typescript", _TYPED, "comment decorator", _TYPED_FIELDS, function="language_tsx"),
    "go": Grammar(
        "tree_sitter_go",
        "function_declaration type_spec type_alias",
        patterns="""
(method_declaration receiver: (parameter_list (parameter_declaration type: (_) @of)) name: (_) @name) @symbol
""",
    ),
    "rust": Grammar(
        "tree_sitter_rust",
        "function_item struct_item enum_item union_item trait_item mod_item macro_definition",
        "line_comment block_comment attribute_item",
        "(impl_item type: (_) @name) @symbol\n",
    ),
    "java": Grammar(
        "tree_sitter_java",
        "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration"
        " method_declaration constructor_declaration compact_constructor_declaration",
        "line_comment block_comment",
    ),
    "c": Grammar("tree_sitter_c", "preproc_function_def", patterns=_C),
    "cpp": Grammar(
        "tree_sitter_cpp",
        "preproc_function_def namespace_definition concept_definition",
        "comment template_parameter_list",
        f"{_C}(class_specifier name: (_) @name body: (_)) @symbol\n",
    ),
    "csharp": Grammar(
        "tree_sitter_c_sharp",
        "namespace_declaration class_declaration struct_declaration record_declaration interface_declaration"
        " enum_declaration delegate_declaration method_declaration constructor_declaration property_declaration"
        " local_function_statement",
    ),
    "ruby": Grammar("tree_sitter_ruby", "module class method singleton_method"),
    "php": Grammar(
        "tree_sitter_php",
        "class_declaration interface_declaration trait_declaration enum_declaration method_declaration"
        " function_definition",
        patterns="(namespace_definition name: (_) @name body: (_)) @symbol\n",
        function="language_php",
    ),
    "bash": Grammar("tree_sitter_bash", "function_definition"),
    "kotlin": Grammar(
        "tree_sitter_kotlin",
        "class_declaration object_declaration function_declaration",
        "line_comment block_comment",
    ),
    "swift": Grammar(
        "tree_sitter_swift",
        "class_declaration protocol_declaration function_declaration protocol_function_declaration",
        "comment multiline_comment",
        '(init_declaration "init" @name) @symbol\n',
    ),
    "scala": Grammar(
        "tree_sitter_scala",
        "object_definition class_definition trait_definition enum_definition function_definition given_definition",
        "comment block_comment",
    ),
    "lua": Grammar(
        "tree_sitter_lua",
        "function_declaration",
        patterns="""
(assignment_statement (variable_list name: (_) @name) (expression_list value: (function_definition))) @symbol
""",
    ),
}


@cache
def _loaded(name: str) -> tuple[Language, Query] | None:
    grammar = GRAMMARS.get(name)
    if grammar is None:
        return None
    try:
        import tree_sitter

        language = tree_sitter.Language(getattr(import_module(grammar.package), grammar.function)())
    except ImportError:
        return None
    return language, tree_sitter.Query(language, grammar.query)


def available(name: str) -> bool:
    """Whether the language of this name has a grammar and its package is installed."""
    return _loaded(name) is not None


def symbols(code: str, name: str) -> list[Symbol]:
    """The symbols of the code in the order in which they begin, outer ones first; none without a grammar, or in code
    that no person wrote. Code with errors gives those that can be made out."""
    loaded = _loaded(name)
    if loaded is None or len(code) > min(MOST_CHARACTERS, LONGEST_LINES * (code.count("\n") + 20)):
        return []
    from tree_sitter import Parser, QueryCursor

    language, query = loaded
    data = code.encode("utf-8", "replace")
    try:
        tree = Parser(language).parse(lambda at, _: data[at : at + _READ], progress_callback=_after(SECONDS))
    except ValueError:
        return []
    if tree.root_node.has_error and _hopeless(tree.root_node):
        return []
    cursor = QueryCursor(query)
    cursor.set_max_start_depth(DEEPEST_NODE)
    matches = [captured for _, captured in cursor.matches(tree.root_node)]
    lines = code.split("\n")
    leads = dict(_lead(node, lines) for captured in matches for node in captured.get("lead", ()))
    found: dict[int, Symbol] = {}
    for symbol in _symbols(matches, data):
        found.setdefault(symbol.start_byte, symbol)
    for symbol in found.values():
        while symbol.top and (above := leads.get(symbol.top - 1, symbol.top)) < symbol.top:
            symbol.top = above
    return sorted(found.values(), key=lambda symbol: (symbol.start_byte, -symbol.end_byte))


def _after(seconds: float) -> Callable[..., bool]:
    """Whether so much of this thread's time is over; that tree-sitter asks it also lets other threads run."""
    end = thread_time() + seconds
    return lambda *_: thread_time() > end


def _hopeless(root: Node) -> bool:
    """Whether so much of the code fits nowhere that it is hardly of this language."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error and node.child_count > MOST_STRAY:
            return True
        waiting += [child for child in node.children if child.has_error]
    return False


def _symbols(matches: list[dict[str, list[Node]]], data: bytes) -> Iterator[Symbol]:
    for captured in matches:
        if "symbol" in captured:
            node = captured["symbol"][0]
            label = _label(captured["name"][0], data)
            if of := captured.get("of"):
                label = f"{_plain(of[0], data).lstrip('*&')}.{label}"
            first, last = _rows(node)
            yield Symbol(label[:LONGEST_NAME], first, first, last, node.start_byte, node.end_byte)


def _lead(node: Node, lines: list[str]) -> tuple[int, int]:
    """The last row of a comment or decorator and its first one; after the last where code stands before it."""
    first, last = _rows(node)
    before = lines[first][: node.start_point.column].strip()
    return last, first if not before or before == "template" else last + 1


def _rows(node: Node) -> tuple[int, int]:
    """First and last row; some comments take their line end in."""
    first, last = node.start_point.row, node.end_point.row
    return first, last - 1 if last > first and not node.end_point.column else last


def _label(node: Node, data: bytes) -> str:
    """The name in what declares it: C wraps it in the form of the type."""
    while inner := node.child_by_field_name("declarator"):
        node = inner
    if node.type == "reference_declarator" and node.named_children:
        return _label(node.named_children[-1], data)
    return _plain(node, data)


def _plain(node: Node, data: bytes) -> str:
    """Its text on one line, without the parameters of a generic type."""
    text = data[node.start_byte : node.end_byte].decode("utf-8", "replace")
    generic = node.type in ("generic_type", "pointer_type", "function_declarator")
    return " ".join((text.partition("<")[0].partition("[")[0] if generic else text).split()) or "?"
