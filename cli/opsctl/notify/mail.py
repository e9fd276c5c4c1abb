"""Sends one mail."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate

from opsctl.notify.config import Channel
from opsctl.notify.http import Undelivered, reason
from opsctl.notify.message import Message

_PORTS = {"ssl": 465, "starttls": 587, "none": 25}


def send(channel: Channel, message: Message, secret: str, timeout: float) -> str:
    """Deliver it to the server; who of several was refused, empty when nobody was.

    Raises:
        Undelivered: the server did not take it for anybody.
    """
    try:
        with _connected(channel, timeout) as server:
            if channel.user:
                server.login(channel.user, secret)
            lost = server.send_message(written(channel, message), channel.sender, list(channel.to))
            return f"refused: {', '.join(lost)}" if lost else ""
    except TimeoutError:
        raise Undelivered(f"no answer within {timeout:.0f} s") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise Undelivered(f"the server refused {', '.join(error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise Undelivered(f"the server answered {error.smtp_code}: {' '.join(text.split())[:200]}") from None
    except smtplib.SMTPNotSupportedError:
        raise Undelivered("the server offers no STARTTLS or no login; see the channel's security") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Undelivered(reason(error)) from None


def written(channel: Channel, message: Message) -> EmailMessage:
    """The mail."""
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message.id}@opsctl.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Opsctl-Event"] = message.event
    mail.set_content(message.text + "\n")
    return mail


def _connected(channel: Channel, timeout: float) -> smtplib.SMTP:
    port = channel.port or _PORTS[channel.security]
    trusted = ssl.create_default_context(cafile=channel.ca_file)
    if channel.security == "ssl":
        return smtplib.SMTP_SSL(channel.host, port, timeout=timeout, context=trusted)
    server = smtplib.SMTP(channel.host, port, timeout=timeout)
    if channel.security == "starttls":
        try:
            server.starttls(context=trusted)
        except BaseException:
            server.close()
            raise
    return server
