"""Where links in mails lead. The worker knows no routes, so they stand here; a test compares them with the pages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Links:
    """Absolute addresses of the console's pages; ``base`` is the address under which people reach it."""

    base: str

    def certificate(self, certificate_id: str) -> str:
        """The certificate's own page, from which it is downloaded."""
        return f"{self.base}/certificates/{certificate_id}"

    def submit(self, certificate_id: str) -> str:
        """Where a CSR is handed in."""
        return f"{self.base}/certificates/{certificate_id}/submit"

    def revoke(self, certificate_id: str) -> str:
        """Where a revocation is asked for."""
        return f"{self.base}/certificates/{certificate_id}/revoke"

    def apply(self, certificate_id: str) -> str:
        """Where a refund is applied for."""
        return f"{self.base}/certificates/{certificate_id}/refund"

    def refund(self, refund_id: str) -> str:
        """Where a refund is followed, withdrawn, or its refusal answered."""
        return f"{self.base}/refunds/{refund_id}"

    def order(self) -> str:
        """The price list."""
        return f"{self.base}/order"

    def queue(self) -> str:
        """What waits for reviewers."""
        return f"{self.base}/review"

    def outbox(self) -> str:
        """What the desk owes the outside, for administrators."""
        return f"{self.base}/outbox"

    def sign_in(self) -> str:
        """Where somebody signs in."""
        return f"{self.base}/sign-in"

    def ask_for_recovery(self) -> str:
        """Where somebody who forgot the password asks for a link."""
        return f"{self.base}/sign-in/recover"

    def recover(self, token: str) -> str:
        """Where that link leads: to a new password."""
        return f"{self.base}/sign-in/recover/{token}"

    def preferences(self) -> str:
        """Where somebody chooses which mails they get."""
        return f"{self.base}/account/mail"

    def unsubscribe(self, token: str) -> str:
        """Where one group of mails is switched off, without signing in."""
        return f"{self.base}/mail/unsubscribe/{token}"
