"""The log of a real service, at the ends that others hold: a console, files, a syslog daemon."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from ports import free_port
from running import Service, serve_command

ROOT = Path(__file__).parents[2]
MESSAGE = re.compile(
    rb"<(?P<priority>\d+)>(1 \S+Z \S+ tapetum \d+ - -|\w{3} [ \d]\d \d\d:\d\d:\d\d tapetum\[\d+\]:) (?P<json>\{.*\})"
)
SEVERITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}
Lines = list[dict[str, object]]


class Syslog:
    """A syslog daemon that keeps messages; what hangs is one that nobody drains."""

    def __init__(self, how: str, folder: Path) -> None:
        self.how = how
        self.messages: list[bytes] = []
        if how == "unix":
            self.address = str(folder / "syslog")
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(self.address)
        else:
            kind = socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM
            self._socket = socket.socket(socket.AF_INET, kind)
            self._socket.bind(("127.0.0.1", 0))
            self.address = f"{how}://127.0.0.1:{self._socket.getsockname()[1]}"
        if how == "tcp":
            self._socket.listen()
            self._socket.settimeout(30)

    def drain(self) -> None:
        """Take what was sent so far; over TCP all until the sender hangs up."""
        if self.how == "tcp":
            with self._socket.accept()[0] as connection, connection.makefile("rb") as stream:
                content = stream.read()
            while content:
                length, _, rest = content.partition(b" ")
                self.messages.append(rest[: int(length)])
                content = rest[int(length) :]
            return
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.messages.append(self._socket.recv(70_000))

    def lines(self) -> Lines:
        found = [MESSAGE.fullmatch(message) for message in self.messages]
        lines = [json.loads(message["json"]) for message in found]
        assert [int(message["priority"]) for message in found] == [24 + SEVERITIES[line["level"]] for line in lines]
        return lines

    def close(self) -> None:
        self._socket.close()
        if self.how == "unix":
            Path(self.address).unlink()


@contextmanager
def syslog(how: str, folder: Path) -> Iterator[Syslog]:
    daemon = Syslog(how, folder)
    try:
        yield daemon
    finally:
        with suppress(FileNotFoundError):
            daemon.close()


@contextmanager
def drained(daemon: Syslog) -> Iterator[None]:
    """A daemon that takes messages as they come, and all of them before the block is left."""
    has_ended = threading.Event()

    def take() -> None:
        if daemon.how != "tcp":
            while not has_ended.wait(0.01):
                daemon.drain()
        daemon.drain()

    with ThreadPoolExecutor(1) as taker:
        taking = taker.submit(take)
        try:
            yield
        finally:
            has_ended.set()
        taking.result()


def lines_of(*files: Path) -> Lines:
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def stop(service: Service) -> None:
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0


def ask(service: Service, first: int, most: int) -> list[str]:
    """So many requests of eight callers; their ids."""
    ids = [f"asked-{number}" for number in range(first, first + most)]

    def get(request_id: str) -> int:
        return service.client.get("/nothing", headers={"X-Request-ID": request_id}).status_code

    with ThreadPoolExecutor(8) as callers:
        assert set(callers.map(get, ids)) == {404}
    return ids


def asked_in(lines: Lines) -> list[str]:
    return sorted(str(line["request_id"]) for line in lines if str(line.get("request_id")).startswith("asked-"))


def handlers(service: Service) -> dict[str, dict[str, object]]:
    return {handler["kind"]: handler for handler in service.client.get("/logging-status").json()["handlers"]}


def series(service: Service) -> dict[str, float]:
    exposed = service.client.get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in exposed if line.startswith("log_")}


@pytest.mark.parametrize("how", ["unix", "udp", "tcp"])
def test_every_destination_gets_every_line_and_a_request_has_one_with_all_its_facts(start, tmp_path, bright, how):
    file = tmp_path / "logs" / "service.log"
    with syslog(how, tmp_path) as daemon:
        with drained(daemon):
            service = start(TAPETUM_LOG_FILE=str(file), TAPETUM_LOG_SYSLOG=daemon.address)
            answered = service.client.post("/predict", content=bright).json()
            status = service.client.get("/logging-status").json()
            stop(service)
        sent = daemon.lines()

    assert sent == lines_of(file) == lines_of(service.log)
    (line,) = [line for line in sent if line.get("request_id") == answered["request_id"]]
    told = {name: line[name] for name in ("event", "level", "method", "path", "status", "outcome", "label")}
    assert told == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "outcome": "answered",
        "label": "bright",
    }
    assert line["confidence"] == answered["confidence"]
    assert line["latency_ms"] >= line["inference_ms"] > 0
    assert line["size"] == len(bright)
    assert (status["healthy"], status["level"], status["format"], status["dropped"]) == (True, "debug", "json", 0)
    assert [(handler["kind"], handler["destination"], handler["up"]) for handler in status["handlers"]] == [
        ("console", "standard error", True),
        ("file", str(file), True),
        ("syslog", daemon.address, True),
    ]
    assert status["handlers"][1]["file"]["size_bytes"] > 0


def test_files_that_rotate_under_load_or_are_moved_away_lose_no_line(start, tmp_path):
    folder = tmp_path / "logs"
    limits = {"TAPETUM_LOG_FILE_MAX_BYTES": "5000", "TAPETUM_LOG_FILE_KEEP": "1000"}
    service = start(TAPETUM_LOG_FILE=str(folder / "log"), TAPETUM_LOG_LEVEL="info", **limits)

    asked = ask(service, 0, 200)
    service.until(lambda: len(asked_in(lines_of(*folder.iterdir()))) == 200)
    (folder / "log").rename(folder / "taken")
    asked += ask(service, 200, 200)
    stop(service)

    assert asked_in(lines_of(*folder.iterdir())) == sorted(asked)
    sizes = [file.stat().st_size for file in folder.iterdir()]
    assert len(sizes) > 20
    assert max(sizes) <= 5000


def test_a_console_that_nobody_reads_holds_up_nothing_and_gets_every_line_in_the_end(bundle_path, tmp_path):
    file = tmp_path / "log"
    chosen = {"TAPETUM_LOG_FORMAT": "json", "TAPETUM_DRAIN_S": "0", "TAPETUM_LOG_FILE": str(file)}
    environment = os.environ | chosen
    process = subprocess.Popen(serve_command(bundle_path), stderr=subprocess.PIPE, env=environment)
    try:
        with httpx.Client(timeout=30) as client:
            service = Service(process, client, file)
            service.until(lambda: file.exists() and any("address" in line for line in lines_of(file)))
            client.base_url = next(str(line["address"]) for line in lines_of(file) if "address" in line)
            asked = ask(service, 0, 500)
            queued = handlers(service)["console"]["queued"]
        process.send_signal(signal.SIGTERM)
        _, shown = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0
    assert queued > 100
    assert asked_in([json.loads(line) for line in shown.splitlines()]) == sorted(asked)
    assert asked_in(lines_of(file)) == sorted(asked)


def test_a_file_that_hangs_drops_and_counts_lines_and_nothing_else_waits(start, tmp_path):
    """A pipe that somebody has open and does not read, which holds 64 kB; the queue is as long as it always is."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        service = start(TAPETUM_LOG_FILE=str(tmp_path / "pipe"), TAPETUM_LOG_LEVEL="info")
        asked = ask(service, 0, 400)
        service.until(lambda: series(service)['log_handler_up{handler="file"}'] == 0)
        status = handlers(service)["file"]
        stop(service)
    finally:
        os.close(reader)

    assert status["errors"] > 0
    assert "unavailable" in status["last_error"]
    assert status["queued"] > 100
    shown = service.lines()
    assert asked_in(shown) == sorted(asked)
    lost = [line for line in shown if line["event"] == "lines were lost"]
    assert [line["handler"] for line in lost] == ["file"]
    assert lost[0]["lines"] > 100


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a disk that is full")
def test_a_full_disk_costs_no_prediction_and_no_line_once_there_is_room(start, tmp_path, bright):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        (disk / "ballast").write_bytes(bytes(960 * 1024))
        service = start(TAPETUM_LOG_FILE=str(disk / "log"), TAPETUM_LOG_LEVEL="info")
        asked = ask(service, 0, 400)
        service.until(lambda: series(service)['log_handler_up{handler="file"}'] == 0)
        full = handlers(service)["file"]
        predicted = service.client.post("/predict", content=bright)
        (disk / "ballast").unlink()
        service.until(lambda: series(service)['log_handler_up{handler="file"}'] == 1)
        healed = series(service)
        stop(service)
        kept = lines_of(disk / "log")
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert predicted.status_code == 200
    assert (full["up"], full["last_error"]) == (False, "No space left on device")
    assert full["queued"] > 0
    assert asked_in(kept) == sorted(asked)
    assert kept == lines_of(service.log)
    assert healed["log_lines_dropped_total"] == 0
    assert healed['log_handler_errors_total{handler="file"}'] >= 1
    assert healed['log_lines_total{level="info"}'] >= 400


def test_a_syslog_that_hangs_or_dies_costs_no_prediction_and_gets_its_lines_when_it_is_back(start, tmp_path, bright):
    with syslog("unix", tmp_path) as first:
        service = start(TAPETUM_LOG_SYSLOG=first.address, TAPETUM_LOG_LEVEL="info")
        asked = ask(service, 0, 300)
        service.until(lambda: not handlers(service)["syslog"]["up"])
        hanging = handlers(service)["syslog"]
        service.until(lambda: first.drain() or len(asked_in(first.lines())) == 300)
        service.until(lambda: bool(handlers(service)["syslog"]["up"]))
        first.drain()

    predicted = service.client.post("/predict", content=bright)
    service.until(lambda: not handlers(service)["syslog"]["up"])
    asked += ask(service, 300, 10)
    with syslog("unix", tmp_path) as second:
        service.until(lambda: second.drain() or len(asked_in(second.lines())) == 10)
        service.until(lambda: bool(handlers(service)["syslog"]["up"]))
        stop(service)
        second.drain()
        lines = first.lines() + second.lines()

    assert "it took nothing for 2 s" in hanging["last_error"]
    assert predicted.status_code == 200
    assert asked_in(lines) == sorted(asked)
    assert predicted.json()["request_id"] in [line.get("request_id") for line in lines]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TAPETUM_LOG_FILE", "taken", "Is a directory: name a file in a folder that this user may write to"),
        ("TAPETUM_LOG_FILE", "taken/file/log", "Not a directory: name a file"),
        ("TAPETUM_LOG_SYSLOG", "taken/none", "expected a socket such as /dev/log, udp://HOST:514 or tcp://HOST:601"),
        ("TAPETUM_LOG_SYSLOG", "/nowhere/log", "No such file or directory: name the socket of a syslog daemon that"),
    ],
)
def test_a_destination_that_can_never_be_written_to_ends_the_start(
    run_until_exit, bundle_path, tmp_path, variable, value, words
):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()

    ended = run_until_exit("serve", str(bundle_path), "--port", "0", **{variable: value})

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"tapetum: {variable} is {value!r}: ")
    assert words in ended.stderr.splitlines()[-1]


def test_a_syslog_that_is_not_up_yet_does_not_end_the_start(start, tmp_path):
    with syslog("tcp", tmp_path) as daemon:
        address = daemon.address

    service = start(TAPETUM_LOG_SYSLOG=address)

    service.until(lambda: handlers(service)["syslog"]["last_error"] == "Connection refused")
    assert service.client.get("/logging-status").json()["healthy"] is False
    service.until(lambda: any(line["event"] == "lines do not reach their destination" for line in service.lines()))


def test_under_uvicorn_every_line_is_ours_too_and_the_last_one_comes_out(start, bundle_path, tmp_path):
    port = free_port()
    program = (
        "import json, sys, uvicorn; print(json.dumps({'address': 'http://127.0.0.1:%d'}), file=sys.stderr); "
        f"uvicorn.main(['app:app', '--app-dir', {str(ROOT)!r}, '--port', '%d'])" % (port, port)
    )
    service = start(
        [sys.executable, "-c", program], TAPETUM_BUNDLE=str(bundle_path), TAPETUM_LOG_FILE=str(tmp_path / "log")
    )
    asked = ask(service, 0, 50)

    service.process.send_signal(signal.SIGTERM)
    service.process.wait(30)

    shown = lines_of(service.log)
    assert shown[1:] == lines_of(tmp_path / "log")
    assert asked_in(shown) == sorted(asked)
    assert not [line for line in shown if line.get("logger") == "uvicorn.access"]
    assert str(shown[-1]["event"]).startswith("Finished server process")


def test_what_a_worker_says_is_a_line_with_its_process_and_so_are_its_last_words(start, bright):
    service = start(TAPETUM_WORKERS="1")
    (worker,) = service.workers()
    cut = b"II*\0\x08\0\0\0" + b"\2\0" + b"\0\1\3\0\1\0\0\0\x10\0\0\0" + b"\1\1"

    refused = service.client.post("/predict", content=cut)
    os.kill(worker, signal.SIGSEGV)
    service.until(lambda: service.workers() not in ([], [worker]))
    service.until(lambda: service.client.post("/predict", content=bright).status_code == 200)
    stop(service)

    assert refused.status_code == 422
    lines = lines_of(service.log)
    said = [str(line["text"]) for line in lines if line["event"] == "a worker says" and line["pid"] == worker]
    assert "Corrupt EXIF data" in said[0]
    last = "".join("".join(said).split())  # however many pieces they came in
    assert "FatalPythonerror:Segmentationfault" in last
    assert "tapetum/inference/worker.py" in last
    assert {line["level"] for line in lines if line["event"] == "a worker says"} == {"warning"}


SECRETS = {
    "key": "an-api-key-of-the-shop",
    "operator": "an-operator-key-of-night-shift",
    "wrong": "a-key-that-nobody-gave-out",
    "password": "bWU6YS1wYXNzd29yZC1vZi1taW5l",
    "cookie": "a-session-of-somebody-else",
    "query": "a-key-in-the-address",
    "picture": "SEVEN-BYTES-OF-A-PICTURE",
}


def hostile(bright: bytes) -> list[Callable[[httpx.Client], httpx.Response]]:
    """Requests that carry secrets in all the places where they should and should not be."""
    content = SECRETS["picture"].encode()
    tag = b"\x0e\1\2\0" + len(content).to_bytes(4, "little") + b"\x1a\0\0\0"  # ImageDescription
    tiff = b"II*\0\x08\0\0\0\1\0" + tag + b"\0\0\0\0" + content
    key = {"X-API-Key": SECRETS["key"]}
    pictures = [
        bright + content,
        content,
        b"\xff\xd8\xff\xe0" + content,
        b"\x89PNG\r\n\x1a\n" + content,
        tiff,
        tiff * 9,
    ]
    contents = [
        lambda client, picture=picture: client.post("/predict", content=picture, headers=key) for picture in pictures
    ]
    forms = [
        lambda client, picture=picture: client.post(
            "/predict", files={"file": (SECRETS["picture"], picture)}, headers=key
        )
        for picture in pictures
    ]
    headers = [
        {"Authorization": f"Bearer {SECRETS['key']}"},
        {"Authorization": f"Bearer {SECRETS['operator']}"},
        {"Authorization": f"Bearer {SECRETS['wrong']}"},
        {"Authorization": f"Basic {SECRETS['password']}"},
        {"X-API-Key": SECRETS["wrong"], "Cookie": f"session={SECRETS['cookie']}"},
        {"X-Request-ID": f"{SECRETS['cookie']} {SECRETS['cookie']}", "traceparent": SECRETS["cookie"]},
    ]
    return [
        *contents,
        *forms,
        *(lambda client, sent=sent: client.post("/predict", content=bright, headers=sent) for sent in headers),
        *(lambda client, sent=sent: client.get("/logging-status", headers=sent) for sent in headers),
        lambda client: client.get(f"/predict?api_key={SECRETS['query']}"),
        lambda client: client.post("/predict/batch", content=content, headers={**key, "Content-Type": "multipart/x"}),
    ]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_no_log_of_a_hostile_session_holds_a_key_a_password_or_a_byte_of_a_picture(start, tmp_path, bright, workers):
    for name in ("key", "operator"):
        (tmp_path / name).write_text(SECRETS[name])
    with syslog("udp", tmp_path) as daemon, drained(daemon):
        service = start(
            TAPETUM_WORKERS=workers,
            TAPETUM_API_KEYS_FILE=str(tmp_path / "key"),
            TAPETUM_OPERATOR_KEYS_FILE=str(tmp_path / "operator"),
            TAPETUM_LOG_FILE=str(tmp_path / "log"),
            TAPETUM_LOG_SYSLOG=daemon.address,
        )
        answers = [send(service.client) for send in hostile(bright)]
        stop(service)

    logged = (tmp_path / "log").read_text()
    everything = logged + service.log.read_text() + b"\n".join(daemon.messages).decode()
    assert [name for name, secret in SECRETS.items() if secret in everything] == []
    assert [answer for answer in answers if answer.headers["X-Request-ID"] not in logged] == []
    status = [answer for answer in answers if answer.url.path == "/logging-status"]
    assert [answer.status_code for answer in status] == [401, 200, 401, 401, 401, 401]
    assert {200, 401, 405, 415, 422} <= {answer.status_code for answer in answers}
    assert len(daemon.lines()) == len(lines_of(tmp_path / "log"))
