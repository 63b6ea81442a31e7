"""How often somebody may have mails sent to addresses that they type: counted as failed sign-ins are.

Every try counts, whatever comes of it, so the limit tells nothing about who has an account.
"""

from datetime import datetime

from flask import request

from webapp.accounts.limits import limits


def paced(key: str) -> datetime | None:
    """Count a try under a key and for the address it comes from; the instant from which the next one is looked at."""
    return limits().pace(key, request.remote_addr or "")
