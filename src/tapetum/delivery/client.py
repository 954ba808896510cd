"""A service in a program: asks, and asks again where the service says that this may help."""

import itertools
import json
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from tapetum.delivery.target import address_of
from tapetum.errors import ConfigError, ResourceError, ServiceError
from tapetum.inference.classifier import Answer, Picture, content_of

TIMEOUT = "X-Request-Timeout"
_AGAIN = {429, 502, 503, 504}  # 502 is of a proxy whose service just went away
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0


class _Found(NamedTuple):
    """What was answered, whole."""

    status: int
    content: bytes
    retry_after_s: float


class Client:
    """A connection to one service, kept open; a context manager closes it.

    A call takes `timeout_s` at most, waiting between its attempts included. A
    service that is full or starting is asked again after the time that its
    `Retry-After` gives, or longer each time, with chance in it, so that callers
    who were refused together do not return together.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises ConfigError for what is no address or no key."""
        address_of(url)
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError("api_key has letters that no header can carry: expected the key as the service has it")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=url, headers=headers)
        self._url = url
        self._timeout_s = timeout_s
        self._sleep = sleep

    def predict(self, picture: Picture) -> Answer:
        """The class of one picture.

        Raises BrokenPicture for a file that cannot be read, ServiceError with
        the service's reason where it refuses, ResourceError where it is not
        reached or is no Tapetum.
        """
        found = self._ask(content_of(picture))
        try:
            body: dict[str, Any] = json.loads(found.content)
            if found.status != httpx.codes.OK:
                raise ServiceError(f"{self._url} refused: {body['detail']}", found.status, str(body["type"]))
            return Answer(str(body["prediction"]), float(body["confidence"]), dict(body["probabilities"]))
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ResourceError(
                f"{self._url} does not answer as a Tapetum service, but with status {found.status}: {error!r}"
            ) from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, content: bytes) -> _Found:
        deadline = time.monotonic() + self._timeout_s
        for attempt in itertools.count():
            found: _Found | httpx.HTTPError
            try:
                found = self._post(content, deadline)
                if found.status not in _AGAIN:
                    return found
                asked_s = found.retry_after_s
            except httpx.HTTPError as error:
                found, asked_s = error, 0.0
            most_s = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
            pause_s = asked_s + random.uniform(0, most_s)  # noqa: S311  # nobody gains by guessing it
            if time.monotonic() + pause_s >= deadline:
                break
            self._sleep(pause_s)
        if isinstance(found, httpx.HTTPError):
            raise ResourceError(f"{self._url} is not reached: {found or type(found).__name__}") from found
        return found

    def _post(self, content: bytes, deadline: float) -> _Found:
        left_s = max(0.001, deadline - time.monotonic())
        headers = {TIMEOUT: f"{left_s:.3f}"}  # the service need not compute what nobody waits for
        body = bytearray()
        with self._client.stream("POST", "/predict", content=content, headers=headers, timeout=left_s) as response:
            for chunk in response.iter_bytes():
                body += chunk
                # httpx counts from the last byte, so what trickles in would never be late.
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer comes too slowly")
            return _Found(response.status_code, bytes(body), _retry_after_s(response))


def _retry_after_s(response: httpx.Response) -> float:
    """What `Retry-After` asks for, in seconds or as a date; 0 where it does not."""
    given = response.headers.get("Retry-After", "")
    if given.isdecimal():
        return float(given)
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return 0.0
