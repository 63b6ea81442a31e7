"""Which CRL the built-in authority publishes now.

The latest CRL of each issuer lies in the database, so that every process publishes the same one. It is replaced when a
revocation is not on it yet, or when it is getting old. CRL numbers must increase (RFC 5280, section 5.2.3): each is
above the one it replaces, which the conditional update proves against other processes, and not below the seconds since
1970, so that they also increase over a database that was restored from a backup.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from webapp.authorities.builtin_keys import CaPair
from webapp.authorities.builtin_profiles import key_id
from webapp.authorities.builtin_status import RevokedEntry, build_crl
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.authorities.port import CLOCK_SKEW, AuthorityUnavailable
from webapp.db import Database, rows_changed

_ATTEMPTS = 5


class CrlPublisher:
    """Keeps one issuer's CRL up to date.

    ``validity`` is the time from thisUpdate to nextUpdate, ``refresh`` the age at which a CRL without news is replaced.
    """

    def __init__(self, database: Database, issuer: CaPair, validity: timedelta, refresh: timedelta) -> None:
        self._database = database
        self._issuer = issuer
        self._name = key_id(issuer.certificate).hex()
        self._validity = validity
        self._refresh = refresh

    def current(self, now: datetime) -> bytes:
        """The CRL (DER) to publish at ``now``; all revocations committed before the call are on it.

        Raises AuthorityUnavailable when others keep replacing it.
        """
        for _ in range(_ATTEMPTS):
            stored, revoked_count = self._stored()
            if stored is not None and self._is_current(stored, revoked_count, now):
                return stored.der
            new = self._signed(stored, now.replace(microsecond=0))
            if self._replace(stored, new):
                return new.der
        raise AuthorityUnavailable("The list of revoked certificates is changing too fast; try again.")

    def _stored(self) -> tuple[CaCrl | None, int]:
        count = sa.select(sa.func.count()).select_from(CaCertificate).where(*self._revoked())
        with self._database.reading() as session:
            return session.get(CaCrl, self._name), session.scalar(count) or 0

    def _revoked(self) -> tuple[sa.ColumnElement[bool], ...]:
        return col(CaCertificate.issuer) == self._name, col(CaCertificate.revoked_at).is_not(None)

    def _is_current(self, stored: CaCrl, revoked_count: int, now: datetime) -> bool:
        # Revocations are never taken back, so their number tells whether the list is complete. A CRL from the future
        # comes from a clock that was set back: clients would refuse it.
        return (
            stored.covered == revoked_count
            and stored.this_update - CLOCK_SKEW <= now < stored.this_update + self._refresh
        )

    def _signed(self, stored: CaCrl | None, now: datetime) -> CaCrl:
        revoked = self._all_revoked()
        number = max(int(now.timestamp()), stored.number + 1 if stored else 1)
        der = build_crl(self._issuer, number, now, self._validity, self._still_listed(revoked, now))
        return CaCrl(issuer=self._name, number=number, covered=len(revoked), this_update=now, der=der)

    def _all_revoked(self) -> Sequence[CaCertificate]:
        query = sa.select(CaCertificate).where(*self._revoked()).order_by(col(CaCertificate.revoked_at))
        with self._database.reading() as session:
            return session.scalars(query).all()

    def _still_listed(self, revoked: Sequence[CaCertificate], now: datetime) -> Iterator[RevokedEntry]:
        for row in revoked:
            if row.serial is None or row.revoked_at is None or row.revocation_reason is None or row.not_after is None:
                continue
            # An entry stays until it appeared on a CRL signed after the certificate's end (RFC 5280, section 3.3).
            if row.not_after + self._validity > now:
                yield RevokedEntry(row.serial, row.revoked_at, row.revocation_reason)

    def _replace(self, stored: CaCrl | None, new: CaCrl) -> bool:
        """Store the new CRL unless another process was quicker; whether it was stored."""
        if stored is None:
            try:
                with self._database.writing() as session:
                    session.execute(sa.insert(CaCrl).values(**new.model_dump()))
            except IntegrityError:
                return False
            return True
        with self._database.writing() as session:
            replaced = session.execute(
                sa.update(CaCrl)
                .where(col(CaCrl.issuer) == self._name, col(CaCrl.number) == stored.number)
                .values(**new.model_dump())
            )
            return rows_changed(replaced) == 1
