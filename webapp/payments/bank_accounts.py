"""Bank accounts: reading them, and keeping the one that paid for an order."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlmodel import Session, col, insert, update

from webapp.certificates.models import Purchase
from webapp.payments.models_outside import PayerAccount
from webapp.retelling import stored

LONGEST_HOLDER = 140

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_NUMBER = re.compile(r"[0-9]{8,32}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_CNAPS = re.compile(r"[0-9]{12}")


class AccountRejected(ValueError):
    """Something that is no bank account; the message is a sentence for whoever handed it in.

    ``field`` says which part of it is wrong: ``holder``, ``account`` or ``bank_code``.
    """

    def __init__(self, problem: str, field: str = "account") -> None:
        super().__init__(problem)
        self.field = field


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account at a bank: an IBAN (ISO 13616), or a number with its bank's code.

    ``bank_code`` is a BIC (ISO 9362) or the twelve digits of China's payment system CNAPS.
    """

    holder: str
    iban: str = ""
    number: str = ""
    bank_code: str = ""

    @classmethod
    def read(cls, holder: str, account: str, bank_code: str = "") -> "BankAccount":
        """Read an account as people write it, with blanks or hyphens. Raises :class:`AccountRejected`."""
        name = " ".join(holder.split())
        if not 1 <= len(name) <= LONGEST_HOLDER or not name.isprintable():
            raise AccountRejected(
                stored(
                    "The account holder's name must have 1 to {most} printable characters.",
                    most=LONGEST_HOLDER,
                ),
                "holder",
            )
        code = _squeezed(bank_code)
        if code and not (_CNAPS.fullmatch(code) or _BIC.fullmatch(code)):
            raise AccountRejected(stored("The bank code must be a BIC or the 12 digits of a CNAPS code."), "bank_code")
        value = _squeezed(account)
        if _NUMBER.fullmatch(value):
            if not code:
                raise AccountRejected(stored("An account number needs the code of its bank."), "bank_code")
            return cls(name, number=value, bank_code=code)
        if not _IBAN.fullmatch(value):
            raise AccountRejected(stored("The account must be an IBAN or a number of 8 to 32 digits."))
        if not has_right_check_digits(value):
            raise AccountRejected(stored("The IBAN's check digits are wrong. Look for a typing error."))
        return cls(name, iban=value, bank_code=code)

    @property
    def is_at_cnaps(self) -> bool:
        """Whether the bank code is one of China's payment system."""
        return _CNAPS.fullmatch(self.bank_code) is not None

    @property
    def label(self) -> str:
        """As much of the account as its owner needs to recognise it."""
        return stored("ending {digits}", digits=(self.iban or self.number)[-4:])


def has_right_check_digits(iban: str) -> bool:
    """The check of ISO 13616: moved to the end, letters as numbers, the remainder by 97 is 1."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _squeezed(text: str) -> str:
    return re.sub(r"[\s-]", "", text).upper()


def store(session: Session, purchase_id: str, account: BankAccount, at: datetime) -> None:
    """Keep the account that paid for an order, which can be paid back to from now on. The same again changes nothing.

    Raises :class:`AccountRejected` when another account is kept for the order already.
    """
    kept = load(session, purchase_id)
    if kept is None:
        session.add(
            PayerAccount(
                purchase_id=purchase_id,
                holder=account.holder,
                iban=account.iban,
                number=account.number,
                bank_code=account.bank_code,
                stored_at=at,
            )
        )
        session.exec(update(Purchase).where(col(Purchase.id) == purchase_id).values(has_payer_account=True))
        session.flush()
    elif kept != account:
        raise AccountRejected(stored("The order is known with another account, {label}.", label=kept.label))


def store_new(session: Session, accounts: Sequence[tuple[str, BankAccount]], at: datetime) -> None:
    """As :func:`store`, for many orders at one go that were opened in this very transaction."""
    if not accounts:
        return
    rows = [asdict(account) | {"purchase_id": purchase_id, "stored_at": at} for purchase_id, account in accounts]
    session.execute(insert(PayerAccount), rows)
    keys = [purchase_id for purchase_id, _ in accounts]
    session.exec(update(Purchase).where(col(Purchase.id).in_(keys)).values(has_payer_account=True))


def load(session: Session, purchase_id: str) -> BankAccount | None:
    """The account that paid for an order, where the desk knows it."""
    row = session.get(PayerAccount, purchase_id)
    return BankAccount(row.holder, row.iban, row.number, row.bank_code) if row else None
