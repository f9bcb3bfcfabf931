"""What a path tells of its file: a test, an example, somebody else's code, declarations only, documentation."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["is_documentation", "path_flags"]

_TEST = re.compile(
    r"(^|/)(tests?|__tests__|specs?|testing|testdata|test[-_]\w+|\w+[-_]tests?|(common|jvm|js|native|android|unit)Tests?)/"
    r"|(^|/)(tests?_[^/]*|[^/]*[._-](tests?|spec|specs)\.\w+|conftest\.py|[^/]*(?<=[a-z0-9])(Tests?|Spec|Suite|TestCase)\.\w+)$"
)
_EXAMPLE = re.compile(
    r"(^|/)_?(examples?|samples?|demos?|docs?_src|tutorials?|playground|sandbox|bench(marks?)?)/", re.I
)
_DOCUMENTATION = re.compile(r"(^(docs?|website)|/docs)/", re.I)
_LEGACY = re.compile(
    r"(^|/)_?(compat|legacy|deprecated|vendor(ed)?|third[-_]?party|node_modules|external|deps|single_include|single-header|dist)/",
    re.I,
)
_DECLARATION = re.compile(r"\.d\.[cm]?ts$|\.pyi$|(^|/)(__init__\.py|package-info\.java|module-info\.java)$")


@lru_cache(maxsize=65536)
def path_flags(path: str) -> tuple[bool, bool, bool, bool]:
    """Whether a path is a test, an example, legacy or vendored, a declaration only."""
    return (
        bool(_TEST.search(path)),
        bool(_EXAMPLE.search(path)),
        bool(_LEGACY.search(path)),
        bool(_DECLARATION.search(path)),
    )


def is_documentation(path: str) -> bool:
    return bool(_DOCUMENTATION.search(path))
