"""The value that a customer puts where only the holder of a domain can, and the two places for it.

CA/Browser Forum, TLS Baseline Requirements: section 3.2.2.4.7 (DNS change: a TXT record at the domain with a label in
front that begins with an underscore) and section 3.2.2.4.18 (agreed-upon change to website, version 2: a file below
``/.well-known/pki-validation``, whose content does not appear in the request for it; not for wildcard names). The value
is a Random Value in their sense: at least 112 bits of entropy, for one submission only, and for 30 days at most.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from webapp.certificates.names import read_domain, shown

RECORD_LABEL = "_desk"
RECORD_PREFIX = "desk-verification="
FOLDER = "/.well-known/pki-validation/"
LIFETIME = timedelta(days=30)
"""How long a value may be used after it was made."""
_BYTES = 16


def new_token() -> str:
    """A fresh value: 128 random bits in 32 hexadecimal digits."""
    return secrets.token_hex(_BYTES)


def domain_of(names: Sequence[str]) -> tuple[str, bool]:
    """The one domain that all of a certificate's DNS names are about, and whether a wildcard is among them.

    ``["*.example.com", "example.com"]`` is about ``example.com``. Raises :class:`ValueError` when the names are about
    several domains or none, for one value proves the control of one domain; and for a name that is not in the form
    that :func:`~webapp.certificates.names.read_domain` gives, for it is about to become part of requests.
    """
    domains = {name.removeprefix("*.") for name in names}
    if len(domains) != 1:
        raise ValueError(f"the names are about {len(domains)} domains, and exactly one can be checked")
    domain = domains.pop()
    if domain.startswith("*") or read_domain(domain) != domain:
        raise ValueError(f"{shown(domain)} is not in the form that the DNS uses")
    return domain, any(name.startswith("*.") for name in names)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is looked for, and where. ``token_id`` names the file; it is no secret and says nothing about ``token``."""

    domain: str
    wildcard: bool
    token: str
    token_id: str

    @property
    def record_name(self) -> str:
        """Where the TXT record belongs, without the final dot."""
        return f"{RECORD_LABEL}.{self.domain}"

    @property
    def record_value(self) -> str:
        """What the TXT record says."""
        return f"{RECORD_PREFIX}{self.token}"

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone file (RFC 1035, section 5.1)."""
        return f'{self.record_name}. 300 IN TXT "{self.record_value}"'

    @property
    def path(self) -> str:
        """The path of the file on the domain's web server."""
        return f"{FOLDER}{self.token_id}.txt"

    @property
    def url(self) -> str:
        """The address of the file. A wildcard needs the DNS record: a file proves one host only."""
        return f"http://{self.domain}{self.path}"
