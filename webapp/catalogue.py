"""The price list."""

from collections.abc import Mapping
from dataclasses import dataclass

from certlifecycle import Money, phrase
from webapp.wording import _


@dataclass(frozen=True, slots=True)
class Product:
    """What can be ordered. ``price_major`` is in whole units of the shop's currency.

    ``by_reviewer`` says that a person verifies the submission (organisation validation).
    """

    code: str
    name: str
    summary: str
    price_major: int
    validity_days: int
    wildcard: bool = False
    by_reviewer: bool = True

    def price(self, currency: str) -> Money:
        """The price in minor units of the shop's currency."""
        return Money.parse(str(self.price_major), currency)

    def names_for(self, domain: str) -> list[str]:
        """The DNS names that the certificate will bear for an ordered domain."""
        if self.wildcard:
            base = domain.removeprefix("*.")
            return [f"*.{base}", base]
        return [domain]


PRODUCTS: Mapping[str, Product] = {
    product.code: product
    for product in (
        Product(
            "dv",
            phrase("DV certificate"),
            phrase("One domain name. We check that you control the domain."),
            268,
            200,
            by_reviewer=False,
        ),
        Product(
            "ov",
            phrase("OV certificate"),
            phrase("One domain name. We check the domain and your organisation."),
            1280,
            200,
        ),
        Product(
            "wildcard",
            phrase("DV wildcard certificate"),
            phrase("A domain and every name directly below it."),
            1580,
            200,
            wildcard=True,
            by_reviewer=False,
        ),
    )
}


def product_words(name: str) -> str:
    """A product's name as an order holds it, in the reader's language where it is one of ours."""
    return _(name) if name in _OUR_NAMES else name


_OUR_NAMES = frozenset(product.name for product in PRODUCTS.values())


def suffices_automatically(product: str) -> bool:
    """Whether automatic checks suffice to verify a submission for this product, without a reviewer."""
    known = PRODUCTS.get(product)
    return known is not None and not known.by_reviewer
