"""Syslog as a destination: RFC 5424 over UDP or TCP, and the older form of RFC 3164 over a local socket."""

import os
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from tapetum.errors import ConfigError
from tapetum.logs.destinations import Kind, Tear
from tapetum.logs.lines import Line

# What rsyslog takes of one message by default; journald takes more, and a datagram holds 64 KiB at most.
MOST_BYTES = 8192
TIMEOUT_S = 2.0
_SILENT_MS = 30_000
_REFUSED_MS = 100
_DAEMON = 3 * 8
_SEVERITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


@dataclass(frozen=True)
class Address:
    """Where a syslog listens: `host` is a path where `how` is unix."""

    how: Literal["unix", "udp", "tcp"]
    host: str
    port: int = 0


def to_address(text: str) -> Address:
    """The address in a setting. Raises ConfigError."""
    if text.startswith("/"):
        return Address("unix", text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host and port and parts.scheme in {"udp", "tcp"} and parts.netloc == text.removeprefix(f"{parts.scheme}://"):
        return Address("udp" if parts.scheme == "udp" else "tcp", host, port)
    raise ConfigError(
        f"TAPETUM_LOG_SYSLOG is {text!r}: expected a socket such as /dev/log, udp://HOST:514 or tcp://HOST:601"
    )


class Syslog:
    """A syslog daemon; messages are JSON, from the facility daemon.

    A connection that breaks is made anew. UDP tells of a dead daemon only
    where its machine says so, TCP only of what was not yet on its way.
    """

    kind: Kind = "syslog"

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        self.name = address.host if address.how == "unix" else f"{address.how}://{address.host}:{address.port}"
        self._address = address
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._tear = Tear()
        self._was_refused = False
        self._origin = f"{socket.gethostname() or '-'} tapetum {os.getpid()} - -"
        self._tag = f"tapetum[{os.getpid()}]:"

    def render(self, line: Line) -> bytes:
        """One message; over TCP with its length before it, as RFC 6587 has it."""
        priority = f"<{_DAEMON + _SEVERITY[line.level]}>"
        if self._address.how == "unix":
            head = f"{priority}{time.asctime(time.localtime(line.seconds))[4:19]} {self._tag} "
        else:
            head = f"{priority}1 {line.timestamp} {self._origin} "
        message = head.encode() + line.to_json().rstrip()
        if len(message) > MOST_BYTES:
            message = message[:MOST_BYTES].decode(errors="ignore").encode()
        return b"%d %s" % (len(message), message) if self._address.how == "tcp" else message

    def write(self, lines: Sequence[bytes]) -> int:
        """Send messages, and hang up where the line is broken."""
        try:
            connected = self.open()
            if self._address.how == "tcp":
                return self._tear.put(lines, connected.send)
            return self._send_each(connected, lines)
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # the line stands: it may be read yet
                raise OSError(f"it took nothing for {self._timeout_s:g} s") from None
            self.hang_up()
            raise

    def open(self) -> socket.socket:
        """The line to the daemon. Raises OSError."""
        if self._socket is not None and self._address.how == "tcp" and _is_closed(self._socket):
            self.hang_up()
        if self._socket is None:
            self._socket = _connect(self._address, self._timeout_s)
        return self._socket

    def hang_up(self) -> None:
        """End the line; the next message begins another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._tear.forget()

    def _send_each(self, connected: socket.socket, lines: Sequence[bytes]) -> int:
        for number, message in enumerate(lines):
            try:
                connected.send(message)
                self._heed(connected)
            except OSError:
                if number == 0:
                    raise
                return number
        return len(lines)

    def _heed(self, connected: socket.socket) -> None:
        """Raise what the other machine says to a datagram: at once on this one, after a while from afar."""
        watch = select.poll()
        watch.register(connected, select.POLLERR)
        if watch.poll(_REFUSED_MS if self._was_refused else 0):
            reason = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._was_refused = True
            raise OSError(reason, os.strerror(reason))
        self._was_refused = False


def _connect(address: Address, timeout_s: float) -> socket.socket:
    if address.how == "tcp":
        connected = socket.create_connection((address.host, address.port), timeout_s)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # else a daemon's machine that vanished is noticed after 15 minutes
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
        return connected
    family, where = socket.AF_UNIX, cast(Any, address.host)
    if address.how == "udp":
        family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
    connected = socket.socket(family, socket.SOCK_DGRAM)
    try:
        connected.settimeout(timeout_s)
        connected.connect(where)
    except OSError:
        connected.close()
        raise
    return connected


def _is_closed(connected: socket.socket) -> bool:
    """Whether the daemon has hung up; what is sent after that would be lost without a word."""
    watch = select.poll()
    watch.register(connected, select.POLLIN)
    return bool(watch.poll(0)) and not connected.recv(4096)
