"""The desk's parts, put together from the settings: the same for the pages, the worker and the command line."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from webapp.authorities.acme_look import AcmeLook
from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.choice import Authorities, acme_authorities
from webapp.authorities.pkcs11_keys import Pkcs11Key
from webapp.authorities.port import AuthorityChoice, CertificateAuthority
from webapp.authorities.settings import BUILTIN
from webapp.certificates.models import PaymentMethod
from webapp.config import SettingError, Settings, is_exposed
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
    """What a process of the desk works with. ``authority`` is all authorities together, the built-in one among them."""

    settings: Settings
    database: Database
    desk: Desk
    authority: AuthorityChoice
    builtin: BuiltinAuthority
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


def assemble(
    settings: Settings,
    clock: Callable[[], datetime] = present,
    work: Work | None = None,
    visitor: Visitor | None = None,
) -> Parts:
    """Put the parts together. The authorities make their keys here when there are none yet.

    ``visitor`` is how customers' web servers are visited; tests have theirs on this machine.
    """
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
    held = None if settings.ca_key is None else partial(Pkcs11Key, settings.ca_key)
    builtin = BuiltinAuthority(engine, settings.data_dir / "ca", settings.ca_url, clock, passphrase_of(settings), held)
    checker = _checker(settings, visitor or Visitor())
    members: dict[str, CertificateAuthority] = {BUILTIN: builtin, **_acme(settings, engine, checker, clock)}
    authority = Authorities(engine, members, settings.authorities, clock)
    jobs = Jobs(database, DbosWork(engine, JOB_QUEUE, JOB_WORKFLOW), clock, settings.job_limit)
    return Parts(settings, database, desk, authority, builtin, gateways, payments, checker, jobs)


def passphrase_of(settings: Settings) -> bytes | None:
    """What the built-in authority's keys are encrypted with, where that is set."""
    return settings.ca_key_passphrase.encode() or None


def _checker(settings: Settings, visitor: Visitor) -> Checker | None:
    """What looks at domains; nothing where it is switched off, or where there is nobody to ask."""
    if not settings.domain_control:
        return None
    try:
        resolvers = Resolvers(settings.resolvers or system_nameservers())
    except ValueError as missing:
        log.warning("Domains are not looked at: %s. Set RESOLVERS.", missing)
        return None
    return Checker(resolvers, visitor, settings.caa_identity)


def _acme(
    settings: Settings, engine: sa.Engine, checker: Checker | None, clock: Callable[[], datetime]
) -> Mapping[str, CertificateAuthority]:
    """The ACME servers that are set up. Raises SettingError where nobody could look before they do."""
    if not settings.authorities.servers:
        return {}
    if checker is None:
        raise SettingError(
            "RESOLVERS: the desk looks at a domain before it has an ACME server look, and has no DNS resolver to ask"
        )
    look = AcmeLook(checker.resolvers, checker.visitor, clock)
    return acme_authorities(settings.authorities, engine, settings.data_dir, look, clock)


__all__ = ["CertificateAuthority", "Parts", "assemble", "present"]
