"""Aligned columns and readable numbers for the commands that report."""

from __future__ import annotations

from collections.abc import Sequence

from codeseek.printers.escapes import escape_name


def format_table(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Returns rows of cells as lines of aligned columns, two blanks apart; the last column is not padded."""
    if not rows:
        return ""
    shown = [[escape_name(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in shown
    )
    return "".join(indent + line.rstrip() + "\n" for line in lines)


def format_size(size_bytes: int) -> str:
    """Returns bytes in the unit that leaves one to four digits before the point: `12.3 MiB`."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Returns a number and its noun: `1 file`, `2,000 files`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
