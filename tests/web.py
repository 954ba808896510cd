"""A real HTTP server on a free port, whose answers a test writes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Web:
    """`answers` are given in turn, the last one for ever; `asked` holds the headers of each request."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # One answer a connection, so that a cut connection is cut for the client too.
            self.close_connection = True
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with in_turn:
                place.asked.append(dict(self.headers.items()))
                answer = place.answers.pop(0) if len(place.answers) > 1 else place.answers[0]
            answer(self)

        do_POST = do_HEAD = do_GET  # noqa: N815 (the names are http.server's)

        def log_message(self, *args: object) -> None:
            pass

    in_turn = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    place = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(status: int, content: bytes = b"", **headers: object) -> Answer:
    """A status, headers (`Content_Length` for Content-Length) and bytes, whether they fit together or not."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": len(content)} | named).items():
            if value is not None:
                handler.send_header(name, str(value))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def serves(content: bytes, etag: str | None = '"first"', cut_after: int | None = None) -> Answer:
    """A file as a good server gives it, with ranges; the connection is cut after so many bytes of an answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        first = 0
        wanted = handler.headers.get("Range")
        if wanted and handler.headers.get("If-Range") in (None, etag):
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if first and first >= len(content):
            says(416, Content_Range=f"bytes */{len(content)}")(handler)
            return
        extent = {"Content_Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if first else {}
        rest = content[first:]
        says(206 if first else 200, rest[:cut_after], Content_Length=len(rest), ETag=etag, **extent)(handler)

    return answer
