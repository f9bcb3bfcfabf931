"""From an exception to its lines on standard error and its exit code."""

from __future__ import annotations

import errno
import re
from typing import Any

from codeseek.cli.choices import nearest
from codeseek.cli.streams import notice
from codeseek.errors import CodeseekError

EXIT_NO_HIT = 1
EXIT_ERROR = 2

_REMEDIES = {
    errno.ENOSPC: "free some space, or move the cache: CODESEEK_CACHE_DIR=/elsewhere codeseek …",
    errno.EACCES: "check the permissions: codeseek doctor",
    errno.EPERM: "check the permissions: codeseek doctor",
    errno.EROFS: "move the cache to a place that can be written: CODESEEK_CACHE_DIR=/elsewhere codeseek …",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


def report_failure(error: Exception) -> int:
    """Say what failed, why, and what helps.

    Args:
        error: One of the tree in `errors.py`, or anything that should have been translated into it.

    Returns:
        The exit code, 2.
    """
    if isinstance(error, CodeseekError):
        notice(str(error), hint=error.hint)
    elif isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        notice(f"{place}{(error.strerror or str(error)).lower()}", hint=_REMEDIES.get(error.errno or 0, ""))
    elif isinstance(error, MemoryError):
        notice("out of memory", hint="search or index a smaller folder: codeseek index DIR")
    else:
        notice(f"internal error: {type(error).__name__}: {error}", hint="see where: add --debug")
    return EXIT_ERROR


def report_misuse(error: Any) -> int:
    """Say which argument typer refused, and the nearest right one.

    Args:
        error: A `typer.TyperException`.

    Returns:
        The exit code, 2.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "codeseek"
    hint = f"see {command} --help"
    option = getattr(error, "option_name", "")
    if option and context is not None:
        offered = [name for parameter in context.command.get_params(context) for name in parameter.opts]
        close = nearest(option, offered)
        hint = f"did you mean {close}? {hint}" if close else hint
    message = error.format_message().split("(Possible options")[0]
    notice(_in_house_style(message), hint=hint)
    return EXIT_ERROR


def _in_house_style(message: str) -> str:
    """Lower case, one line, no full stop."""
    message = " ".join(message.split()).rstrip(".")
    message = re.sub(r"is not a valid int(eger)?( range)?$", "is not a whole number", message)
    message = re.sub(r"is not a valid float( range)?$", "is not a number", message)
    return message[:1].lower() + message[1:]
