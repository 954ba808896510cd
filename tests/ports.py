"""Ports for programs that take a number and no socket: none of those that the system gives out in the meantime."""

import secrets
import socket

_BELOW_THE_SYSTEMS_OWN = range(20_000, 32_000)


def free_port() -> int:
    """One of 127.0.0.1 that nobody has."""
    while True:
        port = secrets.choice(_BELOW_THE_SYSTEMS_OWN)
        with socket.socket() as place:
            try:
                place.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
