"""A whole shop whose certificates come from Pebble, with customers who do what the pages tell them to.

For one process, :func:`open_acme_shop`; for real processes and browsers, :func:`acme_environment`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pages import words_of
from pebble import ChallengeServer, Front, Pebble
from shop import Clock, Page, Shop, signing_request, test_settings

from certlifecycle import State
from webapp.authorities.port import AuthorityUnavailable
from webapp.authorities.settings import AcmeServer, AuthoritySettings
from webapp.certificates.models import Certificate
from webapp.domaincontrol.dns import Nameserver
from webapp.domaincontrol.http import Visitor
from webapp.domaincontrol.models import DomainControl
from webapp.effects import Effects
from webapp.parts import present

PAUSE_SECONDS = 20
"""Between two turns of the worker, by the shop's clock."""


@dataclass(frozen=True)
class Task:
    """Something that a page tells the customer to publish."""

    kind: str
    location: str
    value: str


def tasks_on(page: Page) -> list[Task]:
    """What the page of a certificate tells its customer to publish."""
    return tasks_in(page.tree)


def tasks_in(tree: Any) -> list[Task]:
    """The same in a parsed page, read from the facts that can be copied."""
    facts = [
        (words_of(row.find("dt")), words_of(copied))
        for row in tree.iter("div")
        if row.find("dt") is not None
        for copied in row.iter()
        if "copyable" in copied.get("class", "").split()
    ]
    kinds = {"Name": "dns-01", "Address": "http-01"}
    return [Task(kinds[label], location, value) for (label, location), (_, value) in pairwise(facts) if label in kinds]


def publish(challenges: ChallengeServer, task: Task) -> None:
    """Do it."""
    challenges.publish(task.kind, task.location, task.value)


def acme_environment(pebble: Pebble, directory_url: str | None = None, authorities: str = "acme") -> dict[str, str]:
    """The settings of a shop that has Pebble issue, as its processes find them in the environment.

    Customers prove by DNS there: their web servers are not on port 80.
    """
    return {
        "AUTHORITIES": authorities,
        "ACME_DIRECTORY": directory_url or pebble.directory_url,
        "ACME_CA_FILE": str(pebble.tls.certificate),
        "RESOLVERS": f"127.0.0.1:{pebble.challenges.dns_port}",
    }


def open_acme_shop(
    database_url: str, folder: Path, pebble: Pebble, front: Front | None = None, **by_product: str
) -> "AcmeShop":
    """A shop in front of Pebble; ``default`` and products name who issues, all of them by ACME unless they say else."""
    server = AcmeServer("acme", (front or pebble).directory_url, ca_file=pebble.tls.certificate)
    default = by_product.pop("default", "acme")
    settings = test_settings(
        database_url,
        folder,
        authorities=AuthoritySettings(default, by_product, (server,)),
        resolvers=(Nameserver("127.0.0.1", pebble.challenges.dns_port),),
    )
    # Certificates of Pebble are valid from now on, whatever the clock of other tests says.
    visitor = Visitor(port=pebble.challenges.http_port, allow_loopback=True)
    return AcmeShop(settings, Clock(present()), visitor, pebble)


@dataclass
class AcmeShop(Shop):
    """The cast and the worker of a shop in front of Pebble."""

    pebble: Pebble = None  # type: ignore[assignment]  # Fields before it have defaults.

    def __post_init__(self) -> None:
        super().__post_init__()
        self.effects = Effects(self.desk, self.parts.authority, self.parts.gateways, self.parts.checker)

    def page(self, certificate: Certificate, **more: Any) -> Page:
        """The page of a certificate, as its customer sees it."""
        owner = next(one for one in (self.alice, self.bob) if one.id == certificate.customer_id)
        return self.browser(owner).get(f"/certificates/{certificate.id}", **more)

    def submit(self, certificate: Certificate) -> Certificate:
        """Hand in a CSR by the form."""
        url = f"/certificates/{certificate.id}/submit"
        owner = next(one for one in (self.alice, self.bob) if one.id == certificate.customer_id)
        data = {"version": certificate.version, "csr": signing_request(*certificate.names), "step": "send"}
        self.browser(owner).post(url, data)
        return self.get(certificate.id)

    def submitted(self, *args: Any, **order: Any) -> Certificate:
        """A certificate that was handed in, and that the worker has asked Pebble about."""
        certificate = self.submit(self.order(*args, **order))
        self.turn(certificate)
        return self.get(certificate.id)

    def turn(self, certificate: Certificate) -> AuthorityUnavailable | None:
        """Let the worker do what is due now for a certificate; trouble with the authority is noted on it."""
        try:
            self.run_due(certificate.id)
        except AuthorityUnavailable as trouble:
            return trouble
        return None

    def work(
        self, certificate: Certificate, until: State | Callable[[Certificate], bool], turns: int = 40
    ) -> Certificate:
        """Be the worker until a state is reached or something holds, with time passing in between."""
        for _ in range(turns):
            present = self.get(certificate.id)
            if present.state == until if isinstance(until, State) else until(present):
                return present
            self.turn(certificate)
            self.clock.advance(seconds=PAUSE_SECONDS)
        raise AssertionError(f"still {present.state}: {present.problem or present.work_error}")

    def prove(self, certificate: Certificate, kind: str = "http-01") -> None:
        """Publish what the page says, in one of the ways that it offers."""
        asked = tasks_on(self.page(certificate))
        assert any(one.kind == kind for one in asked), asked
        for task in asked:
            if task.kind == kind:
                publish(self.pebble.challenges, task)

    def issue(self, certificate: Certificate, kind: str = "http-01") -> Certificate:
        """From the submission to the certificate."""
        self.prove(certificate, kind)
        return self.work(certificate, State.ISSUED)

    def control_of(self, certificate: Certificate) -> DomainControl:
        """What is known of the control of the domain."""
        row: DomainControl = self.find(DomainControl, self.get(certificate.id).submission_id)
        return row
