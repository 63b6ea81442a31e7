"""The letter about an exception from the refund policy: what was granted, until when, and what to do now."""

from collections.abc import Callable, Mapping

from certlifecycle import Outlook, Sentence, State, Verdict, Waiver, say, verdict
from webapp.certificates.facts import facts_of, latest_refund, waiver_in
from webapp.mail.about import About, Letter, Obsolete, outlook_words
from webapp.mail.models import MailKind


def _granted(about: About) -> Letter:
    waiver, answer = _in_force(about)
    todo = (
        say(
            "You can apply for the refund now: {amount} to {destination}.",
            amount=answer.amount,
            destination=about.destination,
        )
        if answer.eligible
        else outlook_words(answer)
    )
    return Letter(
        say("An exception for {domain}: you can still get your money back", domain=about.domain),
        say("We make an exception from the refund policy for you."),
        (
            _what(waiver),
            todo,
            say("The exception lasts until {until}. After that the refund policy alone counts.", until=waiver.until),
            say("Your application is decided like any other. If you want no refund, you need do nothing."),
        ),
        (
            (say("Certificate"), about.domain),
            (say("Amount"), answer.amount),
            (say("Goes to"), about.destination),
            (say("Granted"), about.row.at),
            (say("Exception ends"), waiver.until),
            (say("Order"), about.purchase.number),
        ),
        quotes=((say("Why the exception is made"), waiver.reason),),
        links=(_link(about, answer),),
    )


def _in_force(about: About) -> tuple[Waiver, Verdict]:
    """The exception, and what the refund policy says by it; raises :class:`Obsolete` once there is no use for it."""
    certificate = about.certificate
    waiver = waiver_in(certificate.waiver)
    is_this_one = (certificate.waiver or {}).get("id") == about.row.facts["exception"]
    if waiver is None or not is_this_one or about.now > waiver.until:
        raise Obsolete("The exception has ended.")
    refund = latest_refund(about.session, certificate)
    answer = verdict(facts_of(certificate, about.purchase, refund), about.now, about.policy)
    if answer.outlook not in (Outlook.NOW, Outlook.AFTER_A_STEP):
        raise Obsolete("The refund is applied for already, or the exception does not help any more.")
    return waiver, answer


def _what(waiver: Waiver) -> Sentence:
    if waiver.pays_all:
        return say("All that you paid comes back, with the part that the refund policy keeps otherwise.")
    return say("The time in which the refund policy gives money back is over. By the exception you can still get it.")


def _link(about: About, answer: Verdict) -> tuple[Sentence, str]:
    key = about.certificate.id
    if answer.eligible:
        return say("Apply for the refund"), about.links.apply(key)
    if about.certificate.state == State.ISSUED:
        return say("Revoke the certificate"), about.links.revoke(key)
    return say("See the certificate"), about.links.certificate(key)


LETTERS: Mapping[MailKind, Callable[[About], Letter]] = {MailKind.EXCEPTION_GRANTED: _granted}
