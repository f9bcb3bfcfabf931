"""Check an installed codeseek from outside: check_wheel.py ENVIRONMENT SAMPLES SOURCE, with the network blocked.

Standard library only. Every language must be cut by its syntax, and the README's question about this repository must
find the code that answers it.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path


def run(environment: Path, *arguments: str) -> str:
    """Returns what a codeseek command printed; ends the check if it fails."""
    done = subprocess.run([environment / "bin" / "codeseek", *arguments], text=True, capture_output=True, check=False)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        sys.exit(f"codeseek {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_offline() -> None:
    try:
        socket.create_connection(("pypi.org", 443), timeout=3).close()
    except (OSError, TypeError):
        return
    sys.exit("the network is not blocked")


def check_location(environment: Path) -> None:
    """The package and its data come out of the wheel, not out of a checkout."""
    code = "import codeseek.languages as l; print(l.__file__, l.find_grammars())"
    done = subprocess.run([environment / "bin" / "python", "-c", code], text=True, capture_output=True, check=True)
    for place in done.stdout.split():
        if not Path(place).is_relative_to(environment):
            sys.exit(f"{place} is not in {environment}")


def check_languages(environment: Path, samples: Path) -> None:
    """Each language has a sample with a definition that was cut by its syntax."""
    run(environment, "index", str(samples), "--verbose")
    names = [entry["name"] for entry in json.loads(run(environment, "languages", "--format", "json"))["languages"]]
    if len(names) < 20:
        sys.exit(f"only {len(names)} languages: {names}")
    for name in names:
        arguments = ["--root", str(samples), "--lang", name, "--format", "json", "--kind", DEFINITIONS]
        hits = json.loads(run(environment, "search", "a function", *arguments))["hits"]
        if not any(hit["language"] == name and hit["name"] for hit in hits):
            sys.exit(f"no definition in the sample of {name}")
    sys.stdout.write(f"{len(names)} languages: {' '.join(names)}\n")


DEFINITIONS = "function,method,constructor,class,struct,enum,trait,interface,type,module,macro"


def check_search(environment: Path, source: Path) -> None:
    """The README's first search, on the checkout that the wheel was built from."""
    query = re.search(r'codeseek search "([^"]+)"', (source / "README.md").read_text(encoding="utf-8"))[1]
    printed = run(environment, "search", "--wait", "--root", str(source), query)
    sys.stdout.write(printed)
    if "codeseek/ignore.py" not in printed and "codeseek/files.py" not in printed:
        sys.exit("the search did not find the code that skips ignored files")


def main() -> None:
    environment, samples, source = (Path(argument).resolve() for argument in sys.argv[1:4])
    check_offline()
    check_location(environment)
    run(environment, "doctor")
    check_languages(environment, samples)
    check_search(environment, source)


if __name__ == "__main__":
    main()
