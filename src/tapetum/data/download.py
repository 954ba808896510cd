"""Download one file over HTTP: go on where an earlier try stopped, and name the file only when it is whole."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tapetum import files
from tapetum.errors import ConfigError, DownloadError
from tapetum.progress import Advance, silent
from tapetum.settings import masked

MAX_BYTES = 100_000_000_000
TRIES = 5
_MAX_REDIRECTS = 10
_TIMEOUT_S = 30.0
_STAGE = "download (kB)"


class _Cut(Exception):
    """The rest may come with another try."""


@dataclass(frozen=True)
class _Note:
    """Where the bytes of a part file come from, kept beside it."""

    url: str
    validator: str  # the server's strong ETag or its Last-Modified, as If-Range wants it


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    advance: Advance = silent,
    *,
    max_bytes: int = MAX_BYTES,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch `url` into `target`, which takes its name when length and checksum are right.

    What has arrived waits in `target`.part, also between runs; it is continued
    only where the server says that its file is still the same. Raises
    ConfigError for an argument, ResourceError for a full disk, DownloadError.
    """
    checked_sha256(sha256)
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{masked(url)} is neither http:// nor https://: only these can be fetched")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with _client() as client:
        _persist(lambda: _receive(client, url, part, max_bytes, advance), url, part, sleep)
    if sha256 is not None and (found := files.sha256(part)) != sha256.lower():
        _forget(part)
        raise DownloadError(
            f"{masked(url)} has the SHA-256 {found}, expected {sha256.lower()}: "
            "it is not the promised file; check the address and the checksum"
        )
    part.replace(target)
    _forget(part)


def checked_sha256(sha256: str | None) -> None:
    """Raise ConfigError unless `sha256` is none or 64 hexadecimal digits."""
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ConfigError(f"--sha256 is {sha256!r}: expected 64 hexadecimal digits, as sha256sum prints them")


def _client() -> httpx.Client:
    """Proxies and certificates are those of the environment, as httpx reads it."""
    try:
        return httpx.Client(follow_redirects=True, max_redirects=_MAX_REDIRECTS, timeout=_TIMEOUT_S)
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"the proxy or the certificates that the environment names cannot be used ({error}): "
            "check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from None


def _persist(receive: Callable[[], None], url: str, part: Path, sleep: Callable[[float], None]) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            receive()
            return
        except httpx.TooManyRedirects:
            raise DownloadError(
                f"{masked(url)} redirects more than {_MAX_REDIRECTS} times: open it in a browser for its last address"
            ) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise DownloadError(f"{masked(url)} leads to no http address ({error}): check the address") from None
        except (httpx.HTTPError, _Cut) as error:
            if attempt == TRIES:
                rest = (
                    f"; it goes on after the {part.stat().st_size:,} bytes that have arrived"
                    if _read_note(part)
                    else ""
                )
                raise DownloadError(
                    f"{masked(url)} failed {TRIES} times, at last with {error}: try again later{rest}"
                ) from None
            sleep(2.0 ** (attempt - 1))


def _receive(client: httpx.Client, url: str, part: Path, max_bytes: int, advance: Advance) -> None:
    """One try. Raises _Cut or an httpx error where another may help."""
    note = _read_note(part)
    held = part.stat().st_size if note and note.url == url and part.exists() else 0
    # A transfer coding would make lengths and ranges those of other bytes than the file's.
    headers = {"Accept-Encoding": "identity"}
    if note and held:
        headers |= {"Range": f"bytes={held}-", "If-Range": note.validator}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and held:
            if _range(response) == (None, held):
                return  # The last try ended between the last byte and the new name.
            _forget(part)
            raise _Cut(f"status 416 for what follows the first {held} bytes")
        start = _start(response, url, held)
        total = _total(response, start)
        _require_room(url, part, total, start, max_bytes)
        if start == 0:
            part.unlink(missing_ok=True)
            _write_note(part, url, response)
        _write(response, part, start, total, max_bytes, advance)


def _start(response: httpx.Response, url: str, held: int) -> int:
    """How many of the held bytes this answer continues; a server that ignores ranges sends all anew."""
    status = response.status_code
    if status == httpx.codes.OK:
        return 0
    if status == httpx.codes.PARTIAL_CONTENT and held:
        if _range(response)[0] == held:
            return held
        raise _Cut(f"another range than the one after {held} bytes")
    answer = f"status {status} {response.reason_phrase}".strip()
    if status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS):
        raise _Cut(answer)
    raise DownloadError(f"{masked(url)} answered with {answer}: check the address, and whether it asks for a login")


def _range(response: httpx.Response) -> tuple[int | None, int | None]:
    """First byte and full length as Content-Range names them: `bytes 10-19/20`, `bytes */20`, `bytes 10-19/*`."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    first, full = match.groups()
    return int(first) if first else None, int(full) if full != "*" else None


def _total(response: httpx.Response, start: int) -> int | None:
    """Length of the whole file, None where the server does not say."""
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    full = _range(response)[1]
    if start and full is not None and total is not None and full != total:
        raise _Cut(f"a part that ends at {total} bytes of a file of {full}")
    return total if total is not None else full


def _require_room(url: str, part: Path, total: int | None, start: int, max_bytes: int) -> None:
    if total is None:
        return
    if total > max_bytes:
        raise DownloadError(f"{masked(url)} is {total:,} bytes long: at most {max_bytes:,} are fetched")
    files.require_space(part.parent, total - start)


def _write(
    response: httpx.Response, part: Path, start: int, total: int | None, max_bytes: int, advance: Advance
) -> None:
    done = start
    with part.open("ab") as sink:
        # As they come: in chunks of a fixed size, the last ones before a cut would be lost.
        for chunk in response.iter_raw():
            done += len(chunk)
            if done > max_bytes:
                _forget(part)
                raise DownloadError(
                    f"{masked(str(response.url))} sends more than {max_bytes:,} bytes: no more is fetched"
                )
            sink.write(chunk)
            advance(_STAGE, done // 1000, (total or 0) // 1000)
    if total is not None and done != total:
        raise _Cut(f"{done} bytes where {total} were announced")


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> _Note | None:
    try:
        return _Note(**json.loads(_note_path(part).read_text()))
    except (OSError, ValueError, TypeError):
        return None  # Without a note that can be read, the part file is begun anew.


def _write_note(part: Path, url: str, response: httpx.Response) -> None:
    """Without a validator there is no note: the same file could not be told from a changed one."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    _note_path(part).unlink(missing_ok=True)
    if validator:
        files.write_text(_note_path(part), json.dumps(asdict(_Note(url, validator))))


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_path(part).unlink(missing_ok=True)
