"""`python -m tapetum.delivery.ready`: whether the service of this container is ready, for a HEALTHCHECK without curl.

It finds port and keys where the service found them. Exit code 0 is yes; else 1, and the reason is printed.
"""

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tapetum import settings
from tapetum.errors import TapetumError
from tapetum.settings import Settings

TIMEOUT_S = 4
_EVERY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to translate, not to listen on


def obstacle(chosen: Settings) -> str | None:
    """Why the service of these settings is not ready; None where it is."""
    connection = HTTPConnection(_EVERY.get(chosen.host, chosen.host), chosen.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/ready", headers=_key(chosen))
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"no answer on port {chosen.port}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == 200 else f"status {answer.status}: {body}"


def _key(chosen: Settings) -> dict[str, str]:
    path: Path | None = chosen.operator_keys_file or chosen.api_keys_file
    if not chosen.probes_need_key or path is None:
        return {}
    keys = (line.strip() for line in path.read_text().splitlines())
    return {"X-API-Key": next((key for key in keys if key and not key.startswith("#")), "")}


def main() -> int:
    """Print the obstacle, if any; return the exit code."""
    try:
        found = obstacle(settings.load())
    except (TapetumError, OSError) as error:
        found = str(error)
    if found:
        print(found)  # noqa: T201 - the health log of the container
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
