"""Shops with very many certificates, written in one go."""

from datetime import timedelta

import sqlalchemy as sa
from shop import START, Shop

from certlifecycle import State
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.columns import new_id


def fill(shop: Shop, number: int) -> None:
    """So many more paid orders of Alice's, a minute apart and the newest first."""
    purchases, certificates = [], []
    for place in range(number):
        key, at = new_id(), START - timedelta(minutes=place)
        purchases.append(
            Purchase(
                id=key,
                number=f"B-{key[:12]}",
                customer_id=shop.alice.id,
                product="dv",
                product_name="DV certificate",
                validity_days=200,
                amount_minor=26800,
                currency="CNY",
                payment_method=PaymentMethod.BALANCE,
                payment_reference=key,
                paid_at=at,
                created_at=at,
            ).model_dump()
        )
        certificates.append(
            Certificate(
                purchase_id=key,
                customer_id=shop.alice.id,
                domain=f"{key[:8]}.example.com",
                names=[f"{key[:8]}.example.com"],
                state=State.PENDING,
                created_at=at,
                state_since=at,
            ).model_dump()
        )
    with shop.database.writing() as session:
        session.execute(sa.insert(Purchase), purchases)
        session.execute(sa.insert(Certificate), certificates)
