"""``flask desk …``: what whoever runs the shop does from the command line. Every change goes through the same door."""

from pathlib import Path

import click
from flask.cli import AppGroup
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from certlifecycle import SYSTEM, Money, MoneyError, Role
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.accounts.passwords import LONGEST, SHORTEST, Weakness, hash_password, weakness
from webapp.accounts.sessions import end_all
from webapp.audit.cli import history_head, verify_history
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.authorities.builtin_keys import encrypt
from webapp.authorities.key_files import KeyDirectoryError
from webapp.certificates.models import Channel
from webapp.columns import new_id
from webapp.demo import DemoRefused, load_demo
from webapp.desk import By
from webapp.errors import DeskError
from webapp.importing import BadRow, import_orders
from webapp.organisations import members
from webapp.organisations.models import Organisation
from webapp.parts import passphrase_of
from webapp.payments.ledger import CASH, transfer, wallet
from webapp.people.letting_in import take_off
from webapp.privacy.cli import forget

desk = AppGroup("desk", help="Run the certificate desk.")
desk.add_command(verify_history)
desk.add_command(history_head)
desk.add_command(forget)

COMMAND_LINE = By(SYSTEM, Channel.COMMAND_LINE)
"""Whoever can run these commands can do anything; who it was, the machine's own log knows."""


@desk.command("migrate")
def migrate() -> None:
    """Bring the database to this version's shape (the release step)."""
    # Not above: these commands are known to every process that serves pages, and Alembic takes long to begin.
    from webapp.migrating import release

    release(parts().settings)
    click.echo("The database is ready.")


@desk.command("encrypt-ca-keys")
def encrypt_ca_keys() -> None:
    """Encrypt the built-in authority's keys with CA_KEY_PASSPHRASE. Back the folder up before."""
    passphrase = passphrase_of(parts().settings)
    if passphrase is None:
        raise click.ClickException("Set CA_KEY_PASSPHRASE or CA_KEY_PASSPHRASE_FILE first.")
    try:
        done = encrypt(parts().settings.data_dir / "ca", passphrase)
    except KeyDirectoryError as wrong:
        raise click.ClickException(str(wrong)) from None
    if not done:
        click.echo("The keys were encrypted before.")
        return
    names = [path.name for path in done]
    with parts().database.writing() as session:
        record(session, AuditKind.CA_KEYS_ENCRYPTED, COMMAND_LINE, parts().desk.clock(), subject=", ".join(names))
    click.echo(f"Encrypted: {', '.join(names)}. Copies from before, in backups too, are not.")


@desk.command("demo")
def demo() -> None:
    """Fill an empty shop with demo data; refuses where real data is."""
    try:
        loaded = load_demo(parts().settings)
    except DemoRefused as refused:
        raise click.ClickException(str(refused)) from None
    click.echo("The demo shop is filled." if loaded else "The demo shop was filled before.")


@desk.command("add-account")
@click.argument("email")
@click.option("--name", required=True, help="The name that others see.")
@click.option("--role", type=click.Choice(["customer", "reviewer", "admin"]), default="customer")
@click.option("--organisation", help="Whom they share certificates with; founded, with them as owner, if it is new.")
@click.password_option(help="At least twelve characters.")
def add_account(email: str, name: str, role: str, organisation: str | None, password: str) -> None:
    """Add somebody who can sign in."""
    match weakness(password, (email, name, parts().settings.shop_name)):
        case Weakness.SHORT:
            raise click.ClickException(f"The password needs at least {SHORTEST} characters.")
        case Weakness.LONG:
            raise click.ClickException(f"The password has more than {LONGEST} characters.")
        case Weakness.COMMON:
            raise click.ClickException("The password is easy to guess: many people have it or one made like it.")
    account = Account(
        email=email.strip().lower(),
        name=name,
        password_hash=hash_password(password),
        role=Role(role),
        created_at=parts().desk.clock(),
    )
    try:
        with parts().database.writing() as session:
            session.add(account)
            session.flush()
            at = account.created_at
            record(
                session, AuditKind.ACCOUNT_ADDED, COMMAND_LINE, at, subject=account.email, account=account.id, role=role
            )
            if organisation is not None:
                _let_join(session, account, organisation.strip())
    except IntegrityError:
        raise click.ClickException(f"There is an account for {email} already.") from None
    click.echo(f"{name} can sign in as {role}.")


def _let_join(session: Session, account: Account, name: str) -> None:
    now = parts().desk.clock()
    if len(name) < 2:
        raise click.ClickException("The organisation needs a name.")
    known = session.exec(
        select(Organisation).where(Organisation.name == name, col(Organisation.closed_at).is_(None)).limit(2)
    ).all()
    if len(known) > 1:
        raise click.ClickException(f"There are several organisations called {name}: let an owner invite them.")
    if known:
        members.join(session, known[0], account, COMMAND_LINE, now)
    else:
        members.found(session, account, name, COMMAND_LINE, now)


@desk.command("sign-out")
@click.argument("email", required=False)
@click.option("--everybody", is_flag=True, help="End every session of every account.")
def sign_out(email: str | None, everybody: bool) -> None:
    """End every session of somebody, or of everybody, at once."""
    if bool(email) is everybody:
        raise click.ClickException("Name the email address of one account, or give --everybody.")
    now = parts().desk.clock()
    with parts().database.writing() as session:
        people = session.exec(select(Account)).all() if email is None else [_account_of(session, email)]
        for one in people:
            end_all(session, one.id, now)
        subject = people[0].email if email else "everybody"
        record(session, AuditKind.SIGNED_OUT_EVERYWHERE, COMMAND_LINE, now, subject=subject)
    click.echo(f"{people[0].name} is signed out on every device." if email else "Everybody is signed out.")


@desk.command("take-off-second-factor")
@click.argument("email")
@click.option("--reason", required=True, help="How you made sure that it is them; it stands in the audit trail.")
def take_off_second_factor(email: str, reason: str) -> None:
    """Let somebody in again who has lost the second factor and the recovery codes: the last administrator, say."""
    with parts().database.reading() as session:
        who = _account_of(session, email)
    try:
        take_off(parts().desk, parts().settings, COMMAND_LINE, who.id, reason)
    except DeskError as refused:
        raise click.ClickException(f"{refused.detail} {refused.advice}") from None
    click.echo(f"{who.name} signs in without a second factor now, and sets up a new one.")


@desk.command("top-up")
@click.argument("email")
@click.argument("amount")
@click.option("--reference", help="The payment's own number: the same one is booked once.")
def top_up(email: str, amount: str, reference: str | None) -> None:
    """Book money that came in for a customer to their balance."""
    try:
        money = Money.parse(amount, parts().settings.currency)
    except MoneyError as wrong:
        raise click.ClickException(str(wrong)) from None
    if money.minor <= 0:
        raise click.ClickException("The amount must be more than nothing.")
    try:
        with parts().database.writing() as session:
            owner = _account_of(session, email)
            now = parts().desk.clock()
            number = reference or new_id()
            transfer(session, "top-up", number, CASH, wallet(owner.id), money, now)
            facts = {"account": owner.id, "amount": str(money), "reference": number}
            record(session, AuditKind.BALANCE_TOPPED_UP, COMMAND_LINE, now, subject=owner.email, **facts)
    except IntegrityError:
        raise click.ClickException(f"{reference} was booked before; nothing changed.") from None
    click.echo(f"{money} are on the balance of {owner.name}.")


def _account_of(session: Session, email: str) -> Account:
    found = session.exec(select(Account).where(Account.email == email.strip().lower())).first()
    if found is None:
        raise click.ClickException(f"There is no account for {email}.")
    return found


@desk.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_file(file: Path) -> None:
    """Take over orders that were placed elsewhere, from a CSV file. All of it, or nothing."""
    try:
        report = import_orders(parts().desk, file.read_bytes())
    except BadRow as wrong:
        raise click.ClickException(f"{wrong}\nNothing of the file was taken in.") from None
    click.echo(f"{report.taken} orders taken in, {report.known} were known already.")
