"""The exception tree. Every error that a user can cause carries one line of cause and one of remedy.

    CodeseekError
    ├── UsageError          a wrong argument, an empty query, no such directory
    ├── ConfigError         the user's configuration file
    ├── FileError           a file or folder that cannot be read or written
    ├── StoreError
    │   ├── IndexMissing    nothing was indexed yet
    │   ├── IndexFormat     written by another version
    │   ├── IndexDamaged    fails its own checks
    │   └── IndexLocked     another build holds it
    ├── ModelError          a model that cannot be found, loaded or trusted
    ├── DeviceError         a device that is not there or ran out of memory
    ├── GrammarError        a query file or a grammar wheel
    └── DataError           a data set, qrels or training pairs

Messages say what could not be done, with which thing, and why (got and wanted): lower case, no full stop. `hint` is one
command or action that helps.
"""

from __future__ import annotations

__all__ = [
    "REINSTALL",
    "CodeseekError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "FileError",
    "GrammarError",
    "IndexDamaged",
    "IndexFormat",
    "IndexLocked",
    "IndexMissing",
    "ModelError",
    "StoreError",
    "UsageError",
]


# The remedy for a package or file of ours that is missing; pip takes what fits the pins of pyproject.toml.
REINSTALL = "install codeseek again, in its clone: pip install --force-reinstall ."


class CodeseekError(Exception):
    """Root of the tree; exit code 2."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CodeseekError):
    """A wrong argument; the message names the nearest right one where there is one."""


class ConfigError(CodeseekError):
    """The user's configuration file cannot be read or holds a wrong value."""


class FileError(CodeseekError):
    """A file or folder that cannot be read or written, a full disk included."""


class StoreError(CodeseekError):
    """Anything about an index on disk."""


class IndexMissing(StoreError):
    """Nothing was indexed yet."""


class IndexFormat(StoreError):
    """The index was written in a format that this version does not read."""


class IndexDamaged(StoreError):
    """The index fails its own checks and cannot be mended by itself."""


class IndexLocked(StoreError):
    """Another process is building this index."""


class ModelError(CodeseekError):
    """A model that cannot be found, loaded or trusted."""


class DeviceError(CodeseekError):
    """A device that is not there, or that ran out of memory."""


class GrammarError(CodeseekError):
    """A grammar wheel that is missing, or a query file that does not compile against it."""


class DataError(CodeseekError):
    """A data set, qrels, a run or training pairs in a form that cannot be used."""
