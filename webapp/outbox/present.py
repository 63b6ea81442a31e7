"""The outbox as administrators read it. Nothing here decides anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import url_for

from certlifecycle import Sentence, say
from webapp.certificates.models import Certificate
from webapp.certificates.names import display_name
from webapp.effects.words import hindered
from webapp.hindrances import Hindrance
from webapp.mail.models import Mail, MailKind
from webapp.mail.reminders import REVOKED_WITHIN
from webapp.organisations.models import Note, NoteKind
from webapp.outbox.forms import ReasonForm
from webapp.outbox.papers import Papers
from webapp.outbox.queries import PAGE_SIZE, Found, Kind, Place, Running, Standing
from webapp.outbox.retrying import Batch
from webapp.outbox.words import ABOUT, KINDS, MAILS, NOTES, NOTHING, STANDINGS, TONES, mail_hindered, work_title
from webapp.wording import relative, words

NOBODY_AT_WORK = timedelta(minutes=2)
"""From when on work that is overdue shows that no worker runs: a reconciler would have taken it up long since."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody looks at: one standing, one kind or all of them, and where the page begins."""

    standing: Standing
    kind: Kind | None = None
    after: Place | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are shown."""
        return (self.kind,) if self.kind else tuple(Kind)

    def url(self, endpoint: str = "outbox.outbox", key: str | None = None) -> str:
        """An address that keeps this view; ``key`` names the entry that it is about."""
        after = str(self.after) if self.after else None
        return url_for(endpoint, key=key, standing=self.standing.value, kind=self.kind, after=after)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry. ``subject`` is what it is about, with its address; ``pace`` says since when, how often, and when next.

    ``cause`` is for everybody, ``detail`` what the outside or the program said. Addresses to decide at are ``None``
    where there is nothing to decide.
    """

    key: str
    title: str
    subject: str
    url: str | None
    about: str
    cause: str
    detail: str | None
    warning: str | None
    pace: str
    asked: str | None
    version: int | None
    retry_url: str | None
    drop_url: str | None
    form: ReasonForm
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Outbox:
    """A page of the outbox with its tabs and filters: (label, address, whether chosen, how many)."""

    view: View
    rows: list[Row]
    tabs: list[tuple[str, str, bool, int]]
    kinds: list[tuple[str, str, bool, int]]
    title: str
    tone: str
    mark: str
    about: str
    empty: tuple[str, str]
    total: int
    together: str | None
    first: str | None
    next: str | None
    nobody_at_work: str | None
    form: ReasonForm
    stray: ReasonForm | None = None


def outbox(
    view: View,
    found: Sequence[Found],
    known: Papers,
    counted: Counter[tuple[Standing, Kind]],
    running: Running,
    now: datetime,
    overdue: datetime | None,
) -> Outbox:
    """One page: the entries ``found``, one more than fit where there is a next page."""
    shown = found[:PAGE_SIZE]
    following = shown[-1].place if len(found) > PAGE_SIZE else None

    def count(standing: Standing, kind: Kind | None) -> int:
        return sum(counted[standing, one] for one in ((kind,) if kind else Kind))

    total = count(view.standing, view.kind)
    is_bad = view.standing in (Standing.FAILING, Standing.GIVEN_UP)
    empty = NOTHING[view.standing]
    return Outbox(
        view=view,
        rows=[row for row in (_row(one, view, known, running, now) for one in shown) if row],
        tabs=[
            (words().say(STANDINGS[one]), View(one, view.kind).url(), one is view.standing, count(one, view.kind))
            for one in Standing
        ],
        kinds=[
            (words().say(say("Everything")), View(view.standing).url(), view.kind is None, count(view.standing, None)),
            *(
                (words().say(KINDS[one]), View(view.standing, one).url(), view.kind is one, counted[view.standing, one])
                for one in Kind
            ),
        ],
        title=words().say(STANDINGS[view.standing]),
        tone=TONES[view.standing][0],
        mark=TONES[view.standing][1],
        about=words().say(ABOUT[view.standing]),
        empty=(words().say(empty[0]), words().say(empty[1])),
        total=total,
        together=View(view.standing, view.kind).url("outbox.retry_all") if is_bad and view.kind and total > 1 else None,
        first=View(view.standing, view.kind).url() if view.after else None,
        next=View(view.standing, view.kind, following).url() if following else None,
        nobody_at_work=_nobody(overdue, now),
        form=reason_form("all"),
    )


def reason_form(key: str) -> ReasonForm:
    """An empty form whose field can be told from those of the other entries."""
    form = ReasonForm(formdata=None)
    form.reason.id = f"reason-{key}"
    return form


def with_form(box: Outbox, key: str, form: ReasonForm) -> Outbox:
    """The same page with a form that was refused in its place; ``stray`` where its entry is no longer on the page."""
    form.reason.id = f"reason-{key}"
    if key == "all" and box.together:
        return replace(box, form=form)
    if key not in {row.key for row in box.rows}:
        return replace(box, stray=form)
    return replace(box, rows=[replace(row, form=form, is_open=True) if row.key == key else row for row in box.rows])


def _nobody(overdue: datetime | None, now: datetime) -> str | None:
    if overdue is None or now - overdue < NOBODY_AT_WORK:
        return None
    return words().say(
        say(
            "Work has been due since {since} and nobody takes it up: no worker seems to run. Start one; retrying here "
            "does not help before.",
            since=overdue,
        )
    )


def _row(one: Found, view: View, known: Papers, running: Running, now: datetime) -> Row | None:
    if one.kind is Kind.MAIL:
        mail = known.mails.get(one.key) or known.notes.get(one.key)
        return _mail_row(mail, view, known, now) if mail else None
    certificate = known.certificates.get(one.key)
    return _work_row(one.kind, certificate, view, known, running, now) if certificate else None


def _work_row(
    kind: Kind, certificate: Certificate, view: View, known: Papers, running: Running, now: datetime
) -> Row | None:
    if certificate.due_at is None:
        # Done since it was found.
        return None
    hindrance = Hindrance(certificate.hindrance) if certificate.hindrance else None
    subject, url = _subject(kind, certificate, known)
    is_running = view.standing is Standing.RUNNING
    return Row(
        key=f"work-{certificate.id}",
        title=words().say(work_title(kind)),
        subject=subject,
        url=url,
        about=known.names.get(certificate.customer_id, ""),
        cause=words().say(hindered(kind.value, hindrance)),
        detail=words().retell(certificate.work_error or "") or None,
        warning=_late_revocation(certificate, now) if kind is Kind.REVOKE else None,
        pace=_work_pace(certificate, running, now),
        asked=_asked(certificate.id, known, since=certificate.state_since),
        version=certificate.version,
        retry_url=None if is_running else view.url("outbox.retry_work", certificate.id),
        drop_url=None,
        form=reason_form(f"work-{certificate.id}"),
    )


def _subject(kind: Kind, certificate: Certificate, known: Papers) -> tuple[str, str]:
    refund = known.paying.get(certificate.id) if kind is Kind.PAY else None
    if refund is not None:
        text = say(
            "{amount} for {domain}, refund {number}",
            amount=refund.amount,
            domain=display_name(certificate.domain),
            number=refund.number,
        )
        return words().say(text), url_for("refunds.details", refund_id=refund.id)
    return display_name(certificate.domain), url_for("certificates.details", certificate_id=certificate.id)


def _late_revocation(certificate: Certificate, now: datetime) -> str | None:
    """A certificate authority must revoke within 24 hours (Baseline Requirements, 4.9.1.1)."""
    ends = certificate.state_since + REVOKED_WITHIN
    if now <= ends:
        return None
    late = say("A certificate authority must revoke within 24 hours; they were over on {ends}.", ends=ends)
    return words().say(late)


def _work_pace(certificate: Certificate, running: Running, now: datetime) -> str:
    attempt = running.attempts.get(certificate.id)
    failing, owed = certificate.failing_since, certificate.state_since
    if failing is not None:
        begun = say("Failing since {at} ({ago}).", at=failing, ago=relative(failing, now))
    else:
        begun = say("Owed since {at} ({ago}).", at=owed, ago=relative(owed, now))
    if attempt is not None:
        following = say("Being tried since {at} by {worker}.", at=attempt.since, worker=attempt.worker)
    else:
        following = _next(certificate.due_at, now)
    return _said(begun, _tried(certificate.attempts), following)


def _mail_row(mail: Mail | Note, view: View, known: Papers, now: datetime) -> Row:
    hindrance = Hindrance(mail.hindrance) if mail.hindrance else None
    is_given_up = view.standing is Standing.GIVEN_UP
    is_waiting = view.standing in (Standing.FAILING, Standing.DUE) and mail.due_at > now
    title, subject, url = _described_mail(mail, known)
    return Row(
        key=f"mail-{mail.id}",
        title=title,
        subject=subject,
        url=url,
        # A mail with a link goes to an address, whether or not somebody has an account with it.
        about=f"{known.names.get(mail.recipient_id, '')} <{mail.address}>" if isinstance(mail, Mail) else mail.address,
        cause=words().say(mail_hindered(hindrance, has_account=isinstance(mail, Mail))),
        detail=words().retell(mail.error or "") or None,
        warning=None,
        pace=_mail_pace(mail, view.standing, now),
        asked=_asked(mail.id, known),
        version=None,
        retry_url=view.url("outbox.retry_mail", mail.id) if is_given_up or is_waiting else None,
        drop_url=view.url("outbox.drop_mail", mail.id) if is_given_up else None,
        form=reason_form(f"mail-{mail.id}"),
    )


def _described_mail(mail: Mail | Note, known: Papers) -> tuple[str, str, str | None]:
    """What a mail is for, and what it is about with its address. The link in it stands nowhere."""
    if isinstance(mail, Mail):
        return words().say(MAILS[MailKind(mail.kind)]), *_mail_subject(mail, known)
    subject = known.inviting.get(mail.id) or words().say(say("Not about one certificate"))
    return words().say(NOTES[NoteKind(mail.kind)]), subject, None


def _mail_subject(mail: Mail, known: Papers) -> tuple[str, str | None]:
    refund = known.refunds.get(mail.refund_id or "")
    certificate = known.certificates.get(mail.certificate_id or "")
    if refund is not None and certificate is not None:
        text = say("{domain}, refund {number}", domain=display_name(certificate.domain), number=refund.number)
        return words().say(text), url_for("refunds.details", refund_id=refund.id)
    if certificate is not None:
        address = url_for("certificates.details", certificate_id=certificate.id)
        return display_name(certificate.domain), address
    return mail.subject or words().say(say("Not about one certificate")), None


def _mail_pace(mail: Mail | Note, standing: Standing, now: datetime) -> str:
    begun = say("Owed since {at} ({ago}).", at=mail.created_at, ago=relative(mail.created_at, now))
    match standing:
        case Standing.GIVEN_UP:
            following = say("It is not tried any more.")
        case Standing.RUNNING:
            following = say("Being sent since {at}.", at=mail.claimed_at)
        case _:
            following = _next(mail.due_at, now)
    return _said(begun, _tried(mail.attempts), following)


def _tried(count: int) -> str:
    if count == 0:
        return words().gettext("Not tried yet.")
    return words().ngettext("Tried once.", "Tried {count} times.", count)


def _next(at: datetime | None, now: datetime) -> Sentence:
    if at is None or at <= now:
        return say("The next try is due now.")
    return say("Next try {at} ({ahead}).", at=at, ahead=relative(at, now))


def _said(*sentences: Sentence | str) -> str:
    return words().sentences(*sentences)


def _asked(key: str, known: Papers, since: datetime | None = None) -> str | None:
    """Who asked for another try last, and why; not what was asked for an earlier piece of work."""
    asked = known.asked.get(key)
    if asked is None or (since is not None and asked.at < since):
        return None
    who = say("{name} had it tried again on {at}: “{reason}”", name=asked.actor_name, at=asked.at, reason=asked.reason)
    return words().say(who)


# Many at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one entry of many."""

    title: str
    subject: str
    url: str | None
    words: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class BatchView:
    """What came of a request for many. ``rest_url`` is where the next ones are asked for, if there are any."""

    outcomes: list[Outcome]
    done: int
    back_url: str
    rest_url: str | None


def batch_view(view: View, batch: Batch) -> BatchView:
    """The results as they are shown, in the order in which they came."""
    outcomes = []
    for found, result in batch.results:
        title, subject, url = _described(found, batch.papers)
        outcomes.append(Outcome(title, subject, url, words().say(result.sentence), result.is_done))
    return BatchView(
        outcomes,
        sum(one.is_done for one in outcomes),
        View(view.standing, view.kind).url(),
        View(view.standing, view.kind, batch.rest).url("outbox.retry_all") if batch.rest else None,
    )


def _described(one: Found, known: Papers) -> tuple[str, str, str | None]:
    mail = known.mails.get(one.key) or known.notes.get(one.key)
    certificate = known.certificates.get(one.key)
    if mail is not None:
        return _described_mail(mail, known)
    title = words().say(work_title(one.kind))
    return (title, *_subject(one.kind, certificate, known)) if certificate else (title, "", None)
