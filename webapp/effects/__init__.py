"""Slow calls to the outside: outside any transaction, idempotent, and back through the door as the system.

Each effect looks at the state first: whoever comes too late finds nothing to do. Nothing here is lost when a worker
dies, for the certificate's state itself says what is due.
"""

from collections.abc import Mapping

from webapp.authorities.port import AuthorityChoice, AuthorityUnavailable
from webapp.certificates.models import PaymentMethod
from webapp.desk import Desk
from webapp.domaincontrol.check import Checker
from webapp.effects.check_domain import check_domain, leave_to_reviewers
from webapp.effects.issue import issue
from webapp.effects.patience import Patience
from webapp.effects.pay import pay
from webapp.effects.revoke import revoke
from webapp.hindrances import hindrance_of
from webapp.payments.port import PaymentGateway


class Effects:
    """The outside world as the worker reaches it. Without a ``checker`` reviewers alone verify submissions."""

    def __init__(
        self,
        desk: Desk,
        authority: AuthorityChoice,
        gateways: Mapping[PaymentMethod, PaymentGateway],
        checker: Checker | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.desk = desk
        self.authority = authority
        self.gateways = gateways
        self.checker = checker
        self.patience = patience or Patience()

    def run(self, kind: str, certificate_id: str) -> None:
        """Do what is due for one certificate. Raises whatever the outside raised, after noting it on the row."""
        try:
            match kind:
                case "check_domain" if self.checker is not None:
                    check_domain(self.desk, self.checker, certificate_id, self.patience, self.authority)
                case "check_domain":
                    leave_to_reviewers(self.desk, certificate_id)
                case "issue":
                    issue(self.desk, self.authority, certificate_id, self.checker, self.patience)
                case "revoke":
                    revoke(self.desk, self.authority, certificate_id)
                case "pay":
                    pay(self.desk, self.gateways, certificate_id)
                case _:
                    raise ValueError(f"no such work: {kind!r}")
        except AuthorityUnavailable:
            # The effect has noted it, in words that the customer may read.
            raise
        except Exception as failure:
            self.desk.note_failure(certificate_id, f"{type(failure).__name__}: {failure}", hindrance_of(failure))
            raise
