"""Letters that the clock calls for. Each looks again when its turn comes, and is not sent when all is done by then."""

from collections.abc import Callable, Mapping

from certlifecycle import Sentence, State, say
from webapp.audit.heads import newest_head
from webapp.certificates.models import Certificate
from webapp.certificates.names import display_name
from webapp.effects.words import hindered
from webapp.hindrances import Hindrance
from webapp.mail.about import About, Letter, Obsolete, outlook_words
from webapp.mail.models import MailKind
from webapp.mail.reminders import expiry_of, overdue_reviews, overdue_verifications, slow_revocations, window_of

LONGEST_LIST = 20
"""How many cases a mail to the vendor's own people names."""


def _window(about: About) -> Letter:
    certificate = about.certificate
    answer = window_of(certificate, about.purchase, about.now, about.policy)
    if answer is None:
        raise Obsolete("The refund window is closed, or the refund is under way.")
    if certificate.state == State.ISSUED:
        link = (say("Revoke the certificate"), about.links.revoke(certificate.id))
    elif answer.eligible:
        link = (say("Apply for the refund"), about.links.apply(certificate.id))
    else:
        link = (say("See the certificate"), about.links.certificate(certificate.id))
    return Letter(
        say("The refund window for {domain} closes on {deadline}", domain=about.domain, deadline=answer.deadline),
        say("Your money can come back until {deadline}.", deadline=answer.deadline),
        (
            say("If you keep the certificate, you need do nothing."),
            say(
                "If you do not need it, {amount} can still go back to {destination}.",
                amount=answer.amount,
                destination=about.destination,
            ),
            outlook_words(answer),
        ),
        (
            (say("Certificate"), about.domain),
            (say("Window closes"), answer.deadline),
            (say("Amount"), answer.amount),
            (say("Order"), about.purchase.number),
        ),
        links=(link,),
    )


def _expiring(about: About) -> Letter:
    certificate = about.certificate
    if expiry_of(about.session, certificate, about.now) is None:
        raise Obsolete("The certificate is no longer valid, or one that lasts longer replaces it.")
    return Letter(
        say("The certificate for {domain} expires on {until}", domain=about.domain, until=about.valid_until),
        say("Your certificate expires on {until}.", until=about.valid_until),
        (
            say("After that, browsers warn everybody who visits {domain}.", domain=about.domain),
            say("Order a new one in time, and install it before this one ends. There is no harm in having both."),
        ),
        (
            (say("Names"), about.names),
            (say("Valid until"), about.valid_until),
            (say("Serial number"), certificate.serial),
            (say("Order"), about.purchase.number),
        ),
        links=(
            (say("Order a new certificate"), about.links.order()),
            (say("See the certificate"), about.links.certificate(certificate.id)),
        ),
    )


def _review_overdue(about: About) -> Letter:
    refunds = overdue_reviews(about.session, about.now, about.policy)
    verifications = overdue_verifications(about.session, about.now, about.policy)
    if not refunds and not verifications:
        raise Obsolete("No review is overdue any more.")
    promised = tuple(
        (
            say("{domain} ({number})", domain=display_name(certificate.domain), number=refund.number),
            say("{amount}, promised by {latest}", amount=refund.amount, latest=refund.latest),
        )
        for refund, certificate in refunds
    )
    expected = tuple(
        (
            say("{domain}", domain=display_name(certificate.domain)),
            say("verification, to be done by {due_at}", due_at=due_at),
        )
        for certificate, due_at in verifications
    )
    promises = say("These customers were promised an answer by a day that has passed. Please decide, the oldest first.")
    targets = say("Verifications should be decided within two business days. These wait for a reviewer for longer.")
    return Letter(
        _overdue(len(refunds), len(verifications)),
        say("The answer that was promised is late.") if refunds else say("Verifications are late."),
        (
            *((promises,) if refunds else ()),
            *((targets,) if verifications else ()),
            *_and_more(len(refunds) + len(verifications)),
        ),
        (*promised, *expected)[:LONGEST_LIST],
        links=((say("Open the review queue"), about.links.queue()),),
    )


def _overdue(refunds: int, verifications: int) -> Sentence:
    if refunds and verifications:
        return say("{count} reviews are overdue", count=refunds + verifications)
    if verifications == 1:
        return say("1 verification is overdue")
    if verifications:
        return say("{count} verifications are overdue", count=verifications)
    if refunds == 1:
        return say("1 refund application is overdue")
    return say("{count} refund applications are overdue", count=refunds)


def _revocation_slow(about: About) -> Letter:
    late = slow_revocations(about.session, about.now)
    if not late:
        raise Obsolete("No revocation waits any more.")
    count = len(late)
    subject = (
        say("1 revocation takes longer than 24 hours")
        if count == 1
        else say("{count} revocations take longer than 24 hours", count=count)
    )
    return Letter(
        subject,
        say("A certificate authority must revoke within 24 hours."),
        (
            say("The desk keeps asking by itself. Please find out why the certificate authority does not confirm."),
            *_and_more(count),
        ),
        tuple(
            (
                display_name(one.domain),
                say("asked for on {since}. {cause}", since=one.state_since, cause=_cause(one)),
            )
            for one in late[:LONGEST_LIST]
        ),
        links=(
            (say("See the oldest"), about.links.certificate(late[0].id)),
            (say("See in the outbox what is tried and when"), about.links.outbox()),
        ),
    )


def _history_head(about: About) -> Letter:
    found = newest_head(about.session)
    if found is None:
        raise Obsolete("There is no history.")
    head, at = found
    return Letter(
        say("The head of the history: entry {position}", position=head.position),
        say("Keep this mail: it proves the history up to entry {position}.", position=head.position),
        (
            say("Every entry of the history is hashed over all before it. This is the hash of the last one."),
            say("As long as this mail lies where nobody can change it, no earlier entry can be changed unnoticed."),
            say("Whoever runs the desk checks it with: flask desk verify-history --head {head}", head=str(head)),
        ),
        (
            (say("Entries"), head.position),
            (say("Hash of the last one"), head.hash),
            (say("Written at"), at or say("unknown")),
        ),
    )


def _cause(certificate: Certificate) -> Sentence:
    return hindered("revoke", Hindrance(certificate.hindrance) if certificate.hindrance else None)


def _and_more(count: int) -> tuple[Sentence, ...]:
    if count <= LONGEST_LIST:
        return ()
    return (say("The {shown} oldest of {count} are listed here.", shown=LONGEST_LIST, count=count),)


LETTERS: Mapping[MailKind, Callable[[About], Letter]] = {
    MailKind.WINDOW_WEEK: _window,
    MailKind.WINDOW_DAY: _window,
    MailKind.EXPIRING_MONTH: _expiring,
    MailKind.EXPIRING_WEEK: _expiring,
    MailKind.REVIEW_OVERDUE: _review_overdue,
    MailKind.REVOCATION_SLOW: _revocation_slow,
    MailKind.HISTORY_HEAD: _history_head,
}
