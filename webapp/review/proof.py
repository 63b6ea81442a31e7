"""What a reviewer reads about the control of a domain: who issues, what was proved, and how."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from certlifecycle import State, phrase
from webapp.access import parts
from webapp.authorities.acme_orders import ShownProof, shown_proof
from webapp.authorities.choice import chosen_name
from webapp.authorities.settings import BUILTIN
from webapp.certificates.names import display_name
from webapp.desk import File
from webapp.domaincontrol.models import DomainControl, Method
from webapp.wording import Vocabulary, _

SHOWN = Vocabulary(
    {
        Method.DNS_TXT: phrase("Shown by a TXT record"),
        Method.HTTP_TOKEN: phrase("Shown by a file on the web server"),
    }
)


@dataclass(frozen=True, slots=True)
class ProofView:
    """``authority`` is who issues, ``control`` whether the domain was shown to be the customer's, by what and when.

    ``names`` tells of each name what the authority itself has seen, where it looks itself; ``is_builtin`` is whether
    the desk's own value is what is looked for.
    """

    authority: str
    is_builtin: bool
    control: str
    since: datetime | None
    names: list[str]


def proof_view(session: Session, file: File) -> ProofView | None:
    """The view of what was handed in; ``None`` where nothing was."""
    certificate = file.certificate
    if certificate.submission_id is None or certificate.state == State.PENDING:
        return None
    key = certificate.submission_id
    name = chosen_name(session, key) or parts().settings.authorities.name_for(file.purchase.product)
    control = session.get(DomainControl, key)
    proof = None if name == BUILTIN else shown_proof(session, key)
    return ProofView(
        authority=_("The built-in authority") if name == BUILTIN else _server(name),
        is_builtin=name == BUILTIN,
        control=_control(control),
        since=control.held_at if control else None,
        names=_proved(proof) if proof else [],
    )


def _server(name: str) -> str:
    url = next((one.directory_url for one in parts().settings.authorities.servers if one.name == name), None)
    return (
        _("{name}, the ACME server at {url}", name=name, url=url)
        if url
        else _("{name}, an ACME server that is not set up any more", name=name)
    )


def _control(control: DomainControl | None) -> str:
    if control is not None and control.held_by is not None:
        return SHOWN[Method(control.held_by)]
    if control is None or not control.seen:
        return _("Not shown; nobody has looked yet")
    return _("Not shown.")


def _proved(proof: ShownProof) -> list[str]:
    """A reviewer should know what the authority has not been shown by this customer."""
    return [_seen(display_name(name), kind) for name, kind in proof.proved]


def _seen(name: str, kind: str | None) -> str:
    match kind:
        case "dns-01":
            return _("{name}: the authority has seen the TXT record", name=name)
        case "http-01":
            return _("{name}: the authority has seen the file on the web server", name=name)
        case _:
            return _("{name}: the authority took it as proved from another order", name=name)
