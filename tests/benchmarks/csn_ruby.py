"""The methods of a Ruby file as CodeSearchNet read them and GraphCodeBERT cleaned them, for `rebuild_csn.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeseek.languages import load_languages

LANGUAGE = "ruby"
# GraphCodeBERT's rules; that documentation is English is decided in the lists.
MIN_TOKENS, MAX_TOKENS = 3, 256
_UNCLEAN = re.compile(r"https?:|<img\b", re.IGNORECASE)
# CodeSearchNet's words: brackets in pairs, runs of one mark, and what stands between marks.
_MARKS = r".():\[\]=*;>{}+\-/\\"
_TOKEN = re.compile(rf"\(\)|\[\]|\{{\}}|([{_MARKS}])\1*|[^\s,'\"`{_MARKS}]+")
# CodeSearchNet passes over these without forgetting the comments above them: they go to the next method.
PASSED_OVER = frozenset(b"initialize to_text display dup clone equal? == <=> === <= < > >= between? eql? hash".split())


@dataclass(frozen=True, slots=True)
class Function:
    """A rebuilt function; `borrowed` where its documentation begins with that of a method passed over."""

    name: str
    code: str
    code_tokens: list[str]
    docstring: str
    docstring_tokens: list[str]
    borrowed: bool


class Source:
    """A parsed file: its methods by their lines, and what ends where, as CodeSearchNet's reader walks it."""

    def __init__(self, data: bytes) -> None:
        self.lines = data.count(b"\n") + (not data.endswith(b"\n"))
        self._data = data
        self._methods: dict[tuple[int, int], Any] = {}
        self._ending: dict[int, Any] = {}
        tree = load_languages()[LANGUAGE].parse(data)
        waiting = [tree.root] if tree is not None else []
        while waiting:
            node = waiting.pop()
            waiting.extend(node.children)
            if node.type == "method":
                self._methods[node.start_point[0] + 1, node.end_point[0] + 1] = node
            if node.type in ("method", "comment"):
                self._ending[len(data[: node.end_byte].rstrip())] = node

    def function(self, start: int, end: int) -> Function | None:
        """The method of exactly these lines, or None."""
        node = self._methods.get((start, end))
        if node is None:
            return None
        documentation, borrowed = self._documentation(node)
        return Function(
            name=".".join((*_scopes(node), _name(node).decode(errors="replace"))),
            code=node.text.decode(errors="replace"),
            code_tokens=[leaf.decode(errors="replace") for leaf in _leaves(node)],
            docstring=documentation,
            docstring_tokens=docstring_tokens(documentation),
            borrowed=borrowed,
        )

    def _documentation(self, method: Any) -> tuple[str, bool]:
        """The comments before a method up to the next thing that is none, empty lines between them or not."""
        comments: list[str] = []
        at, passed, borrowed = method.start_byte, False, False
        while (node := self._ending.get(len(self._data[:at].rstrip()))) is not None:
            if node.type == "comment":
                comments.append(node.text.decode(errors="replace").strip().strip("#"))
                borrowed = borrowed or passed
            elif _name(node) in PASSED_OVER:
                passed = True
            else:
                break
            at = node.start_byte
        return "\n".join(reversed(comments)), borrowed


def _name(method: Any) -> bytes:
    return method.child_by_field_name("name").text


def _scopes(node: Any) -> list[str]:
    """Modules and classes around a node, the outermost first."""
    names = []
    while (node := node.parent) is not None:
        if node.type in ("module", "class"):
            names.append(node.child_by_field_name("name").text.decode(errors="replace"))
    return names[::-1]


def _leaves(node: Any) -> Iterator[bytes]:
    """Tokens in their order; a string is one."""
    if node.type == "string" or not node.children:
        yield node.text
        return
    for child in node.children:
        yield from _leaves(child)


def first_paragraph(documentation: str) -> str:
    """What stands before the first empty line, or before the first @tag where there is one paragraph."""
    first, separator, _ = documentation.partition("\n\n")
    return first if separator else documentation.partition("@")[0]


def docstring_tokens(documentation: str) -> list[str]:
    """Words of the first paragraph: the query."""
    return [match[0] for match in _TOKEN.finditer(first_paragraph(documentation))]


def is_clean(function: Function) -> bool:
    """Whether the lists could name it; what they name and is not clean was documented otherwise in the corpus."""
    count = len(function.docstring_tokens)
    return MIN_TOKENS <= count <= MAX_TOKENS and not _UNCLEAN.search(first_paragraph(function.docstring))
