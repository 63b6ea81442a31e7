"""Money as an integer of minor units with its currency. Nothing here ever rounds."""

import re
from dataclasses import dataclass
from decimal import Decimal

# ISO 4217 currencies whose minor unit is not a hundredth (list one, column "Minor unit"). All others have two digits.
MINOR_DIGITS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"], 0),
    **dict.fromkeys(["RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


class MoneyError(ValueError):
    """An amount that is not money: no number, too many digits, another currency."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (fen, cents) of an ISO 4217 currency: ``Money(26800, "CNY")`` is 268.00 CNY."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise MoneyError(f"{self.currency!r} is not an ISO 4217 currency code")

    @property
    def digits(self) -> int:
        """How many decimal digits the currency's major unit is written with."""
        return MINOR_DIGITS.get(self.currency, 2)

    def __str__(self) -> str:
        return f"{Decimal(self.minor).scaleb(-self.digits):,.{self.digits}f} {self.currency}"

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read ``"268.00"`` as exact minor units.

        Raises :class:`MoneyError` when the text is no plain decimal number or is finer than the currency's minor unit.
        """
        money = cls(0, currency)
        # Decimal itself would also take exponents, underscores and NaN, and would round what is longer than this.
        if not re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?", text.strip()):
            raise MoneyError(f"{text!r} is not an amount of money")
        minor = Decimal(text.strip()).scaleb(money.digits)
        # Fifteen digits stay inside a 64-bit column and far above any certificate's price.
        if minor != minor.to_integral_value() or abs(minor) >= 10**15:
            raise MoneyError(f"{text!r} is not an amount of {currency}")
        return cls(int(minor), currency)
