"""What stands at `/`: for programs what the service is, for browsers a page to try it and watch it."""

import hashlib
import re
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from tapetum import __version__
from tapetum.serving.paths import ASSET, Paths
from tapetum.serving.routes import TheModel
from tapetum.settings import Settings

# Scripts and styles come from here alone, and no text is ever taken for markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_FOLDER = Path(__file__).parent / "page"
_FRAME = "index.html"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HTML, _JSON = "text/html", "application/json"
_FOR_HOLDERS = ("/feedback",)  # routes that the page uses where there are any, and keys, without which they are off
_DIGITS = 16
_TEXT = {"type": "string"}
_BY_ACCEPT = {"Vary": "Accept"}
_QUALITY = re.compile(r"[01](\.\d{0,3})?")


class Info(BaseModel):
    """What this service is."""

    message: str
    version: str
    docs: str = "/docs"


class Page:
    """The page as it is sent: its frame, and files whose address has the digest of them all.

    So a browser keeps them for ever, and never mixes those of two versions.
    """

    def __init__(self, paths: Paths, settings: Settings) -> None:
        files = {file.name: file.read_bytes() for file in sorted(_FOLDER.iterdir()) if file.is_file()}
        frame = files.pop(_FRAME).decode()
        has_keys = bool(settings.api_keys_file or settings.operator_keys_file)
        self.files = files
        self.digest = _digest(b"".join(name.encode() + content for name, content in files.items()))
        told = {
            "digest": self.digest,
            "offered": " ".join(path for path in _FOR_HOLDERS if path in paths and has_keys),
            "unsure_below": str(settings.low_confidence),
            "version": __version__,
        }
        self.html = re.sub(r"\{(\w+)\}", lambda found: told[found[1]], frame)
        self.etag = f'"{_digest(self.html.encode())}"'


router = APIRouter()


@router.get("/", response_model=Info, responses={200: {"model": Info, "content": {_HTML: {"schema": _TEXT}}}})
async def home(request: Request, model: TheModel) -> Response:
    """What this service is; a page to try it and watch it, for who prefers text/html, as browsers do."""
    accept = request.headers.get("accept", "")
    if not _preference(accept, _HTML) or _preference(accept, _HTML) < _preference(accept, _JSON):
        info = Info(message=model.facts.title if model.is_loaded else "Tapetum", version=__version__)
        return JSONResponse(info.model_dump(), headers=_BY_ACCEPT)
    page: Page = request.app.state.page
    headers = _BY_ACCEPT | {"ETag": page.etag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    if page.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page.html, headers=headers)


@router.get(ASSET, include_in_schema=False)
async def asset(request: Request, digest: str, name: str) -> Response:
    """A file of the page, which never changes under its address."""
    page: Page = request.app.state.page
    if digest != page.digest or name not in page.files:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Security-Policy": POLICY}
    return Response(page.files[name], headers=headers, media_type=_TYPES[Path(name).suffix])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _preference(accept: str, media_type: str) -> float:
    """How much a client wants a type that its Accept header names, from 0 to 1; 0 where it names it not."""
    for offer in accept.lower().split(","):
        name, *parameters = (word.strip() for word in offer.split(";"))
        if name == media_type:
            quality = next((word.removeprefix("q=") for word in parameters if word.startswith("q=")), "1")
            return float(quality) if _QUALITY.fullmatch(quality) else 0.0
    return 0.0
