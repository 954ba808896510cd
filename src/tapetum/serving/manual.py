"""What stands at `/docs`: every route of the service for people, made of what /openapi.json tells programs.

The page that FastAPI brings loads its scripts from another host, which this service promises nobody.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tapetum.markup import safe, table
from tapetum.serving.home import POLICY, Page

router = APIRouter()

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: the HTTP interface</title>
<link rel="icon" type="image/svg+xml" href="page/{digest}/logo.svg">
<link rel="stylesheet" href="page/{digest}/page.css">
</head>
<body>
<main class="manual">
<h1>The HTTP interface</h1>
<p class="lead">{title} {version}. <a href="./">Try pictures and watch the service</a>, or give
<a href="openapi.json">openapi.json</a> to a program: it describes all of this with schemas, and clients can be made
of it. Without further ado:</p>
<pre><code>curl -F file=@photo.jpg {address}predict</code></pre>
{routes}
</main>
</body>
</html>
"""


@router.get("/docs", include_in_schema=False)
def manual(request: Request) -> HTMLResponse:
    """Every route, what it takes and what it answers."""
    described = request.app.openapi()
    page: Page = request.app.state.page
    text = _FRAME.format(
        title=safe(described["info"]["title"]),
        version=safe(described["info"]["version"]),
        digest=page.digest,
        address=safe(str(request.base_url)),
        routes="\n".join(_routes(described)),
    )
    return HTMLResponse(text, headers={"Cache-Control": "no-cache", "Content-Security-Policy": POLICY})


def _routes(described: dict[str, Any]) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            yield f"<h2><code>{method.upper()} {safe(path)}</code></h2>"
            yield f"<p>{_marked(route.get('description', route.get('summary', '')))}</p>"
            rows = [*_taken(route), *_answered(route)]
            yield table(("where", "what", "meaning"), rows, kind="")


def _taken(route: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Parameters and bodies: where they stand, their names, what they mean."""
    for parameter in route.get("parameters", ()):
        said = parameter.get("description", "") + (" Needed." if parameter.get("required") else "")
        yield safe(parameter["in"]), f"<code>{safe(parameter['name'])}</code>", _marked(said.strip())
    for kind, content in route.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        yield "body", f"<code>{safe(kind)}</code>", _marked(schema.get("description", ""))
        for name, field in schema.get("properties", {}).items():
            if "description" in field:
                yield "field of it", f"<code>{safe(name)}</code>", _marked(field["description"])


def _answered(route: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Answers: their types, and their statuses with what they mean; a problem's `detail` says what is wrong."""
    by_kinds: dict[str, list[str]] = {}
    for status, answer in sorted(route["responses"].items()):
        kinds = ", ".join(f"<code>{safe(kind)}</code>" for kind in answer.get("content", {}))
        meaning = "" if status == "200" else f" {answer['description'].removesuffix('.')}"
        by_kinds.setdefault(kinds, []).append(_marked(f"{status}{meaning}"))
    for kinds, statuses in by_kinds.items():
        yield "answer", kinds, "; ".join(statuses)


def _marked(text: str) -> str:
    """Text as HTML, with what stands in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", safe(text))
