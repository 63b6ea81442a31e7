"""Proving control of the names in an ACME order (RFC 8555, sections 7.5 and 8).

The customer publishes a value, the desk looks for it, and only when the desk has seen it is the server told to look: a
wrong value seen by the server fails the order for good.

Servers report a failed proof in different ways: an invalid authorization, an invalid challenge in an authorization that
stays pending, with or without an error, or a complaint in a challenge that stays open. Each is recognised here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

from acme.challenges import DNS01, HTTP01
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose, encode_b64jose

from webapp.authorities.acme_messages import (
    AcmeProblem,
    AuthorizationAnswer,
    ChallengeAnswer,
    not_acme,
    read_authorization,
)
from webapp.authorities.acme_models import AcmeOrder, AcmeStep
from webapp.authorities.acme_orders import (
    AcmeOrderBook,
    AuthorizationRecord,
    ChallengeRecord,
    has_lapsed,
    read_authorizations,
    write_authorizations,
)
from webapp.authorities.acme_wire import AcmeWire
from webapp.authorities.port import Look
from webapp.retelling import stored

POLL_IDLE = timedelta(hours=1)
"""How often the server is asked while the customer has published nothing. Our own look is taken every time."""

ANSWER_AGAIN = timedelta(minutes=1)
"""When a challenge that the server still calls pending is announced once more: the first time may have been lost."""

BEGIN_ANEW = stored("Submit the certificate again: you then get a new value to publish.")


class ProofOfControl:
    """Looks after the authorizations of one order during one conversation with the server."""

    def __init__(self, book: AcmeOrderBook, wire: AcmeWire, look: Look, clock: Callable[[], datetime]) -> None:
        self._book = book
        self._wire = wire
        self._look = look
        self._clock = clock
        # The addresses of the challenges that were looked at already, so that none is twice in one conversation.
        self._looked_at: set[str] = set()

    def rests(self, order: AcmeOrder) -> bool:
        """Whether the server need not be asked now, since it waits for the customer, and so do we."""
        now = self._clock()
        pending = [one for one in read_authorizations(order.authorizations) if one.status == "pending"]
        return (
            order.step is AcmeStep.PROVING
            and order.polled_at is not None
            and order.polled_at + POLL_IDLE > now
            and not has_lapsed(order, now)
            and bool(pending)
            # An authorization that was never read asks nothing of the customer yet.
            and all(one.domain and one.awaits_customer for one in pending)
        )

    def refresh(self, order: AcmeOrder, *, settled: bool = False) -> tuple[AcmeOrder, datetime | None]:
        """Ask for the authorizations that are not settled, keeping what we know of their challenges.

        ``settled`` asks for the others as well: what was proved can lapse. The second answer is the instant before
        which the server asked not to be asked again.
        """
        pauses: list[datetime] = []
        for record in read_authorizations(order.authorizations):
            if record.status == "valid" and not settled:
                continue
            try:
                answer = self._wire.fetch(record.url)
            except AcmeProblem as refusal:
                if refusal.status != HTTPStatus.NOT_FOUND:
                    raise
                # Some servers forget an authorization when its time is over.
                order = self._noted(order, replace(record, status="expired"))
                continue
            order = self._noted(order, self._merged(record, read_authorization(answer.document())))
            pauses += [answer.retry_at] if answer.retry_at else []
        return order, max(pauses, default=None)

    def look_around(self, order: AcmeOrder) -> AcmeOrder:
        """Look for what the customer was asked to publish, and note what was found."""
        for record in read_authorizations(order.authorizations):
            looked = self._looked(record) if record.status == "pending" else record
            if looked != record:
                order = self._noted(order, looked)
        return order

    def announce(self, order: AcmeOrder) -> AcmeOrder:
        """Tell the server of the values that our own look has seen, one way for each name."""
        now = self._clock()
        for one in read_authorizations(order.authorizations):
            ready = [item for item in one.open_challenges if item.seen and item.status == "pending"]
            recently = any(item.answered_at and item.answered_at + ANSWER_AGAIN > now for item in one.answered)
            if one.status != "pending" or not ready or recently:
                continue
            # Noted first: a worker killed after the request must not leave a proof that nobody waits for.
            told = replace(ready[0], answered_at=now, complaint="")
            challenges = tuple(told if item is ready[0] else item for item in one.challenges)
            order = self._noted(order, replace(one, challenges=challenges))
            try:
                self._wire.post(ready[0].url, {})
            except AcmeProblem as refusal:
                if refusal.problem.code == "accountDoesNotExist":
                    raise
                # It is no longer pending, most likely; the authorization tells at the next step.
        return order

    def _noted(self, order: AcmeOrder, record: AuthorizationRecord) -> AcmeOrder:
        """Store what is known of one authorization now; each takes its time, so none waits for the others."""
        records = read_authorizations(order.authorizations)
        changed = [record if one.url == record.url else one for one in records]
        return self._book.change(order, authorizations=write_authorizations(changed))

    def _looked(self, record: AuthorizationRecord) -> AuthorizationRecord:
        return replace(record, challenges=tuple(self._sighted(one, record) for one in record.challenges))

    def _sighted(self, challenge: ChallengeRecord, record: AuthorizationRecord) -> ChallengeRecord:
        if challenge not in record.open_challenges or challenge.url in self._looked_at:
            return challenge
        self._looked_at.add(challenge.url)
        return challenge.sighted(self._look(challenge.shown(record.domain)))

    def _merged(self, record: AuthorizationRecord, answer: AuthorizationAnswer) -> AuthorizationRecord:
        known = {one.url: one for one in record.challenges}
        # Servers list them in any order; people want to find each where it was.
        listed = sorted(answer.challenges, key=lambda one: one.kind, reverse=True)
        read = [self._read(one, answer.domain, known.get(one.url)) for one in listed]
        kept = tuple(one for one in read if one is not None)
        return AuthorizationRecord(record.url, answer.domain, answer.status, answer.expires, kept)

    def _read(self, answer: ChallengeAnswer, domain: str, known: ChallengeRecord | None) -> ChallengeRecord | None:
        complaint = (
            answer.error.explained(stored("The certificate authority was not satisfied.")) if answer.error else ""
        )
        if known is not None:
            return replace(known, status=answer.status, complaint=complaint)
        if answer.kind not in ("http-01", "dns-01"):
            return None
        location, value = self._task(answer, domain.removeprefix("*."))
        return ChallengeRecord(answer.kind, answer.url, location, value, answer.status, complaint=complaint)

    def _task(self, answer: ChallengeAnswer, base: str) -> tuple[str, str]:
        """Where to publish what (sections 8.3 and 8.4)."""
        try:
            token = decode_b64jose(answer.token)
        except DeserializationError:
            token = b""
        # The decoder skips what is not base64url, and the token becomes part of an address.
        if not token or encode_b64jose(token) != answer.token:
            raise not_acme(stored("a challenge without a usable token"))
        if answer.kind == "http-01":
            http = HTTP01(token=token)
            return http.uri(base), http.validation(self._wire.key)
        dns = DNS01(token=token)
        return dns.validation_domain_name(base), dns.validation(self._wire.key)


def failure(order: AcmeOrder) -> str | None:
    """Why control of a name will not be accepted any more, if that is so, in whichever way the server says it."""
    for one in read_authorizations(order.authorizations):
        rejected = [item for item in one.answered if item.status == "invalid"]
        if one.status == "invalid" or (one.status == "pending" and rejected):
            told = [item.complaint for item in (*rejected, *one.challenges) if item.complaint]
            why = told[0] if told else stored("The certificate authority does not say why.")
            return stored(
                "Control of {domain} was not accepted. {why} {advice}",
                domain=one.domain,
                why=why,
                advice=BEGIN_ANEW,
            )
        if one.status == "pending" and one.domain and all(item.status == "invalid" for item in one.challenges):
            return stored(
                "The certificate authority offers no way to prove control of {domain} that is known here: "
                "neither a page on the web server nor a DNS record.",
                domain=one.domain,
            )
    return None
