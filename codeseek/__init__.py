"""Find the function that you describe in your own words, in a local repository, offline.

`types.py` shows the whole pipeline; `build.py` and `search.py` are the two jobs; `cli/` is one module a command.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
