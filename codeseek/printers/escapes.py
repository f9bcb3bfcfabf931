"""Characters that a terminal would obey, or that would make text read as something else, shown as escapes.

File names and code are untrusted: an escape sequence in them may retitle a window, hide a line or answer for the user.
"""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, line and paragraph separators, marks and overrides of direction (CVE-2021-42574), the byte
# order mark, and surrogates, which stand for bytes of a file name that are not UTF-8 (PEP 383).
_UNSAFE = "\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_IN_NAMES = re.compile(f"[\x00-\x0a{_UNSAFE}]")
_IN_CODE = re.compile(f"[\x00-\x08\x0a{_UNSAFE}]")  # all but the tab
_SURROGATES = re.compile("[\ud800-\udfff]")


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"


def escape_name(name: str) -> str:
    """Returns a path, a name or a message with every control character as `\\x1b` or `\\u202e`."""
    return _IN_NAMES.sub(_escaped, name)


def escape_code(line: str) -> str:
    """Returns one line of code, escaped likewise; tabs stay."""
    return _IN_CODE.sub(_escaped, line)


def escape_surrogates(json_text: str) -> str:
    """Returns JSON text as valid UTF-8: lone surrogates become JSON escapes, everything else stays."""
    return _SURROGATES.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)
