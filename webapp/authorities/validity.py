"""How long a publicly trusted server certificate may be valid, as dated data.

Source: CA/Browser Forum, TLS Baseline Requirements, section 6.3.2, as changed by ballot SC-081v3
("Introduce Schedule of Reducing Validity and Data Reuse Periods", April 2025).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class ValidityLimit:
    """The longest validity period of certificates issued at or after an instant."""

    since: datetime
    limit: timedelta


VALIDITY_LIMITS = (
    ValidityLimit(datetime(2020, 9, 1, tzinfo=UTC), timedelta(days=398)),
    ValidityLimit(datetime(2026, 3, 15, tzinfo=UTC), timedelta(days=200)),
    ValidityLimit(datetime(2027, 3, 15, tzinfo=UTC), timedelta(days=100)),
    ValidityLimit(datetime(2029, 3, 15, tzinfo=UTC), timedelta(days=47)),
)
"""In the order of time. Instants before the first entry get the first entry's limit."""

MARGIN = timedelta(days=1)
"""The same section: certificates SHOULD NOT be issued for the longest period permitted, since a
single second more (a leap second is enough) would count as a whole further day."""


def max_validity(at: datetime) -> timedelta:
    """The validity period that a certificate issued at ``at`` (aware) MUST NOT exceed."""
    limit = VALIDITY_LIMITS[0].limit
    for entry in VALIDITY_LIMITS:
        if entry.since <= at:
            limit = entry.limit
    return limit


def granted_validity(at: datetime, requested_days: int) -> timedelta:
    """The validity period that is given when ``requested_days`` are asked for at ``at``.

    Raises ValueError when less than a day is asked for.
    """
    if requested_days < 1:
        raise ValueError(f"A certificate is valid for at least one day, not for {requested_days}.")
    longest = max_validity(at) - MARGIN
    # Compared as whole days, so that an absurdly large number of days cannot overflow.
    return min(requested_days, longest.days) * timedelta(days=1)


def not_after(not_before: datetime, validity: timedelta) -> datetime:
    """The last second of a period that starts with ``not_before`` and lasts ``validity``.

    ``notAfter`` belongs to the period (RFC 5280, section 4.1.2.5), so a period of whole days ends
    one second before the same time of day.
    """
    return not_before + validity - timedelta(seconds=1)
