"""Syslog on real sockets, whose other end a test holds."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from tapetum.errors import ConfigError
from tapetum.logs.lines import Line, finish
from tapetum.logs.syslog import MOST_BYTES, Address, Syslog, to_address

RFC5424 = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>[!-~]{1,255}) "
    rb"tapetum (?P<pid>\d+) - - (?P<message>.*)"
)
RFC3164 = re.compile(
    rb"<(?P<priority>\d{1,3})>(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) tapetum\[(?P<pid>\d+)\]: (?P<message>.*)"
)


def line(event: str, level: str = "info") -> Line:
    return Line(dict(finish(None, level, {"level": level, "event": event, "title": "Katze – 猫"})))


Call = Callable[..., Syslog]


@pytest.fixture
def call() -> Iterator[Call]:
    """Open the line to a daemon, which is ended after the test."""
    with ExitStack() as stack:

        def caller(how: str, host: str, port: int = 0, **chosen: float) -> Syslog:
            daemon = Syslog(Address(how, host, port), **chosen)
            stack.callback(daemon.hang_up)
            return daemon

        yield caller


def send(daemon: Syslog, *lines: Line) -> int:
    return daemon.write([daemon.render(said) for said in lines])


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


@pytest.fixture
def tcp() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def port_of(receiver: socket.socket) -> int:
    return int(receiver.getsockname()[1])


def frames(connection: socket.socket) -> Iterator[bytes]:
    """Messages that are counted by octets, as they come."""
    connection.settimeout(10)
    with connection.makefile("rb") as stream:
        while True:
            length = b""
            while (mark := stream.read(1)) != b" ":
                assert mark.isdigit()
                length += mark
            yield stream.read(int(length))


def events(messages: Iterable[bytes]) -> list[str]:
    return [json.loads(RFC5424.fullmatch(message)["message"])["event"] for message in messages]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/dev/log", Address("unix", "/dev/log")),
        ("udp://logs.example:514", Address("udp", "logs.example", 514)),
        ("tcp://10.0.0.7:601", Address("tcp", "10.0.0.7", 601)),
        ("tcp://[::1]:601", Address("tcp", "::1", 601)),
    ],
)
def test_an_address_is_read(text, address):
    assert to_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "dev/log", "logs.example", "udp://logs.example", "udp://:514", "tls://a:1", "udp://a:99999", "tcp://a:601/x"],
)
def test_what_is_no_address_is_named(text):
    with pytest.raises(ConfigError, match=re.escape(f"TAPETUM_LOG_SYSLOG is {text!r}: expected a socket such as /dev")):
        to_address(text)


@pytest.mark.parametrize(("level", "priority"), [("debug", 31), ("info", 30), ("warning", 28), ("error", 27)])
def test_a_datagram_is_a_message_of_rfc_5424(call, udp, level, priority):
    daemon = call("udp", "127.0.0.1", port_of(udp))

    assert send(daemon, line("ready", level)) == 1

    found = RFC5424.fullmatch(udp.recv(70_000))
    message = json.loads(found["message"])
    assert (int(found["priority"]), int(found["pid"])) == (priority, os.getpid())
    assert (message["event"], message["title"]) == ("ready", "Katze – 猫")
    assert found["time"].decode() == message["timestamp"]
    assert found["host"].decode() == socket.gethostname()


def test_a_local_socket_gets_messages_as_local_daemons_expect_them(call, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        daemon = call("unix", str(tmp_path / "log"))

        send(daemon, line("ready", "critical"))

        found = RFC3164.fullmatch(receiver.recv(70_000))
    assert (int(found["priority"]), int(found["pid"])) == (26, os.getpid())
    assert json.loads(found["message"])["event"] == "ready"


def test_over_tcp_each_message_has_its_length_before_it(call, tcp):
    daemon = call("tcp", "127.0.0.1", port_of(tcp))

    send(daemon, *(line(str(number)) for number in range(20)))

    with tcp.accept()[0] as connection:
        assert events(islice(frames(connection), 20)) == list(map(str, range(20)))


def test_a_message_is_no_longer_than_daemons_take_and_ends_with_a_whole_character(call, udp):
    daemon = call("udp", "127.0.0.1", port_of(udp))
    long = Line(dict(finish(None, "error", {"level": "error", "event": "failed", "exception": "猫" * 16_000})))

    daemon.write([daemon.render(long)])

    received = udp.recv(70_000)
    assert MOST_BYTES - 3 <= len(received) <= MOST_BYTES
    assert received.decode().endswith("猫")


def test_a_dead_daemon_on_this_machine_is_noticed_and_no_line_is_lost_when_it_returns(call, udp):
    port = port_of(udp)
    daemon = call("udp", "127.0.0.1", port)
    send(daemon, line("before"))
    udp.close()

    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            send(daemon, line("meanwhile"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        assert send(daemon, line("meanwhile"), line("after")) == 2
        assert events(again.recv(70_000) for _ in range(2)) == ["meanwhile", "after"]


def test_a_daemon_that_hangs_up_is_called_again_and_what_it_did_not_get_is_sent_anew(call, tcp):
    daemon = call("tcp", "127.0.0.1", port_of(tcp))
    send(daemon, line("first"))
    with tcp.accept()[0] as first:
        next(frames(first))

    send(daemon, line("second"))

    with tcp.accept()[0] as second:
        assert events(islice(frames(second), 1)) == ["second"]


def test_a_daemon_that_does_not_read_is_an_error_and_gets_every_line_whole_once_it_does(call, tcp):
    """Where a message was torn it goes on, on the same connection."""
    daemon = call("tcp", "127.0.0.1", port_of(tcp), timeout_s=0.05)
    rest = [daemon.render(line(f"{number} {'x' * 1500}")) for number in range(20_000)]
    unsent = list(rest)

    def send_all() -> None:
        while unsent:
            del unsent[: daemon.write(unsent[:200])]

    with pytest.raises(OSError, match=r"it took nothing for 0\.05 s"):
        send_all()
    sent = len(rest) - len(unsent)
    assert sent > 0
    assert len(unsent) > 50
    del unsent[50:]
    with tcp.accept()[0] as connection:
        arriving = frames(connection)
        first = events(islice(arriving, sent))
        send_all()
        received = first + events(islice(arriving, 50))

    assert [event.split()[0] for event in received] == list(map(str, range(sent + 50)))


def test_a_local_socket_that_is_not_there_is_an_error_until_it_is(call, tmp_path: Path):
    daemon = call("unix", str(tmp_path / "log"))
    with pytest.raises(FileNotFoundError):
        send(daemon, line("early"))

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "log"))
        send(daemon, line("then"))
        assert b'"then"' in receiver.recv(70_000)
