"""The desk's parts, put together from the settings: the same for the pages, the worker and the command line."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.port import CertificateAuthority
from webapp.certificates.models import PaymentMethod
from webapp.config import Settings, is_exposed
from webapp.db import Database, make_engine
from webapp.desk import Desk
from webapp.domaincontrol.check import Checker
from webapp.domaincontrol.dns import Resolvers, system_nameservers
from webapp.domaincontrol.http import Visitor
from webapp.effects.queue import JOB_QUEUE, JOB_WORKFLOW, DbosWork
from webapp.jobs.book import Jobs
from webapp.payments.connect import Payments, connect
from webapp.payments.port import PaymentGateway
from webapp.work import Work

log = logging.getLogger("desk")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process of the desk works with."""

    settings: Settings
    database: Database
    desk: Desk
    authority: BuiltinAuthority
    gateways: Mapping[PaymentMethod, PaymentGateway]
    payments: Payments
    checker: Checker | None
    jobs: Jobs

    def close(self) -> None:
        """Let go of the connections to the outside and to the database."""
        self.payments.close()
        self.database.engine.dispose()


def present() -> datetime:
    """The clock on the wall, in UTC."""
    return datetime.now(UTC)


def assemble(settings: Settings, clock: Callable[[], datetime] = present, work: Work | None = None) -> Parts:
    """Put the parts together. The built-in authority makes its keys here when there are none yet."""
    if is_exposed(settings.data_dir):
        advice = "Run: chmod 700 %s"
        log.warning(
            "DATA_DIR, which holds the keys, is open to every user of this machine. " + advice, settings.data_dir
        )
    engine = make_engine(settings.database_url)
    database = Database(engine)
    payments = connect(settings.payments, database, clock, ZoneInfo(settings.timezone))
    gateways = payments.gateways
    # Applications made from now on are promised these accounts; those made before keep what they were promised.
    desk = Desk(database, work or DbosWork(engine), settings.policy, clock, frozenset(gateways))
    authority = BuiltinAuthority(engine, settings.data_dir / "ca", settings.ca_url, clock)
    jobs = Jobs(database, DbosWork(engine, JOB_QUEUE, JOB_WORKFLOW), clock)
    return Parts(settings, database, desk, authority, gateways, payments, _checker(settings), jobs)


def _checker(settings: Settings) -> Checker | None:
    """What looks at domains; nothing where it is switched off, or where there is nobody to ask."""
    if not settings.domain_control:
        return None
    try:
        resolvers = Resolvers(settings.resolvers or system_nameservers())
    except ValueError as missing:
        log.warning("Domains are not looked at: %s. Set RESOLVERS.", missing)
        return None
    return Checker(resolvers, Visitor(), settings.caa_identity)


__all__ = ["CertificateAuthority", "Parts", "assemble", "present"]
