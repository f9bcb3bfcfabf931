"""The command line: one module a command, and the only part besides `printers/` that knows of a terminal."""
