"""Prints what `tapetum promote --json` and `tapetum rollback --json` name, as `tapetum.delivery.fetch` takes it:
deploy/promoted.py promoted.json -> models:/NAME/VERSION DIGEST
"""

import json
import re
import sys
from pathlib import Path


def main(source: Path) -> None:
    """Print both words, or end with one line that says what is wrong."""
    try:
        moved = json.loads(source.read_text(encoding="utf-8"))
        words = f"models:/{moved['name']}/{moved['version']} {moved['digest']}"
    except FileNotFoundError:
        sys.exit(f"{source} is missing: make promote NAME=… writes it")
    except (OSError, ValueError, LookupError, TypeError) as error:
        sys.exit(f"{source} is not what `tapetum promote --json` prints ({error!r}): make promote NAME=… writes it")
    # They go into manifests and commands.
    if not re.fullmatch(r"models:/[\w.-]+/\d+ [0-9a-f]{64}", words):
        sys.exit(f"{source} names {words!r}: expected a name of letters, digits, dots and dashes, a number and a SHA-256")
    print(words)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
