"""The outside world as it behaves on a bad day: small authorities and payment providers with a will of their own."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import cast

from shop import signing_request

from certlifecycle import Money, RevocationReason
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateAuthority,
    CertificateStatus,
    Failed,
    Processing,
    Progress,
    Proof,
    Proved,
)
from webapp.certificates.models import PaymentMethod
from webapp.payments import port as payments

# Certificate authorities


class RealAuthority:
    """Passes everything on; ``calls`` says what was asked."""

    def __init__(self, real: CertificateAuthority) -> None:
        self.real = real
        self.calls: list[str] = []

    def for_product(self, _product: str) -> CertificateAuthority:
        """It is the same for every product."""
        return self

    def proves_control(self, order_key: str) -> bool:
        """As the real one does."""
        return self.real.proves_control(order_key)

    def prove(self, ref: str) -> Proof:
        """Take a step towards the proof."""
        self.calls.append("prove")
        return self.real.prove(ref)

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Hand the order in."""
        self.calls.append("submit")
        return self.real.submit(order_key, csr_pem, names, validity_days)

    def advance(self, ref: str) -> Progress:
        """Take a step."""
        self.calls.append("advance")
        return self.real.advance(ref)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke."""
        self.calls.append("revoke")
        self.real.revoke(serial, reason)

    def status(self, serial: str) -> CertificateStatus:
        """What the real one says."""
        return self.real.status(serial)


class UnavailableAuthority(RealAuthority):
    """Is away for the first ``times`` calls."""

    def __init__(self, real: CertificateAuthority, times: int = 1) -> None:
        super().__init__(real)
        self.times = times

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Answer when it is back."""
        self._be_away()
        return super().submit(order_key, csr_pem, names, validity_days)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Answer when it is back."""
        self._be_away()
        super().revoke(serial, reason)

    def _be_away(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise AuthorityUnavailable("The authority does not answer.")


class RefusingAuthority(RealAuthority):
    """Definitely will not, and says why: at once, or after it has looked at the order."""

    WORDS = "The domain is on the authority's list of names that it never certifies."

    def __init__(self, real: CertificateAuthority, *, immediately: bool = True) -> None:
        super().__init__(real)
        self.immediately = immediately

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Refuse the order where it refuses at once."""
        if self.immediately:
            raise AuthorityRefused(self.WORDS)
        return super().submit(order_key, csr_pem, names, validity_days)

    def advance(self, ref: str) -> Progress:
        """Refuse the order after a look."""
        return Failed(self.WORDS)

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Refuse to revoke."""
        raise AuthorityRefused(self.WORDS)


class ThoroughAuthority(RealAuthority):
    """Is at work for the first ``looks`` times that it is asked."""

    def __init__(self, real: CertificateAuthority, looks: int = 1) -> None:
        super().__init__(real)
        self.looks = looks

    def advance(self, ref: str) -> Progress:
        """Take a step, or still be at work."""
        self.looks -= 1
        return Processing() if self.looks >= 0 else super().advance(ref)


class MistakenAuthority(RealAuthority):
    """Issues for the right names, but for somebody else's key."""

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], validity_days: int) -> str:
        """Mix two orders up."""
        other_key = signing_request.__wrapped__(*names)
        return super().submit(f"{order_key}-mixed-up", other_key, names, validity_days)


class ProvingAuthority(RealAuthority):
    """Wants to see control itself, and answers each step towards the proof with the next of ``answers``.

    The last one repeats. An answer that is an exception is raised; one that is a function is called for the answer.
    """

    def __init__(self, real: CertificateAuthority, *answers: object) -> None:
        super().__init__(real)
        self.answers = list(answers)
        self.keys: list[str] = []

    def proves_control(self, order_key: str) -> bool:
        """It does."""
        self.keys.append(order_key)
        return True

    def prove(self, ref: str) -> Proof:
        """Answer."""
        self.calls.append("prove")
        return cast(Proof, self._next())

    def advance(self, ref: str) -> Progress:
        """Answer the same while there is something left to prove; then issue."""
        if len(self.answers) == 1 and isinstance(self.answers[0], Proved):
            return super().advance(ref)
        self.calls.append("advance")
        return cast(Progress, self._next())

    def _next(self) -> object:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


class BusyAuthority(RealAuthority):
    """Lets something happen while it is at work."""

    def __init__(self, real: CertificateAuthority, meanwhile: Callable[[], object]) -> None:
        super().__init__(real)
        self.meanwhile = meanwhile

    def advance(self, ref: str) -> Progress:
        """Issue, and take so long to say so that something else happens first."""
        answer = super().advance(ref)
        self.meanwhile()
        return answer

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke, and take so long to say so that something else happens first."""
        super().revoke(serial, reason)
        self.meanwhile()


# Payment providers

Mood = Callable[["Provider", payments.PayoutOrder], payments.Answer]


class Provider:
    """A payment provider with books of its own: ``paid`` is what it really did, whatever it answered.

    Each call of ``refund`` takes the next of its moods; the last one stays. ``calls`` says what was asked, and
    ``meanwhile`` is called at the beginning of each refund, with the order.
    """

    def __init__(
        self,
        *moods: Mood,
        method: PaymentMethod = PaymentMethod.ALIPAY,
        in_flight: timedelta = timedelta(seconds=10),
        meanwhile: Callable[[payments.PayoutOrder], object] = lambda order: None,
    ) -> None:
        self.method = method
        self.in_flight = in_flight
        self.moods = list(moods)
        self.meanwhile = meanwhile
        self.calls: list[str] = []
        self.paid: dict[str, Money] = {}
        self.known: dict[str, payments.Answer] = {}

    def refund(self, order: payments.PayoutOrder) -> payments.Answer:
        """Pay back, in the mood of the moment."""
        self.calls.append("refund")
        self.meanwhile(order)
        mood = self.moods.pop(0) if len(self.moods) > 1 else self.moods[0]
        return mood(self, order)

    def query(self, order: payments.PayoutOrder) -> payments.Answer:
        """Look into the books."""
        self.calls.append("query")
        return self.known.get(order.refund_no, payments.Unheard())

    def statement(self, day: date) -> list[payments.StatementLine]:
        """It does not show its books."""
        raise payments.StatementMissing("This provider has no statements.")

    def pay(self, order: payments.PayoutOrder) -> payments.Answer:
        """Do the work, once for each refund number."""
        assert self.paid.setdefault(order.refund_no, order.amount) == order.amount
        self.known[order.refund_no] = payments.Succeeded(f"P-{order.refund_no[:8]}")
        return self.known[order.refund_no]

    def settle(self) -> None:
        """Finish what is pending."""
        for number, answer in self.known.items():
            if isinstance(answer, payments.Pending):
                self.known[number] = payments.Succeeded(answer.reference)


def pays(provider: Provider, order: payments.PayoutOrder) -> payments.Answer:
    """Pay and say so."""
    return provider.pay(order)


def takes_its_time(provider: Provider, order: payments.PayoutOrder) -> payments.Answer:
    """Take the order in; the money moves when it is settled."""
    answer: payments.Answer = payments.Pending("P-pending")
    return provider.known.setdefault(order.refund_no, answer)


def refuses(provider: Provider, order: payments.PayoutOrder) -> payments.Answer:
    """Definitely not, as nobody may pay into a closed account."""
    answer: payments.Answer = payments.Failed("The account is closed.")
    return provider.known.setdefault(order.refund_no, answer)


def never_hears(provider: Provider, order: payments.PayoutOrder) -> payments.Answer:
    """The request is lost on its way, so that nobody knows."""
    return payments.Unknown("There was no answer within 10 seconds.")


def loses_the_answer(provider: Provider, order: payments.PayoutOrder) -> payments.Answer:
    """Pay; the answer is lost on its way back."""
    provider.pay(order)
    return payments.Unknown("There was no answer within 10 seconds.")


def breaks_off(provider: Provider, order: payments.PayoutOrder) -> payments.Answer:
    """Pay; then the connection breaks in a way that the gateway did not expect."""
    provider.pay(order)
    raise ConnectionResetError("the connection was reset")
