"""What `tapetum promote --json` and `tapetum rollback --json` named, for make.

deploy/promoted.py promoted.json            models:/NAME/VERSION DIGEST, as `tapetum.delivery.fetch` takes them
deploy/promoted.py --moved promoted.json    NAME VERSION, if it was a promotion that moved the champion; else nothing
"""

import json
import re
import sys
from pathlib import Path


def main(only_if_moved: bool, source: Path) -> None:
    """Print what is asked for, or end with one line that says what is wrong."""
    try:
        moved = json.loads(source.read_text(encoding="utf-8"))
        name = moved["name"]
        words = f"models:/{name}/{moved['version']} {moved['digest']}"
        has_moved = bool(moved["checks"])
    except FileNotFoundError:
        sys.exit(f"{source} is missing: make promote NAME=… writes it")
    except (OSError, ValueError, LookupError, TypeError) as error:
        sys.exit(f"{source} is not what `tapetum promote --json` prints ({error!r}): make promote NAME=… writes it")
    # They go into manifests and commands.
    if not re.fullmatch(r"models:/[\w.-]+/\d+ [0-9a-f]{64}", words):
        sys.exit(
            f"{source} names {words!r}: expected a name of letters, digits, dots and dashes, a number and a SHA-256"
        )
    if not only_if_moved:
        print(words)
    elif has_moved:
        print(f"{name} {moved['version']}")


if __name__ == "__main__":
    main("--moved" in sys.argv, Path(sys.argv[-1]))
