"""What the desk owes, and what keeps it from being done, in words for whoever runs the desk."""

from collections.abc import Mapping

from certlifecycle import Sentence, say
from webapp.hindrances import Hindrance

WORK = {
    "check_domain": say("See whether the domain is the customer’s"),
    "issue": say("Have the certificate issued"),
    "revoke": say("Have the certificate revoked"),
    "pay": say("Pay the refund back"),
}
"""Every kind of work that a certificate's state can make due."""

_AUTHORITY_IS_AWAY = say("The certificate authority cannot be reached, or does not answer.")

_OF_KIND: Mapping[tuple[str, Hindrance], Sentence] = {
    ("check_domain", Hindrance.CUSTOMER): say("The customer has not shown yet that the domain is theirs."),
    ("check_domain", Hindrance.UNREACHABLE): say("Whoever has to be asked about the domain does not answer."),
    ("issue", Hindrance.AT_WORK): say("The certificate authority has the order and is working on it."),
    ("issue", Hindrance.CUSTOMER): say("The domain does not allow it yet: the customer has to change its DNS."),
    ("issue", Hindrance.UNREACHABLE): _AUTHORITY_IS_AWAY,
    ("revoke", Hindrance.UNREACHABLE): _AUTHORITY_IS_AWAY,
    ("pay", Hindrance.AT_WORK): say("The payment provider has taken the order and has not finished yet."),
    ("pay", Hindrance.UNREACHABLE): say(
        "The payment provider cannot be reached, or does not answer. It is asked what became of the money before "
        "anything is sent again."
    ),
    ("pay", Hindrance.NO_OUTCOME): say(
        "The payment provider has not said whether it paid. It is asked again; nothing is guessed and nothing is paid "
        "twice."
    ),
    ("pay", Hindrance.NOT_NOW): say(
        "The payment provider does not pay now. Nothing was paid. Put right what the details name; it is sent again by "
        "itself."
    ),
}

_OF_ANY: Mapping[Hindrance | None, Sentence] = {
    None: say("It is not finished yet."),
    Hindrance.AT_WORK: say("The other side has taken it and is working on it."),
    Hindrance.CUSTOMER: say("It waits for the customer."),
    Hindrance.UNREACHABLE: say("The other side cannot be reached, or does not answer."),
    Hindrance.NO_OUTCOME: say("It was sent, and nobody knows yet what became of it. It is asked for again."),
    Hindrance.NOT_NOW: say("The other side does not do it now. Put right what the details name."),
    Hindrance.REFUSED: say("The other side will never do it. The details say why."),
    Hindrance.INCOMPLETE: say(
        "The desk’s own records lack something that this needs. Trying again helps only once that is put right; the "
        "details say what is missing."
    ),
    Hindrance.DATABASE: say("The desk’s own database did not do what was asked of it."),
    Hindrance.DEFECT: say(
        "The program failed in a way that nobody foresaw. Give the details to whoever maintains it; meanwhile it is "
        "tried again."
    ),
}


def hindered(work: str, hindrance: Hindrance | None) -> Sentence:
    """Why a piece of work is not done yet, without anything technical."""
    specific = _OF_KIND.get((work, hindrance)) if hindrance else None
    return specific or _OF_ANY[hindrance]
