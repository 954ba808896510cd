"""What is asked of a service under load: pictures as whole HTTP requests, of one's own or generated ones."""

import io
import ssl
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

import httpx
import numpy as np
from PIL import Image

from tapetum.delivery.connection import Target
from tapetum.errors import ConfigError, ResourceError

TIMEOUT_S = 30
_GENERATED = 8
_WIDTH, _HEIGHT = 500, 375
# Cells across, and how much they differ: the finer the fainter, as in photographs.
_NOISE = ((4, 90), (16, 40), (64, 20), (250, 12))
_BOUNDARY = "tapetum-bench-4f1c0a9d"


def address_of(url: str) -> SplitResult:
    """The parts of a service's address. Raises ConfigError."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    raise ConfigError(f"{url!r} is no address of a service: expected such as http://localhost:8000")


def post(url: str, bodies: Sequence[bytes], headers: dict[str, str]) -> Target:
    """POST requests to an address. Raises ConfigError."""
    parts = address_of(url)
    place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc.rpartition("@")[2]} | headers
    head = f"POST {place} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    requests = tuple(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body for body in bodies)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    return Target(parts.hostname or "", parts.port or (443 if tls else 80), tls, requests)


def pictures(url: str, contents: Sequence[bytes], headers: dict[str, str], as_forms: bool = False) -> Target:
    """Each picture to /predict of the service at an address, raw or as the field `file`. Raises ConfigError."""
    place = f"{url.rstrip('/')}/predict"
    if not as_forms:
        return post(place, contents, headers)
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return post(place, [form(content) for content in contents], headers | kind)


def form(content: bytes) -> bytes:
    """A picture as the body of a form."""
    head = 'Content-Disposition: form-data; name="file"; filename="picture"\r\nContent-Type: application/octet-stream'
    return f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def require_answer(url: str, picture: bytes, headers: dict[str, str]) -> None:
    """Raise ResourceError unless a service answers one picture."""
    try:
        response = httpx.post(f"{url.rstrip('/')}/predict", content=picture, headers=headers, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise ResourceError(f"{url} does not answer ({error or type(error).__name__}): is the service up?") from error
    if response.status_code != httpx.codes.OK:
        raise ResourceError(f"{url} refuses a picture with status {response.status_code}: {_reason(response)}")


def generated() -> list[bytes]:
    """JPEGs of 500 by 375 pixels and as many bytes as photographs of these have, about 25,000."""
    return [_generated(seed) for seed in range(_GENERATED)]


def _generated(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = np.full((_HEIGHT, _WIDTH, 3), 128.0)
    for cells, strength in _NOISE:
        noise = rng.integers(0, 256, (cells * 3 // 4, cells, 3), dtype=np.uint8)
        grown = Image.fromarray(noise).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
        pixels += (np.asarray(grown) / 127.5 - 1) * strength
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=72)
    return stream.getvalue()


def _reason(response: httpx.Response) -> str:
    """What a problem says in detail, or the start of whatever else was answered."""
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return response.text[:200]
