"""What the tests of the ACME authority share: our own look at what a customer published, and a shop of parts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dns.exception
import dns.resolver
import requests
import sqlalchemy as sa
from ca_support import HandClock, make_csr
from cryptography.hazmat.primitives.asymmetric import ec
from pebble import ChallengeServer, Pebble

from webapp.authorities.acme_authority import AcmeAuthority
from webapp.authorities.acme_models import AcmeAccount, AcmeOrder
from webapp.authorities.port import (
    AuthorityUnavailable,
    Challenge,
    Failed,
    Issued,
    IssuedCertificate,
    Pending,
    Progress,
    Sighting,
)
from webapp.db import make_engine

KEY = ec.generate_private_key(ec.SECP256R1())
TABLES = (AcmeAccount, AcmeOrder)
PAUSE = timedelta(seconds=5)
"""Between two looks of the worker."""


@cache
def csr_for(*names: str) -> str:
    """The CSR of a customer; always the same one, though signatures differ each time."""
    return make_csr(KEY, names=names)


def open_database(url: str) -> sa.Engine:
    """An engine whose database has the tables of ACME, whatever the migrations made."""
    engine = make_engine(url)
    for table in TABLES:
        table.__table__.create(engine, checkfirst=True)  # type: ignore[attr-defined]
    return engine


@dataclass
class RealLook:
    """Asks the name servers and web servers that the customers of these tests have."""

    server: ChallengeServer
    clock: Callable[[], datetime]
    looks: list[Challenge] = field(default_factory=list)

    def __call__(self, challenge: Challenge) -> Sighting:
        self.looks.append(challenge)
        found = self._page(challenge) if challenge.kind == "http-01" else self._records(challenge)
        seen = challenge.value in found
        words = "The value is there." if seen else f"Nothing useful at {challenge.location} yet."
        return Sighting(seen, words, self.clock())

    def _page(self, challenge: Challenge) -> list[str]:
        parts = urlsplit(challenge.location)
        answer = requests.get(
            f"http://127.0.0.1:{self.server.http_port}{parts.path}", headers={"Host": parts.netloc}, timeout=5
        )
        return [answer.text.strip()] if answer.ok else []

    def _records(self, challenge: Challenge) -> list[str]:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], self.server.dns_port, 5
        try:
            answer = resolver.resolve(challenge.location, "TXT", raise_on_no_answer=False)
        except dns.exception.DNSException:
            return []
        return [b"".join(record.strings).decode() for record in answer.rrset or ()]


@dataclass
class Credulous:
    """A look that sees everything, so that the server is told of values that are not there."""

    clock: Callable[[], datetime]

    def __call__(self, challenge: Challenge) -> Sighting:
        return Sighting(True, "The value is there.", self.clock())


@dataclass
class Desk:
    """What one process of the desk has: make as many as there are processes."""

    engine: sa.Engine
    folder: Path
    pebble: Pebble
    clock: HandClock
    troubles: list[AuthorityUnavailable] = field(default_factory=list)

    def authority(self, **changes: object) -> AcmeAuthority:
        """An authority as another process would make it: the same database and key, nothing else in common."""
        parts = {
            "engine": self.engine,
            "name": "acme",
            "directory_url": self.pebble.directory_url,
            "key_directory": self.folder / "acme",
            "look": RealLook(self.pebble.challenges, self.clock),
            "clock": self.clock,
            "contact": "ca@example.com",
            "verify": str(self.pebble.tls.certificate),
        } | changes
        return AcmeAuthority(**parts)  # type: ignore[arg-type]

    def row(self, ref: str) -> AcmeOrder:
        """An order as it is stored."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(AcmeOrder).where(AcmeOrder.ref == ref)).one()  # type: ignore[arg-type]
        return AcmeOrder(**row._mapping)

    def publish(self, progress: Progress, kind: str) -> None:
        """Do what the customer is asked to do, by one kind of challenge."""
        assert isinstance(progress, Pending)
        for challenge in progress.challenges:
            if challenge.kind == kind:
                self.pebble.challenges.publish(kind, challenge.location, challenge.value)

    def run(
        self,
        authority: Callable[[], AcmeAuthority],
        ref: str,
        kind: str = "http-01",
        until: Callable[[Progress], bool] = lambda progress: isinstance(progress, Issued | Failed),
        patience: int = 200,
    ) -> Progress:
        """Be worker and customer until something holds; temporary trouble is waited out by the clock."""
        progress: Progress | AuthorityUnavailable
        for _ in range(patience):
            try:
                progress = authority().advance(ref)
            except AuthorityUnavailable as trouble:
                progress = trouble
                self.troubles.append(trouble)
                self.clock.forward(PAUSE)
                continue
            if until(progress):
                return progress
            if isinstance(progress, Pending):
                self.publish(progress, kind)
            self.clock.forward(PAUSE)
        raise AssertionError(f"still {progress}")

    def run_into_trouble(self, authority: AcmeAuthority, ref: str) -> None:
        """Be worker and customer until the authority raises."""
        for _ in range(50):
            progress = authority.advance(ref)
            assert not isinstance(progress, Issued | Failed)
            if isinstance(progress, Pending):
                self.publish(progress, "http-01")
            self.clock.forward(PAUSE)

    def issue(self, authority: AcmeAuthority, order_key: str, *names: str, kind: str = "http-01") -> IssuedCertificate:
        """An issued certificate."""
        ref = authority.submit(order_key, csr_for(*names), names, 90)
        progress = self.run(lambda: authority, ref, kind)
        assert isinstance(progress, Issued), progress
        return progress.certificate


def offering_only(kind: str) -> Callable[[Any], None]:
    """What has a server in front of Pebble leave one kind of challenge alone in every authorization."""

    def leave_out_the_others(exchange: Any) -> None:
        if exchange.kind == "authZ":
            kept = [one for one in exchange.document["challenges"] if one["type"] == kind]
            exchange.answer(200, exchange.document | {"challenges": kept})

    return leave_out_the_others
