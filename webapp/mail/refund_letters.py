"""Letters about a refund application, from the receipt to the money.

Each says what was so when it happened: it is made from the history row and from what is frozen on the application.
"""

from collections.abc import Callable, Mapping

from sqlmodel import col, select

from certlifecycle import Sentence, say
from webapp.mail.about import About, Letter, outlook_words
from webapp.mail.models import MailKind
from webapp.payments.destination import capital
from webapp.payments.models import Payout, PayoutStatus
from webapp.retelling import Stored

Facts = tuple[tuple[object, object], ...]
Links = tuple[tuple[Sentence, str], ...]


def _applied(about: About) -> Letter:
    refund = about.refund
    promise = (
        say("You have the answer on {latest}.", latest=refund.latest)
        if refund.soonest == refund.latest
        else say("You have the answer between {soonest} and {latest}.", soonest=refund.soonest, latest=refund.latest)
    )
    return Letter(
        say("We have your refund application for {domain}", domain=about.domain),
        say("Applied, please wait for the verification."),
        (
            say("You applied for {amount} back. A reviewer decides.", amount=refund.amount),
            promise,
            say("You need do nothing. While nobody has decided, you can take the application back."),
        ),
        (
            (say("Amount"), refund.amount),
            (say("Goes to"), about.account(refund.destination)),
            (say("Applied"), about.row.at),
            (say("Answer at the latest"), refund.latest),
            *_names(about),
        ),
        links=((say("Follow the refund"), about.links.refund(refund.id)),),
    )


def _approved(about: About) -> Letter:
    refund = about.refund
    return Letter(
        say("Your refund for {domain} is approved", domain=about.domain),
        say("Approved: the money is on its way."),
        (
            say(
                "{amount} are on their way to {destination}.",
                amount=refund.amount,
                destination=about.account(refund.destination),
            ),
            say("Approved is not refunded yet: we write again when the payment provider confirms that it arrived."),
        ),
        (
            (say("Amount"), refund.amount),
            (say("Goes to"), about.account(refund.destination)),
            (say("Approved"), about.row.at),
            *_names(about),
        ),
        links=((say("Follow the refund"), about.links.refund(refund.id)),),
    )


def _paid(about: About) -> Letter:
    refund = about.refund
    return Letter(
        say("{amount} went back to you for {domain}", amount=refund.amount, domain=about.domain),
        say("Refunded: the money went back."),
        (
            say(
                "The payment provider confirmed that {amount} went to {destination}.",
                amount=refund.amount,
                destination=about.account(about.row.facts["to"]),
            ),
            say("Nothing is left to do."),
        ),
        _payment(about),
        links=((say("See the refund"), about.links.refund(refund.id)),),
    )


def _fallback(about: About) -> Letter:
    refund = about.refund
    answer = about.session.exec(
        select(Payout.detail).where(
            Payout.refund_id == refund.id,
            Payout.method == refund.method,
            Payout.status == PayoutStatus.REFUSED,
            col(Payout.detail) != "",
        )
    ).first()
    return Letter(
        say("{amount} for {domain} are in your balance", amount=refund.amount, domain=about.domain),
        say("Refunded to your balance, not to the account that paid."),
        (
            say(
                "{destination} could not take the money, so {amount} went to {balance}.",
                destination=Stored(capital(refund.destination)),
                amount=refund.amount,
                balance=about.account(about.row.facts["to"]),
            ),
            say("It is there already: you can pay your next order with it."),
        ),
        _payment(about),
        quotes=((say("Why it could not"), answer),) if answer else (),
        links=((say("See the refund"), about.links.refund(refund.id)),),
    )


def _payment(about: About) -> Facts:
    return (
        (say("Amount"), about.refund.amount),
        (say("Went to"), about.account(about.row.facts["to"])),
        (say("Provider’s reference"), about.row.facts["reference"]),
        (say("Confirmed"), about.row.at),
        *_names(about),
    )


def _rejected(about: About) -> Letter:
    refund, answer = about.refund, about.outlook()
    again: Links = ()
    if answer.eligible:
        again = ((say("Apply again"), about.links.apply(refund.certificate_id)),)
        choice = say("You can apply again, or keep the certificate: it is as usable as it was before you applied.")
    else:
        choice = say("You keep the certificate: it is as usable as it was before you applied.")
    todo = ((say("What to do now"), refund.instructions),) if refund.instructions else ()
    return Letter(
        say("Your refund application for {domain} was refused", domain=about.domain),
        say("Your application was refused: why, and what now."),
        (choice, outlook_words(answer)),
        (
            (say("Amount asked for"), refund.amount),
            (say("Decided"), about.row.at),
            *_names(about),
        ),
        quotes=((say("Why it was refused"), about.row.reason), *todo),
        links=(*again, (say("See the refusal, or keep the certificate"), about.links.refund(refund.id))),
    )


def _returned(about: About) -> Letter:
    refund = about.refund
    return Letter(
        say("The payment of your refund for {domain} failed; we look at it again", domain=about.domain),
        say("The payment failed; we look at it again."),
        (
            say("{amount} were approved, but the payment did not go through.", amount=refund.amount),
            say("Your claim stands: nothing is lost, and nothing is paid twice."),
            say("A reviewer looks at it again. You need do nothing; we write to you."),
        ),
        ((say("Amount"), refund.amount), (say("Tried"), about.row.at), *_names(about)),
        quotes=((say("Why it did not go through"), about.row.reason),),
        links=((say("Follow the refund"), about.links.refund(refund.id)),),
    )


def _names(about: About) -> Facts:
    return (
        (say("Certificate"), about.domain),
        (say("Refund"), about.refund.number),
        (say("Order"), about.purchase.number),
    )


LETTERS: Mapping[MailKind, Callable[[About], Letter]] = {
    MailKind.APPLIED: _applied,
    MailKind.APPROVED: _approved,
    MailKind.PAID: _paid,
    MailKind.FALLBACK: _fallback,
    MailKind.REJECTED: _rejected,
    MailKind.RETURNED: _returned,
}
