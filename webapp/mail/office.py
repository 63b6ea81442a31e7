"""The post office: what a worker runs beside its queue. It reads the history, looks at the clock, and sends."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlmodel import select

from certlifecycle import RefundPolicy
from webapp.accounts.models import RecoveryRequest
from webapp.accounts.recovery import Recovering
from webapp.db import Database
from webapp.languages import Languages
from webapp.mail.compose import Composer
from webapp.mail.plan import BATCH, has_news, plan_mails
from webapp.mail.preferences import Unsubscribing
from webapp.mail.recovery import answer_requests
from webapp.mail.reminders import LOOKS, Look, add_reminders, find_reminders, heads_of_the_history
from webapp.mail.send import mails, send_all
from webapp.mail.settings import MailSettings
from webapp.mail.transport import Transport, transport_for
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.notes import NoteOffice
from webapp.parts import Parts
from webapp.portions import portions

log = logging.getLogger("desk.mail")

LOOK_EVERY = timedelta(minutes=10)
"""How often the clock is looked at; what is told that way is days or hours ahead."""
REMINDERS_AT_ONCE = 100
"""How many are added in one transaction: on SQLite nobody else writes meanwhile."""


def open_office(parts: Parts, settings: MailSettings) -> "PostOffice":
    """The post office of a process, put together from its parts; everybody is written to in their own language."""
    composer = Composer(
        settings,
        shop_name=parts.settings.shop_name,
        public_url=parts.settings.public_url,
        policy=parts.desk.policy,
        payable=parts.desk.payable,
        unsubscribing=Unsubscribing(parts.settings.secret_key, parts.settings.secret_key_fallbacks),
        recovering=Recovering(parts.settings.secret_key, parts.settings.secret_key_fallbacks),
        reader_of=Languages(parts.settings).of_account,
    )
    transport = transport_for(settings)
    looks = (*LOOKS, heads_of_the_history)
    notes = NoteOffice(
        parts.database,
        transport,
        composer,
        Languages(parts.settings),
        OneTimeLinks(parts.settings.secret_key, parts.settings.secret_key_fallbacks),
        parts.desk.clock,
        shop_name=parts.settings.shop_name,
        public_url=parts.settings.public_url,
    )
    return PostOffice(
        parts.database,
        transport,
        composer,
        parts.desk.policy,
        parts.desk.clock,
        settings.domain,
        looks,
        (notes.send_notes,),
    )


class PostOffice:
    """Plans and sends. Any number of workers may have one; each mail leaves once."""

    def __init__(
        self,
        database: Database,
        transport: Transport,
        composer: Composer,
        policy: RefundPolicy,
        clock: Callable[[], datetime],
        domain: str,
        looks: Sequence[Look] = LOOKS,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._database = database
        self._transport = transport
        self._composer = composer
        self._policy = policy
        self._clock = clock
        self._domain = domain
        self._looks = looks
        self._also = also
        self._looked_at: datetime | None = None

    def run(self, stopping: threading.Event, every_seconds: float) -> None:
        """Work until told to stop; meant for a thread of its own, for a slow mail server holds it up."""
        while not stopping.wait(every_seconds):
            self.work()

    def work(self) -> None:
        """Do what is to be done now. Whatever fails is tried again the next time: the loop must outlive everything."""
        for step in (self.plan, self.remind, self.recover, self.send, *self._also):
            try:
                step()
            except Exception:
                log.exception("The post office could not %s; it tries again.", step.__name__)

    def plan(self) -> int:
        """Make mails of what happened; returns how many."""
        with self._database.reading() as session:
            if not has_news(session):
                return 0
        planned = 0
        while True:
            with self._database.writing() as session:
                found = plan_mails(session, self._clock(), self._domain)
            planned += found
            if found < BATCH:
                return planned

    def remind(self) -> int:
        """Look at the clock, unless that was done a moment ago; returns how many mails came of it."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return 0
        with self._database.reading() as session:
            found = find_reminders(session, now, self._policy, self._looks)
        for some in portions(found, REMINDERS_AT_ONCE):
            with self._database.writing() as session:
                add_reminders(session, some, now, self._domain)
        self._looked_at = now
        return len(found)

    def recover(self) -> int:
        """Answer those who forgot their password; returns how many asked."""
        with self._database.reading() as session:
            if session.exec(select(RecoveryRequest.id).limit(1)).first() is None:
                return 0
        with self._database.writing() as session:
            return answer_requests(session, self._composer.recovering, self._clock(), self._domain)

    def send(self) -> int:
        """Send what is due, until nothing is left that can be sent now; returns how many mails left."""
        return send_all(self._database, self._transport, mails(self._composer), self._clock)
