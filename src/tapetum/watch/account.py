"""Where alerts are mailed to, as the settings say it."""

import re
import ssl
from dataclasses import dataclass
from email.utils import getaddresses
from pathlib import Path

from pydantic import SecretStr

from tapetum.errors import ConfigError
from tapetum.settings import Settings, variable


@dataclass(frozen=True)
class Account:
    """A mail server, and as whom and to whom it is asked to send; without a `password` it is asked for no login.

    One step of an attempt has `step_s`, all of them have `total_s`.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str
    password: SecretStr | Path | None
    ca_file: Path | None = None
    step_s: float = 10.0
    total_s: float = 30.0

    @property
    def is_encrypted(self) -> bool:
        """A password never travels in the clear, and without one there is nothing to hide."""
        return self.password is not None

    def secret(self) -> str:
        """The password as it is now. Raises ConfigError where its file cannot be read."""
        assert self.password is not None
        return _secret(self.password)

    def trust(self) -> ssl.SSLContext:
        """What the server's certificate is verified by. Raises ConfigError where the file of it cannot be read."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or error
            raise ConfigError(
                f"the file of {variable('smtp_ca_file')} cannot be read as certificates in PEM: {reason}"
            ) from None


def account(settings: Settings) -> Account | str:
    """Where alerts are mailed to, or why they are not. Raises ConfigError for half a configuration."""
    if settings.alerts == "off":
        return f"{variable('alerts')} is off"
    parts: dict[str, object] = {
        f"the sender ({variable('mail_from')})": settings.mail_from.strip(),
        f"the recipients ({variable('mail_to')})": settings.mail_to.strip(),
    }
    password = settings.gmail_pass or settings.gmail_pass_file
    name = f"{variable('gmail_pass')} or {variable('gmail_pass_file')}"
    if settings.smtp_starttls == "on":
        parts[f"the password ({name})"] = password
    missing = [part for part, value in parts.items() if not value]
    if missing and len(missing) == len(parts) and settings.alerts == "auto":
        return f"no mail account is set: {', '.join(missing)}"
    if missing:
        raise ConfigError(
            f"alerts cannot be mailed without {' and '.join(missing)}: set what is missing, or {variable('alerts')}=off"
        )
    if settings.gmail_pass and settings.gmail_pass_file:
        raise ConfigError(f"{variable('gmail_pass')} and {variable('gmail_pass_file')} are both set: keep one of them")
    if settings.smtp_starttls == "off" and password:
        raise ConfigError(
            f"{variable('smtp_starttls')} is off, and the password would cross the network in the clear: "
            f"leave it on, or {name} unset"
        )
    (sender,) = _addresses("mail_from", settings.mail_from, most=1)
    chosen = Account(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.mail_from.strip(),
        recipients=_addresses("mail_to", settings.mail_to, most=100),
        user=settings.smtp_user or sender,
        password=password,
        ca_file=settings.smtp_ca_file,
    )
    if chosen.is_encrypted:
        chosen.secret()
        chosen.trust()
    return chosen


def _addresses(name: str, text: str, most: int) -> tuple[str, ...]:
    found = tuple(address for _, address in getaddresses([text]))
    if not 1 <= len(found) <= most or not all(re.fullmatch(r"[!-~]+@[!-~]+", address) for address in found):
        wanted = "an address such as me@gmail.com" if most == 1 else "addresses separated by commas"
        raise ConfigError(f"{variable(name)} is {text!r}: expected {wanted}")
    return found


def _secret(password: SecretStr | Path) -> str:
    name = variable("gmail_pass_file" if isinstance(password, Path) else "gmail_pass")
    try:
        text = password.read_text("utf-8") if isinstance(password, Path) else password.get_secret_value()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"the file of {name} cannot be read: {reason}") from None
    # A browser shows an app password in groups, and copies the spaces between them as ones that do not break.
    text = text.replace("\xa0", " ").strip()
    if not text or not text.isascii():
        raise ConfigError(f"{name} is {'not ASCII' if text else 'empty'}: put the password of the mail account there")
    return text
