"""Looks at domains that nobody has to make."""

from shop import Shop

from webapp.certificates.models import Certificate
from webapp.domaincontrol.models import Finding, Method, note_look


def looked(shop: Shop, certificate: Certificate, held: bool = False, caa: str | None = None) -> None:
    """A look at the certificate's domain that saw nothing, or the value."""
    assert certificate.submission_id is not None
    words = "The TXT record holds the right value." if held else "No TXT record at _desk.www.example.com yet."
    finding = Finding(Method.DNS_TXT, held, words, int(held), 1)
    held_by = Method.DNS_TXT if held else None
    note_look(shop.database, certificate.submission_id, shop.clock(), (finding,), held_by, caa)
