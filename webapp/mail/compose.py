"""From a letter to a message: worded for one reader, as text and as HTML, with headers that nobody can inject into.

RFC 5322 (message), RFC 2045 ff. (MIME), RFC 3834 (automatic mail), RFC 2369 and 8058 (unsubscribing).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlmodel import Session

from certlifecycle import RefundPolicy, say
from webapp.accounts.models import Account
from webapp.accounts.recovery import Recovering
from webapp.certificates.models import PaymentMethod
from webapp.mail.about import About, Letter, Unwritable
from webapp.mail.letters import write
from webapp.mail.links import Links
from webapp.mail.models import Mail, MailGroup, MailKind
from webapp.mail.preferences import Unsubscribing
from webapp.mail.settings import MailSettings, one_line
from webapp.mail.wrapping import wrapped
from webapp.wording import Wording

PACKAGE = Path(__file__).parent.parent


class _Address(UnstructuredHeader):
    """A header that holds an address of the web: it is never broken up, which no reader of RFC 2369 would undo.

    A line may have 998 characters (RFC 5322, 2.1.1); the library would encode it in pieces from 78 on.
    """

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]  # given by the registry


_headers = HeaderRegistry()
_headers.map_to_type("list-unsubscribe", _Address)  # type: ignore[arg-type]  # typeshed asks for the whole header
# Seven bits only: not every server on the way takes eight.
POLICY = SMTP.clone(header_factory=_headers, cte_type="7bit")


class Composer:
    """Writes mails. ``reader_of`` says how somebody is written to."""

    def __init__(
        self,
        settings: MailSettings,
        *,
        shop_name: str,
        public_url: str,
        policy: RefundPolicy,
        payable: frozenset[PaymentMethod],
        unsubscribing: Unsubscribing,
        recovering: Recovering,
        reader_of: Callable[[Account], Wording],
    ) -> None:
        self._settings = settings
        self._shop_name = one_line(shop_name)
        self._links = Links(public_url)
        self._policy = policy
        self._payable = payable
        self._unsubscribing = unsubscribing
        self.recovering = recovering
        self._reader_of = reader_of
        self._templates = _templates()

    def compose(self, session: Session, mail: Mail, recipient: Account, now: datetime) -> EmailMessage:
        """Write the message of a mail as it is to leave at ``now``.

        Raises what :func:`~webapp.mail.letters.write` raises, also for an address that is none.
        """
        reader = self._reader_of(recipient)
        letter = write(About(session, mail, now, self._policy, self._payable, self._links, self.recovering))
        message = EmailMessage(policy=POLICY)
        message["Message-ID"] = mail.message_id
        message["Date"] = now
        message["From"] = self._settings.sender
        if self._settings.reply_to is not None:
            message["Reply-To"] = self._settings.reply_to
        message["To"] = _address_of(recipient.name, mail.address)
        message["Subject"] = one_line(reader.say(letter.subject))
        message["Auto-Submitted"] = "auto-generated"
        stop = self._stop(MailKind(mail.kind).group, recipient)
        if stop is not None:
            message["List-Unsubscribe"] = f"<{stop}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        words = self._words(letter, reader, stop)
        message.set_content(self._templates.get_template("letter.txt").render(words))
        message.add_alternative(self._templates.get_template("letter.html").render(words), subtype="html")
        # Last, for the parts take every Content- header that is there before them along.
        message["Content-Language"] = reader.language
        return message

    def compose_note(
        self, letter: Letter, why: object, address: str, message_id: str, reader: Wording, now: datetime
    ) -> EmailMessage:
        """Write a message to an address that may have no account; ``why`` says how we came by it.

        Raises :class:`~webapp.mail.about.Unwritable` for an address that is none.
        """
        message = EmailMessage(policy=POLICY)
        message["Message-ID"] = message_id
        message["Date"] = now
        message["From"] = self._settings.sender
        if self._settings.reply_to is not None:
            message["Reply-To"] = self._settings.reply_to
        message["To"] = _address_of("", address)
        message["Subject"] = one_line(reader.say(letter.subject))
        message["Auto-Submitted"] = "auto-generated"
        words = {**self._words(letter, reader, None), "why": one_line(reader.show(why)), "footer": []}
        message.set_content(self._templates.get_template("letter.txt").render(words))
        message.add_alternative(self._templates.get_template("letter.html").render(words), subtype="html")
        message["Content-Language"] = reader.language
        return message

    def _stop(self, group: MailGroup, recipient: Account) -> str | None:
        if group is MailGroup.RECEIPTS:
            return None
        return self._links.unsubscribe(self._unsubscribing.token(recipient.id, group))

    def _words(self, letter: Letter, reader: Wording, stop: str | None) -> Mapping[str, Any]:
        def line(value: object) -> str:
            return one_line(reader.show(value))

        return {
            "language": reader.language,
            "shop_name": self._shop_name,
            "subject": line(letter.subject),
            "headline": line(letter.headline),
            "paragraphs": [line(one) for one in letter.paragraphs],
            "quotes": [(line(label), lines_of(reader.retell(text))) for label, text in letter.quotes],
            "facts": [(line(label), line(value)) for label, value in letter.facts],
            "links": [(line(label), url) for label, url in letter.links],
            "why": line(
                say("You get this mail because you have an account at {shop_name}.", shop_name=self._shop_name)
            ),
            "labelled": lambda label, value: reader.gettext("{label}: {value}", label=label, value=value),
            "footer": [
                (line(say("Choose which mails you get")), self._links.preferences()),
                *([(line(say("Stop these mails")), stop)] if stop else []),
            ],
        }


def _address_of(name: str, address: str) -> Address:
    try:
        if address.isascii():
            return Address(one_line(name), addr_spec=address)
        # The library reads only ASCII; an international address (RFC 6531) is taken apart here.
        user, _, domain = address.rpartition("@")
        if user and domain and one_line(address) == address:
            return Address(one_line(name), user, domain)
    except (ValueError, IndexError, MessageError):
        pass
    raise Unwritable(f"Nobody can be written to at {address!r}.")


def lines_of(text: str) -> list[str]:
    """What somebody wrote, line by line, without what is invisible and without empty lines around it."""
    return [one_line(line) for line in text.strip().splitlines()]


def _templates() -> Environment:
    # In the wheel the templates lie inside the package, in a checkout beside it.
    inside = PACKAGE / "templates"
    folder = inside if inside.is_dir() else PACKAGE.parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder / "mail"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = wrapped
    return environment
