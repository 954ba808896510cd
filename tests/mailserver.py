"""A mail server like Gmail's on a free port: STARTTLS, a login, then mails. It can be made to fail."""

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "cats@example.org", "abcd efgh ijkl mnop"
Fault = Literal["hang", "hang in DATA", "die in DATA", "451", "550", "550 for b", "only LOGIN", "no login", "relay"]


@dataclass
class MailServer:
    """`faults` befall one connection each, in turn; `mails` were taken, `passwords` offered."""

    port: int
    ca_file: Path
    password: str = PASSWORD
    faults: list[Fault] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


class _Deaf(asyncio.Protocol):
    """Takes a connection and never says a word."""

    transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class _Session(SMTP):
    # What Gmail sends, and what some clients insist on.
    AuthLoginUsernameChallenge, AuthLoginPasswordChallenge = "Username:", "Password:"

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 (aiosmtpd finds commands by these names)
        if self.event_handler.fault == "die in DATA":
            await self.push("354 go on")
            self.transport.abort()
        elif self.event_handler.fault == "hang in DATA":
            await self.push("354 go on")
            await asyncio.Event().wait()
        else:
            await super().smtp_DATA(arg)


class _Conduct:
    """How one connection behaves."""

    def __init__(self, server: MailServer, fault: Fault | None) -> None:
        self.server, self.fault = server, fault

    def login(self, _smtp: SMTP, _session: object, _envelope: object, _how: str, given: LoginPassword) -> AuthResult:
        password = given.password.decode()
        self.server.passwords.append(password)
        # handled=False has the refusal sent; otherwise the client waits for ever.
        return AuthResult(success=(given.login.decode(), password) == (USER, self.server.password), handled=False)

    async def handle_RCPT(  # noqa: N802 (as above)
        self, _smtp: SMTP, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        if self.fault == "550" or (self.fault == "550 for b" and address.startswith("b@")):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _smtp: SMTP, _session: object, envelope: Any) -> str:  # noqa: N802 (as above)
        if self.fault == "451":
            return "451 4.3.0 busy, try later"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.server.mails.append(mail)
        return "250 OK"


@contextmanager
def mail_server(folder: Path) -> Iterator[MailServer]:
    """A mail server, whose certificate's authority is `ca_file`, until the block ends."""
    ca_file, chain = _certificates(folder)
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(chain)
    loop = asyncio.new_event_loop()
    place = MailServer(0, ca_file)
    sessions: list[_Deaf | _Session] = []

    def connected() -> asyncio.Protocol:
        fault = place.faults.pop(0) if place.faults else None
        sessions.append(_Deaf() if fault == "hang" else begin(_Conduct(place, fault)))
        place.connections += 1
        return sessions[-1]

    def begin(conduct: _Conduct) -> _Session:
        if conduct.fault == "relay":
            return _Session(conduct, hostname="mail.example.org", loop=loop)
        excluded = {"only LOGIN": ("PLAIN",), "no login": ("PLAIN", "LOGIN")}.get(str(conduct.fault), ())
        return _Session(
            conduct,
            hostname="mail.example.org",
            tls_context=trust,
            require_starttls=True,
            auth_required=True,
            auth_exclude_mechanism=excluded,
            authenticator=conduct.login,
            loop=loop,
        )

    server = loop.run_until_complete(loop.create_server(connected, "127.0.0.1", 0))
    place.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield place
    finally:
        asyncio.run_coroutine_threadsafe(_end(server, sessions), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server, sessions: list[_Deaf | _Session]) -> None:
    server.close()
    for session in sessions:
        if session.transport is not None:
            with suppress(AttributeError):  # asyncio's own, of a TLS connection that has just ended
                session.transport.abort()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)


def _certificates(folder: Path) -> tuple[Path, Path]:
    """The files of an authority's certificate, and of one that it gave to 127.0.0.1, with its key."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Test authority", "mail server")]
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca = _certificate(names[0], names[0], ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    leaf = _certificate(names[1], names[0], key, ca_key, address)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "mail.pem").write_bytes(leaf.public_bytes(pem) + secret)
    return folder / "ca.pem", folder / "mail.pem"


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
