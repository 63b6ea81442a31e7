"""Letters about a certificate: issued or not, revoked or not, and what that means for the money."""

from collections.abc import Callable, Mapping

from certlifecycle import Sentence, say
from webapp.mail.about import About, Letter, outlook_words
from webapp.mail.models import MailKind


def _issued(about: About) -> Letter:
    certificate, answer = about.certificate, about.outlook()
    deadline = ((say("Refund window closes"), answer.deadline),) if answer.next_step and answer.deadline else ()
    return Letter(
        say("The certificate for {domain} is issued", domain=about.domain),
        say("Your certificate is ready."),
        (
            say(
                "It is valid until {until}. Download it from its page and install it on your server.",
                until=about.valid_until,
            ),
            say("No need for it after all? {what_then}", what_then=answer.next_step or answer.sentence),
        ),
        (
            (say("Names"), about.names),
            (say("Valid until"), about.valid_until),
            *deadline,
            (say("Serial number"), certificate.serial),
            (say("Issuer"), certificate.issuer),
            (say("Order"), about.purchase.number),
        ),
        links=((say("Download the certificate"), about.links.certificate(certificate.id)),),
    )


def _verification_failed(about: About) -> Letter:
    return _not_issued(
        about,
        Letter(
            say("The verification for {domain} failed", domain=about.domain),
            say("The verification failed: why, and what now."),
            (say("Put right what is named below, then submit it again. It costs nothing more."),),
            quotes=((say("Why it failed"), about.row.reason),),
        ),
    )


def _issuance_refused(about: About) -> Letter:
    return _not_issued(
        about,
        Letter(
            say("The certificate for {domain} was not issued", domain=about.domain),
            say("The certificate authority refused to issue it: why, and what now."),
            (say("Put right what is named below, then submit it again. It costs nothing more."),),
            quotes=((say("What the certificate authority answered"), about.row.reason),),
        ),
    )


def _not_issued(about: About, said: Letter) -> Letter:
    key, answer = about.certificate.id, about.outlook()
    refund = ((say("Apply for a refund"), about.links.apply(key)),) if answer.eligible else ()
    return Letter(
        said.subject,
        said.headline,
        (*said.paragraphs, outlook_words(answer)),
        ((say("Certificate"), about.domain), (say("Decided"), about.row.at), (say("Order"), about.purchase.number)),
        said.quotes,
        ((say("Submit it again"), about.links.submit(key)), *refund),
    )


def _revoked(about: About) -> Letter:
    certificate, answer = about.certificate, about.outlook()
    money: tuple[Sentence, ...] = ()
    link = (say("See the certificate"), about.links.certificate(certificate.id))
    if answer.eligible:
        money = (
            say(
                "You can apply for the refund now: {amount} to {destination}.",
                amount=answer.amount,
                destination=about.destination,
            ),
        )
        link = (say("Apply for the refund"), about.links.apply(certificate.id))
    deadline = ((say("Refund window closes"), answer.deadline),) if answer.eligible else ()
    return Letter(
        say("The certificate for {domain} is revoked", domain=about.domain),
        say("Revoked: browsers no longer accept it."),
        (*money, outlook_words(answer)),
        (
            (say("Certificate"), about.domain),
            (say("Revoked"), about.row.at),
            *deadline,
            (say("Serial number"), certificate.serial),
            (say("Order"), about.purchase.number),
        ),
        links=(link,),
    )


def _revocation_refused(about: About) -> Letter:
    return Letter(
        say("The certificate for {domain} could not be revoked", domain=about.domain),
        say("It could not be revoked, and is still valid."),
        (
            say("The certificate authority refused to revoke it. You can ask again from the certificate’s page."),
            outlook_words(about.outlook()),
        ),
        (
            (say("Certificate"), about.domain),
            (say("Answered"), about.row.at),
            (say("Serial number"), about.certificate.serial),
            (say("Order"), about.purchase.number),
        ),
        quotes=((say("What the certificate authority answered"), about.row.reason),),
        links=((say("See the certificate"), about.links.certificate(about.certificate.id)),),
    )


LETTERS: Mapping[MailKind, Callable[[About], Letter]] = {
    MailKind.ISSUED: _issued,
    MailKind.VERIFICATION_FAILED: _verification_failed,
    MailKind.ISSUANCE_REFUSED: _issuance_refused,
    MailKind.REVOKED: _revoked,
    MailKind.REVOCATION_REFUSED: _revocation_refused,
}
