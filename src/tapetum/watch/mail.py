"""One attempt at sending one mail, off the event loop and with a bound on every step."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import parseaddr
from threading import Thread

import structlog

from tapetum.errors import MailError, MailRefused, TapetumError
from tapetum.settings import variable
from tapetum.watch.account import Account

log = structlog.get_logger()


async def send(account: Account, message: EmailMessage) -> None:
    """Have the mail server take `message`. Raises MailRefused where another attempt is of no use, else MailError."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[MailError | None] = loop.create_future()

    def settle(error: MailError | None) -> None:
        if not ended.done():
            ended.set_result(error)

    def work() -> None:
        error = None
        try:
            _deliver(account, message)
        except Exception as problem:  # the top of a thread: whatever it is, the loop must hear of it
            error = _in_words(problem, account)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    # Not a thread of the loop's own: those are waited for at the end of the process, however long they hang.
    Thread(target=work, name="mail", daemon=True).start()
    try:
        error = await asyncio.wait_for(ended, account.total_s)
    except TimeoutError:
        raise MailError(f"{_place(account)} did not take the mail within {account.total_s:g} s") from None
    if error is not None:
        raise error


def _deliver(account: Account, message: EmailMessage) -> None:
    trust = account.trust() if account.is_encrypted else None
    # A name of its own would be looked up, which can take longer than all the rest.
    connection = smtplib.SMTP(account.host, account.port, local_hostname="[127.0.0.1]", timeout=account.step_s)
    try:
        connection.ehlo_or_helo_if_needed()
        if trust is not None:
            connection.starttls(context=trust)
            connection.ehlo()
            _log_in(connection, account)
        refused = connection.send_message(message, parseaddr(account.sender)[1], account.recipients)
        if refused:
            log.warning("some recipients were refused", refused={name: _said(*why) for name, why in refused.items()})
        with suppress(smtplib.SMTPException, OSError):  # the mail is taken, whatever becomes of the farewell
            connection.quit()
    finally:
        connection.close()


def _log_in(connection: smtplib.SMTP, account: Account) -> None:
    """One attempt by one mechanism: smtplib's own login tries a wrong password with each, and Gmail counts them."""
    connection.user, connection.password = account.user, account.secret()
    offered = connection.esmtp_features.get("auth", "").upper().split()
    if "PLAIN" in offered:
        connection.auth("PLAIN", connection.auth_plain)
    elif "LOGIN" in offered:
        connection.auth("LOGIN", connection.auth_login)
    else:
        raise MailRefused(f"{_place(account)} offers no login with a password")


def _in_words(error: Exception, account: Account) -> MailError:
    place = _place(account)
    match error:
        case MailError():
            return error
        case TapetumError():
            return MailError(str(error))
        case smtplib.SMTPAuthenticationError():
            hint = f"check {variable('gmail_pass')}, which for Gmail is an app password, and the name of the account"
            said = _said(error.smtp_code, error.smtp_error)
            return _refusal(error.smtp_code, f"{place} refused the login of {account.user}: {said}; {hint}")
        case smtplib.SMTPRecipientsRefused():
            code, reason = next(iter(error.recipients.values()))
            return _refusal(code, f"{place} refused every recipient: {_said(code, reason)}")
        case smtplib.SMTPResponseException():
            return _refusal(error.smtp_code, f"{place} refused the mail: {_said(error.smtp_code, error.smtp_error)}")
        case smtplib.SMTPNotSupportedError():
            return MailRefused(f"{place} does not offer what is needed: {error}")
        case ssl.SSLCertVerificationError():
            remedy = f"{variable('smtp_ca_file')} can name the certificates of a private authority"
            return MailError(f"the certificate of {place} is not to be trusted: {error.verify_message}; {remedy}")
        case _ if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            return MailError(f"{place} did not answer within {account.step_s:g} s")
        case smtplib.SMTPServerDisconnected():
            return MailError(f"{place} hung up in the middle")
        case OSError() | smtplib.SMTPException():
            return MailError(f"{place} cannot be used: {getattr(error, 'strerror', None) or error}")
    log.error("a mail was not sent", exc_info=error)
    return MailError(f"sending failed: {type(error).__name__}; the log has the reason")


def _refusal(code: int, words: str) -> MailError:
    return MailRefused(words) if code >= 500 else MailError(words)


def _said(code: int, text: bytes | str) -> str:
    text = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(text.split())}"[:300]


def _place(account: Account) -> str:
    return f"{account.host}:{account.port}"
