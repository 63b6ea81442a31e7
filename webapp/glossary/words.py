"""The console's words and what they mean: the states from the life cycle itself, the field's terms in a sentence."""

from dataclasses import dataclass

from certlifecycle import REVIEWERS, Event, Mover, Role, State, declared_transitions, phrase

CSR = "CSR"
CHAIN = phrase("Full chain")
FINGERPRINT = phrase("SHA-256 fingerprint")
ISSUER = phrase("Issuer")
KEY = phrase("Key")
SERIAL = phrase("Serial number")
VALID = phrase("Valid")

TERMS = {
    CSR: phrase(
        "Certificate signing request: the text with your public key and the names that the certificate is "
        "to bear. Your server makes it together with the private key, which stays with you."
    ),
    KEY: phrase(
        "The kind of the key that your CSR brought: RSA with its length in bits, or EC with its curve. Who "
        "holds the private part can use the certificate."
    ),
    ISSUER: phrase("The certificate authority that signed the certificate, by the name that stands in it."),
    SERIAL: phrase(
        "The number that the authority gave this certificate, unique among all of its own. Revocations name it."
    ),
    FINGERPRINT: phrase(
        "A short check value over the whole certificate. When a browser or a server shows the same one, it "
        "is the same certificate."
    ),
    VALID: phrase("Browsers accept the certificate between these two instants, unless it is revoked before."),
    CHAIN: phrase(
        "The certificate followed by those of its issuers, up to but without the root that browsers know "
        "already: the file that web servers want."
    ),
    phrase("Domain control"): phrase(
        "The proof that a domain is yours: a TXT record in its DNS, or a file on its web server, that shows "
        "a value which we made for you."
    ),
    phrase("TXT record"): phrase("An entry of text in the DNS of a domain. Whoever can set it controls the domain."),
    phrase("CAA record"): phrase(
        "An entry in the DNS of a domain that says which authorities may issue for it. Without one every authority may."
    ),
    phrase("Revocation"): phrase(
        "The authority declares a certificate invalid before its time, for good. Browsers that learn of it "
        "warn every visitor."
    ),
    phrase("Refund window"): phrase(
        "How long the money can still come back. The last instant counts; what was applied for in time is "
        "decided as it stood then."
    ),
    phrase("Business day"): phrase(
        "A day on which people work where the shop is: neither a weekend nor a public holiday, and a "
        "weekend day that is worked to make up for one."
    ),
    phrase("Provider’s reference"): phrase(
        "The number under which the payment provider knows the payment back to you. Give it to them when "
        "you look for the money."
    ),
}
"""The field's terms, in the order in which a customer meets them; for the reader's language to be looked up."""


def of_a_certificate() -> dict[str, str]:
    """The terms that stand on the page of a certificate."""
    return {term: TERMS[term] for term in (VALID, KEY, ISSUER, SERIAL, FINGERPRINT, CHAIN)}


@dataclass(frozen=True, slots=True)
class StateHelp:
    """One state: what it means, whose move it is, and what may come next: (event, done by)."""

    state: State
    meaning: str
    mover: Mover
    following: tuple[tuple[Event, Mover], ...]


def states() -> list[StateHelp]:
    """Every state in the order of the life cycle, with the events that the machine declares from it."""
    return [StateHelp(state, state.meaning, state.mover, _following(state)) for state in State]


def _following(state: State) -> tuple[tuple[Event, Mover], ...]:
    found: dict[Event, Mover] = {}
    for one in declared_transitions():
        if one.source is state:
            found.setdefault(one.event, _mover(one.roles))
    return tuple(found.items())


def _mover(roles: frozenset[Role]) -> Mover:
    """Who does it first of all, where several may."""
    if Role.CUSTOMER in roles:
        return Mover.CUSTOMER
    return Mover.REVIEWER if roles & REVIEWERS else Mover.SYSTEM
