"""Git's wildmatch as a regular expression that cannot blow up.

A star takes the first place where what follows it fits, and keeps it (atomic groups): between two stars the first fit
is never worse than a later one, so nothing needs to be tried twice. `*a*a*a*b` from a hostile ignore file costs what
`*b` does.
"""

from __future__ import annotations

import re

__all__ = ["expand_braces", "translate"]

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_STAR = object()
BRACE_EXPANSIONS_MAX = 256


def translate(pattern: str) -> str | None:
    """The expression of a pattern with neither its leading `!` nor its trailing slash.

    Matches a path relative to the pattern's folder, without a trailing slash. A pattern without a slash matches the
    last component at any depth; any other is tied to its folder.

    Returns:
        None for a pattern that matches nothing, such as one with an open bracket.
    """
    if "/" not in pattern:
        source = _translate_component(pattern)
        return None if source is None else f"(?:[^/]+/)*{source}"
    components = pattern.removeprefix("/").split("/")
    groups: list[list[str]] = [[]]
    for component in components:
        if component == "**":
            groups.append([])
            continue
        source = _translate_component(component)
        if source is None:
            return None
        groups[-1].append(source)
    head, *rest = groups
    if not rest:
        return "/".join(head)
    source = "".join(f"{part}/" for part in head)
    for group in rest[:-1]:
        if group:
            source += "(?>(?:[^/]+/)*?" + "".join(f"{part}/" for part in group) + ")"
    return source + ("(?:[^/]+/)*" + "/".join(rest[-1]) if rest[-1] else ".+")


def _translate_component(component: str) -> str | None:
    """One component. `**` beside other characters is `*`, as in git."""
    pieces = _parse_component(component)
    if pieces is None:
        return None
    runs: list[str] = [""]
    for piece in pieces:
        if piece is _STAR:
            runs.append("")
        else:
            runs[-1] += str(piece)
    head, *rest = runs
    if not rest:
        return head
    return head + "".join(f"(?>[^/]*?{run})" for run in rest[:-1] if run) + f"[^/]*{rest[-1]}"


def _parse_component(component: str) -> list[object] | None:
    pieces: list[object] = []
    at = 0
    while at < len(component):
        character = component[at]
        at += 1
        if character == "*":
            if not pieces or pieces[-1] is not _STAR:
                pieces.append(_STAR)
        elif character == "?":
            pieces.append("[^/]")
        elif character == "[":
            parsed = _parse_bracket(component, at)
            if parsed is None:
                return None
            source, at = parsed
            pieces.append(source)
        elif character == "\\":
            if at == len(component):
                return None
            pieces.append(re.escape(component[at]))
            at += 1
        else:
            pieces.append(re.escape(character))
    return pieces


def _parse_bracket(component: str, at: int) -> tuple[str, int] | None:
    """The set that starts behind a `[`, and where it ends; None if it is never closed."""
    negated = component[at : at + 1] in ("!", "^") and component[at : at + 1] != ""
    at += negated
    ranges: list[str] = []
    first = True
    while True:
        if at >= len(component):
            return None
        if component[at] == "]" and not first:
            break
        first = False
        if component.startswith("[:", at) and (end := component.find(":]", at)) > 0:
            name = component[at + 2 : end]
            if name not in _CLASSES:
                return None
            ranges.append(_CLASSES[name])
            at = end + 2
            continue
        low, at = _bracket_character(component, at)
        if component[at : at + 1] == "-" and component[at + 1 : at + 2] not in ("", "]"):
            high, at = _bracket_character(component, at + 1)
            if low <= high:
                ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append(re.escape(low))
    inside = "".join(ranges)
    if not inside:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"(?!/)[{'^' if negated else ''}{inside}]", at + 1


def _bracket_character(component: str, at: int) -> tuple[str, int]:
    if component[at] == "\\" and at + 1 < len(component):
        at += 1
    return component[at], at + 1


def expand_braces(glob: str) -> list[str]:
    """`*.{ts,tsx}` as `*.ts` and `*.tsx`; braces may nest. Beyond `BRACE_EXPANSIONS_MAX` results, the glob as it is."""
    pending, done = [glob], []
    while pending:
        current = pending.pop()
        match = next((found for found in re.finditer(r"\{([^{}]*)\}", current) if "," in found[1]), None)
        if match is None:
            done.append(current)
            continue
        pending.extend(current[: match.start()] + part + current[match.end() :] for part in match[1].split(","))
        if len(pending) + len(done) > BRACE_EXPANSIONS_MAX:
            return [glob]
    return done[::-1]
