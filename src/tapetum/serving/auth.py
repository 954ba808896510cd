"""Who may ask for what: keys from secret files, and the dependencies that guard the routes.

Every route stands behind one of the dependencies `probing`, `predicting`,
`telling`, `observing` and `administering`, or in `OPEN`.
"""

import hmac
import os
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from tapetum import settings as names
from tapetum.errors import ConfigError, SwitchedOff, Unauthorised
from tapetum.serving.paths import ASSET
from tapetum.settings import Settings

OPEN = {"/", ASSET, "/docs", "/openapi.json"}
API_KEY = "X-API-Key"
SHORTEST_KEY = 16

log = structlog.get_logger()


class Keys:
    """The keys of one file, one a line; lines that are blank or begin with # are none.

    Only their hashes are kept, so that no log or traceback can show a key. The
    file is read again when it changes. Should it then hold no good keys, those
    of before stay in force: a slip in a rotation must not shut everyone out.

    Raises ConfigError where there are no good keys at the start.
    """

    def __init__(self, path: Path, variable: str) -> None:
        self._path = path
        self._variable = variable
        self._stamp = self._look()
        self._hashes = self._read()

    def hold(self, key: str) -> bool:
        """Whether `key` is one of them, in a time that does not tell how near it came."""
        self._refresh()
        offered = _hash(key)
        return any(hmac.compare_digest(offered, known) for known in self._hashes)

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._hashes = self._read()
        except ConfigError as error:
            log.error("the keys of before stay in force", reason=str(error))
        else:
            log.info("keys read again", variable=self._variable, keys=len(self._hashes))

    def _look(self) -> tuple[int, ...]:
        """What changes with the file, or when an orchestrator swaps the link to it; empty where there is none."""
        try:
            seen = os.stat(self._path)
        except OSError:
            return ()
        return seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_size

    def _read(self) -> list[bytes]:
        try:
            lines = [line.strip() for line in self._path.read_text("ascii").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not plain ASCII"
            # From None: the text of a decoding error's frame is the keys.
            raise ConfigError(f"the file of {self._variable} cannot be read: {reason}") from None
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys or any(len(key) < SHORTEST_KEY or " " in key for key in keys):
            raise ConfigError(
                f"the file of {self._variable} must hold one key of at least {SHORTEST_KEY} characters a line, "
                "without spaces: `openssl rand -hex 32` makes one"
            )
        return [_hash(key) for key in keys]


class Access:
    """Whose keys open what in one deployment; an operator's key opens prediction too. Raises ConfigError."""

    def __init__(self, settings: Settings) -> None:
        callers = _keys("api_keys_file", settings)
        operators = _keys("operator_keys_file", settings)
        if settings.probes_need_key and not callers + operators:
            raise ConfigError(
                f"{names.variable('probes_need_key')} is true, but there are no keys: "
                f"set {names.variable('api_keys_file')} or {names.variable('operator_keys_file')}"
            )
        self.to_probe = callers + operators if settings.probes_need_key else ()
        self.to_predict = callers + operators if callers else ()
        self.to_tell = callers + operators
        self.to_observe = operators or callers
        self.to_administer = operators


def _keys(setting: str, settings: Settings) -> tuple[Keys, ...]:
    path: Path | None = getattr(settings, setting)
    return (Keys(path, names.variable(setting)),) if path else ()


def _hash(key: str) -> bytes:
    return sha256(key.encode()).digest()


_BEARER = HTTPBearer(auto_error=False, description="A key of this deployment.")
_HEADER = APIKeyHeader(name=API_KEY, auto_error=False, description="The same key, for clients that cannot send Bearer.")


async def _offered(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> str:
    return bearer.credentials if bearer else header or ""


def offered(request: Request) -> str:
    """The key that a request brings, or nothing; the same as FastAPI finds for other routes."""
    scheme, credentials = get_authorization_scheme_param(request.headers.get("Authorization"))
    return credentials if scheme.lower() == "bearer" and credentials else request.headers.get(API_KEY, "")


Offered = Annotated[str, Depends(_offered)]


def _guard(
    choose: Callable[[Access], tuple[Keys, ...]], switched_on_by: tuple[str, ...] = ()
) -> Callable[..., Awaitable[None]]:
    """What lets holders of keys in; without any it lets all in, or nobody where settings switch a route on."""

    async def guard(request: Request, offered: Offered) -> None:
        keys = choose(request.app.state.access)
        if not keys and switched_on_by:
            variables = " or ".join(names.variable(setting) for setting in switched_on_by)
            raise SwitchedOff(f"this is off: set {variables} to offer it to holders of a key")
        if keys and not any(known.hold(offered) for known in keys):
            found = "is none that opens this" if offered else "is missing"
            raise Unauthorised(f"the key {found}: send one as `Authorization: Bearer KEY` or as `{API_KEY}: KEY`")

    return guard


probing = _guard(lambda access: access.to_probe)
predicting = _guard(lambda access: access.to_predict)
telling = _guard(lambda access: access.to_tell, ("api_keys_file", "operator_keys_file"))
observing = _guard(lambda access: access.to_observe)
administering = _guard(lambda access: access.to_administer, ("operator_keys_file",))
GUARDS = (probing, predicting, telling, observing, administering)
