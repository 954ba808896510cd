"""All that the doctor looks at, in order."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tapetum import settings
from tapetum.doctor import computing, credentials, installed, programs
from tapetum.doctor.finding import Finding


def examine() -> Iterator[Finding]:
    """What of this machine Tapetum can use; programs answer while the rest is looked at."""
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(lambda: [*programs.look(beside=Path(sys.executable).parent)])
        yield from installed.look()
        yield from computing.look()
        yield from asked.result()
        yield from programs.ports()
        given = _given()
        yield from credentials.look(given, Path(os.path.expanduser("~")), Path.cwd())
        yield from credentials.of_settings(given)


def _given() -> dict[str, str | None]:
    try:
        return settings.given()
    except UnicodeDecodeError:  # a .env file that the look at the settings complains about
        return dict(os.environ)
