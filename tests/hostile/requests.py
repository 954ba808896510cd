"""Hostile requests as the bytes of a connection: a function for each family, each giving names and bytes."""

import gzip
import json
from collections.abc import Callable, Iterator

Wires = Iterator[tuple[str, bytes]]


def wire(start: str, *headers: str, body: bytes = b"") -> bytes:
    """A request that asks for the connection to be closed after its answer."""
    head = [start, "Host: service", "Connection: close", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def post(body: bytes, *headers: str, path: str = "/predict") -> bytes:
    return wire(f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *headers, body=body)


def form(body: bytes, boundary: str = "b", path: str = "/predict") -> bytes:
    return post(body, f"Content-Type: multipart/form-data; boundary={boundary}", path=path)


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="a.jpg"', *headers: str) -> bytes:
    lines = "\r\n".join(["--b", f"Content-Disposition: {disposition}", *headers])
    return lines.encode("latin-1") + b"\r\n\r\n" + content + b"\r\n"


END = b"--b--\r\n"


def forms() -> Wires:
    picture = b"\xff\xd8\xff picture"
    whole = part(picture) + END
    for charset in ("rot13", "zlib", "undefined", "punycode", "idna", "utf-7", "no-such", "a\0b", "é"):
        yield f"charset {charset!r}", post(whole, f"Content-Type: multipart/form-data; boundary=b; charset={charset}")
    for kind in (
        "",
        "; boundary",
        "; boundary=",
        '; boundary=""',
        '; boundary="',
        "; boundary=" + "x" * 5_000,
        "; ; ;=;",
    ):
        yield f"form{kind[:20]}", post(whole, f"Content-Type: multipart/form-data{kind}")
    yield "two boundaries", post(whole, "Content-Type: multipart/form-data; boundary=b; boundary=c")
    yield "two content types", post(whole, "Content-Type: multipart/form-data; boundary=b", "Content-Type: image/png")
    yield "a boundary that the body lacks", form(whole, "other")
    yield "no last boundary", form(part(picture))
    yield "only the last boundary", form(END)
    yield "nothing", form(b"")
    yield "10,000 parts", form(part(b"x", 'form-data; name="x"') * 10_000 + END)
    yield "1,000 files", form(part(picture) * 1_000 + END)
    yield "two pictures in the field", form(part(picture) * 2 + END)
    yield "a text and a picture of one name", form(part(b"cat", 'form-data; name="file"') + whole)
    yield (
        "a part in a part",
        form(
            part(
                part(picture) + END, 'form-data; name="file"; filename="a"', "Content-Type: multipart/mixed; boundary=b"
            )
            + END
        ),
    )
    yield (
        "10,000 headers in a part",
        form(part(picture, 'form-data; name="file"; filename="a"', *["X: y"] * 10_000) + END),
    )
    yield (
        "a header of a megabyte in a part",
        form(part(picture, "form-data; name=file; filename=" + "a" * 1_000_000) + END),
    )
    yield "a name of a megabyte", form(part(b"x", f'form-data; name="{"n" * 1_000_000}"') + END)
    yield "a header without end", form(b"--b\r\nContent-Disposition: " + b"x" * 1_000_000)
    yield "a header without a name", form(b"--b\r\n: x\r\n\r\n" + END)
    yield "no disposition", form(b"--b\r\n\r\n" + picture + b"\r\n" + END)
    yield (
        "a transfer encoding of nonsense",
        form(part(picture, 'form-data; name="file"; filename="a"', "Content-Transfer-Encoding: x-zip") + END),
    )
    yield (
        "base64",
        form(part(b"/9j/", 'form-data; name="file"; filename="a"', "Content-Transfer-Encoding: base64") + END),
    )
    yield "almost boundaries", form(part(b"\r\n--" * 200_000) + END)
    yield "boundaries in a row", form(b"--b\r\n" * 100_000)
    for name in (
        "../../etc/passwd",
        "a\0.jpg",
        "a\r\nX-Evil: 1.jpg",
        'a".jpg',
        "a\\",
        "\xff\xfe",
        "con",
        "%00",
        "a" * 9_000,
    ):
        yield f"a file called {name[:20]!r}", form(part(picture, f'form-data; name="file"; filename="{name}"') + END)
    for value in ("utf-8''%zz", "no-such''a", "", "'", "utf-8''%00"):
        yield f"an extended file name {value!r}", form(part(picture, f"form-data; name=file; filename*={value}") + END)
    yield (
        "a batch of 1,000",
        form(part(picture, 'form-data; name="files"; filename="a"') * 1_000 + END, path="/predict/batch"),
    )
    yield "a batch without pictures", form(END, path="/predict/batch")
    yield "a batch that is no form", post(picture, path="/predict/batch")
    yield (
        "a batch of bad pictures",
        form(part(picture, 'form-data; name="files"; filename="a"') * 8 + END, path="/predict/batch"),
    )
    yield "a heat map of a bad picture", form(whole, path="/explain")
    yield "a heat map of nothing", post(b"", path="/explain")
    yield "a heat map of a batch", form(part(picture, 'form-data; name="files"; filename="a"') + END, path="/explain")
    for query in (
        "class=",
        "class=a&class=b",
        "class=%ff%00",
        "class=" + "x" * 5_000,
        "format=%0d%0a",
        "format=",
        "a[]=b",
    ):
        yield f"a heat map with {query[:20]}", post(picture, path=f"/explain?{query}")


def lengths() -> Wires:
    for value in ("-1", "+5", "5,5", "0x5", "5 5", "", "abc", "9" * 30, "1e3", "²", "5\t6"):
        yield f"a length of {value[:12]!r}", wire("POST /predict HTTP/1.1", f"Content-Length: {value}", body=b"hello")
    yield "a length of 50 MB", wire("POST /predict HTTP/1.1", "Content-Length: 50000000", body=b"hello")
    yield "a body shorter than its length", wire("POST /predict HTTP/1.1", "Content-Length: 500", body=b"hello")
    yield "a body longer than its length", wire("POST /predict HTTP/1.1", "Content-Length: 2", body=b"hello")
    yield "a body of GET", wire("GET /health HTTP/1.1", "Content-Length: 5", body=b"hello")
    yield "no length", wire("POST /predict HTTP/1.1", body=b"hello")
    yield "an encoding of gzip", post(b"\x1f\x8b\x08\0", "Content-Encoding: gzip")


def chunks() -> Wires:
    def chunked(body: bytes, *headers: str) -> bytes:
        return wire("POST /predict HTTP/1.1", "Transfer-Encoding: chunked", *headers, body=body)

    yield "chunks", chunked(b"5\r\nhello\r\n0\r\n\r\n")
    for size in (b"-5", b"+5", b"0x5", b"G", b"", b"5 ", b"FFFFFFFFFFFFFFFF", b"1" * 40, b"5;" + b"x" * 20_000):
        yield f"a chunk of {size[:12]!r}", chunked(size + b"\r\nhello\r\n0\r\n\r\n")
    yield "a chunk longer than its size", chunked(b"2\r\nhello\r\n0\r\n\r\n")
    yield "a chunk that does not come", chunked(b"500\r\nhello")
    yield (
        "50 MB in chunks",
        chunked(b"100000\r\n" + bytes(0x100000) + b"\r\n") + (b"100000\r\n" + bytes(0x100000) + b"\r\n") * 49,
    )
    yield "200,000 chunks of a byte", chunked(b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
    yield "10,000 trailers", chunked(b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")
    yield "a trailer of a megabyte", chunked(b"5\r\nhello\r\n0\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n")


def smuggling() -> Wires:
    second = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    for header in (
        "chunked",
        " chunked",
        "xchunked",
        "chunked, identity",
        "identity",
        "chunked\t",
        "CHUNKED",
        "\x0bchunked",
    ):
        yield (
            f"length and encoding of {header!r}",
            wire(
                "POST /predict HTTP/1.1", f"Content-Length: {len(second)}", f"Transfer-Encoding:{header}", body=second
            ),
        )
    yield "two lengths", wire("POST /predict HTTP/1.1", "Content-Length: 5", "Content-Length: 6", body=b"hello!")
    yield (
        "two encodings",
        wire("POST /predict HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: x", body=second),
    )
    yield "a space before the colon", wire("POST /predict HTTP/1.1", "Content-Length : 5", body=b"hello")
    yield "a folded header", b"GET /health HTTP/1.1\r\nHost: a\r\n b\r\nConnection: close\r\n\r\n"
    yield "line feeds alone", b"GET /health HTTP/1.1\nHost: a\nConnection: close\n\n"
    yield "a carriage return in a header", b"GET /health HTTP/1.1\r\nHost: a\rX: b\r\nConnection: close\r\n\r\n"
    yield "a null in a header", b"GET /health HTTP/1.1\r\nHost: a\0b\r\nConnection: close\r\n\r\n"
    yield (
        "an upgrade to WebSocket",
        wire(
            "GET /predict HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"
        ).replace(b"close", b"upgrade"),
    )
    yield (
        "an upgrade to HTTP/2",
        wire("GET /health HTTP/1.1", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk").replace(
            b"close", b"upgrade, http2-settings"
        ),
    )
    yield "HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(20)
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300)
    yield "100 requests at once", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 99 + wire("GET /health HTTP/1.1")


def heads() -> Wires:
    yield "a header of 100 kB", wire("GET /health HTTP/1.1", "X: " + "a" * 100_000)
    yield "10,000 headers", wire("GET /health HTTP/1.1", *["X: y"] * 10_000)
    yield "5,000 empty headers", wire("GET /health HTTP/1.1", *["X:"] * 5_000)
    yield "a path of 100 kB", wire(f"GET /{'a' * 100_000} HTTP/1.1")
    yield "a query of 20 kB", wire(f"GET /health?{'a=b&' * 5_000} HTTP/1.1")
    yield "a head without end", b"GET /health HTTP/1.1\r\nX: " + b"a" * 200_000
    yield "half a head", b"GET /health HTTP/1.1\r\nHost: a"
    yield "half a method", b"GE"
    yield "nothing", b"\r\n\r\n"
    yield "no host", b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"
    yield "two hosts", wire("GET /health HTTP/1.1", "Host: other")
    yield "HTTP/0.9", b"GET /health\r\n"
    for version in ("HTTP/1.0", "HTTP/1.2", "HTTP/3.0", "HTTP/9.9", "http/1.1", "HTTP/1.1.1", "ICY"):
        yield f"version {version}", wire(f"GET /health {version}")
    for header in (
        "X-Request-ID",
        "traceparent",
        "tracestate",
        "Authorization",
        "X-API-Key",
        "X-Request-Timeout",
        "Origin",
        "Accept",
        "Expect",
        "Range",
        "Cookie",
    ):
        for value in ("", "\xff\xfe", "a" * 8_000, "nan", "-1", "${jndi:ldap://x}", "00-" + "0" * 32):
            yield f"{header} of {value[:12]!r}", post(b"hello", f"{header}: {value}")


def methods() -> Wires:
    for method in (
        "GET",
        "HEAD",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "PURGE",
        "BREW",
        "get",
        "G T",
        "",
    ):
        for path in ("/predict", "/"):
            yield f"{method} {path}", wire(f"{method} {path} HTTP/1.1")
    yield "OPTIONS *", wire("OPTIONS * HTTP/1.1")


def paths() -> Wires:
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e/x",
        "//predict",
        "/predict/",
        "/predict%00",
        "/predict%0d%0aX: y",
        "/%ff%fe",
        "/%",
        "/%zz",
        "/\u00e9",
        "/%e2%82%ac",
        "/predict;x=y",
        "/predict?file=/etc/passwd",
        "/docs/../metrics",
        "/.git/config",
        "http://evil.example/predict",
        "http://",
        "predict",
        "*",
        "/predict#x",
        "/\\..\\",
        "/<script>alert(1)</script>",
        "/{path}",
        "/%C0%AE",
        "/openapi.json%2f",
        "/docs/oauth2-redirect?code=<x>",
    ):
        yield f"path {path}", wire(f"GET {path} HTTP/1.1")


def inferences() -> Wires:
    """Of the Open Inference Protocol."""
    picture = {"name": "picture", "datatype": "BYTES", "shape": [1]}
    plain = json.dumps({"inputs": [picture | {"data": ["/9j/"]}]}).encode()

    def infer(body: bytes, *headers: str, model: str = "pictures") -> bytes:
        return post(body, *headers, path=f"/v2/models/{model}/infer")

    def binary(content: bytes, size: int, count: int = 1, model: str = "pictures", **changes: object) -> bytes:
        given = picture | {"shape": [count], "parameters": {"binary_data_size": size}} | changes
        head = json.dumps({"inputs": [given]}).encode()
        return infer(head + content, f"Inference-Header-Content-Length: {len(head)}", model=model)

    yield "plain", infer(plain)
    for size in ("-1", "+5", "5,5", "0x5", "", "9" * 40, "1e3", "\u00b2", "0", "1", str(len(plain) + 1)):
        yield f"JSON of {size[:12]!r} bytes", infer(plain, f"Inference-Header-Content-Length: {size}")
    yield "two lengths of the JSON", infer(plain, *[f"Inference-Header-Content-Length: {n}" for n in (0, 9)])
    yield "nothing", infer(b"")
    yield "JSON 200,000 deep", infer(b"[" * 200_000)
    yield "objects 100,000 deep", infer(b'{"inputs":' * 100_000)
    yield "3,000,000 lists", infer(b'{"inputs":[' + b"[]," * 3_000_000)
    yield "9,000,000 numbers", infer(b'{"inputs":[{"data":[' + b"0," * 9_000_000)
    yield "100,000 outputs", infer(json.dumps({"inputs": [picture], "outputs": [{}] * 100_000}).encode())
    yield "a number of 100,000 digits", infer(b'{"inputs":[{"shape":[' + b"9" * 100_000 + b"]}]}")
    yield "a shape of 10,000 dimensions", infer(json.dumps({"inputs": [picture | {"shape": [1] * 10_000}]}).encode())
    yield "an id of 10 MB", infer(json.dumps({"id": "x" * 10_000_000}).encode())
    yield "a name of surrogates", infer(b'{"inputs":[{"name":"\\ud800","shape":[1],"datatype":"BYTES","data":[]}]}')
    yield "UTF-16", infer(plain.decode().encode("utf-16"))
    yield "base64 of 10 MB", infer(json.dumps({"inputs": [picture | {"data": ["A" * 10_000_000]}]}).encode())
    yield "numbers that are none", infer(b'{"inputs":[{"shape":[NaN,Infinity,1e999],"data":[NaN]}]}')
    yield "binary data of 2^63 bytes", binary(b"x", 2**63 - 1)
    yield "elements of 4 GB", binary(b"\xff" * 4_000, 4_000, 32)
    yield "2,000,000,000 elements", binary(b"", 0, 2_000_000_000)
    yield "33 elements of nothing", binary(bytes(132), 132, 33)
    yield "32 elements of nothing", binary(bytes(128), 128, 32)
    yield (
        "pixels of no height",
        binary(b"", 0, model="pictures-tensor", name="pixels", datatype="UINT8", shape=[1, 0, 0, 3]),
    )
    yield (
        "pixels without end",
        binary(bytes(768), 768, model="pictures-tensor", name="pixels", datatype="UINT8", shape=[2**31 - 1, 16, 16, 3]),
    )
    yield "pixels of half a picture", infer(bytes(300), "Inference-Header-Content-Length: 0", model="pictures-tensor")
    yield "20 MB of pixels", infer(bytes(19_999_488), "Inference-Header-Content-Length: 0", model="pictures-tensor")
    bomb = gzip.compress(bytes(200_000_000), 9)
    yield "a bomb of gzip", infer(bomb, "Content-Encoding: gzip")
    yield "a bomb in a bomb", infer(gzip.compress(bomb), "Content-Encoding: gzip, gzip")
    yield "no gzip", infer(plain, "Content-Encoding: gzip")
    yield "an encoding of nonsense", infer(plain, "Content-Encoding: \u00e9\u00ff;q=1")
    yield "encodings without end", infer(plain, "Accept-Encoding: " + "gzip;q=0," * 3_000)
    for name in ("..", "%2e%2e", "pictures%2f..", "%00", "%ff", "x" * 9_000, "{name}", "pictures;x"):
        yield f"a model called {name[:20]}", infer(plain, model=name)
    yield "a repository", post(b"{}", path="/v2/repository/models/pictures/unload")


FAMILIES: tuple[Callable[[], Wires], ...] = (forms, lengths, chunks, smuggling, heads, methods, paths, inferences)


def corpus() -> Wires:
    """Every hostile request, named by its family."""
    for family in FAMILIES:
        for name, sent in family():
            yield f"{family.__name__}: {name}", sent
