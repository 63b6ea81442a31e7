"""``flask desk …``: what whoever runs the shop does from the command line."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from order_files import file, row
from organisation_support import found
from processes import ROOT, environment
from shop import Shop, test_settings
from sqlmodel import func, select

from certlifecycle import Role
from webapp import create_app
from webapp.accounts.models import Account
from webapp.accounts.passwords import fits
from webapp.certificates.models import Certificate, Purchase
from webapp.parts import assemble
from webapp.payments.ledger import balance, wallet

PASSWORD = "a long enough password"


def run(app: Flask, *words: str, exit_code: int = 0, typed: str | None = None) -> Result:
    """``flask desk <words>``, with its exit status checked."""
    result = app.test_cli_runner().invoke(args=["desk", *words], input=typed)
    assert result.exit_code == exit_code, result.output
    # A traceback is no way to speak with people.
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def empty(sqlite_url: str, tmp_path: Path) -> Iterator[Flask]:
    """A console over a migrated database with nobody in it."""
    parts = assemble(test_settings(sqlite_url, tmp_path / "data"))
    yield create_app(parts=parts)
    parts.database.engine.dispose()


def everybody(app: Flask) -> list[Account]:
    with app.extensions["desk"].database.reading() as session:
        return list(session.exec(select(Account).order_by(Account.email)).all())


def balance_of(shop: Shop, owner: Account, currency: str = "CNY") -> str:
    with shop.database.reading() as session:
        return str(balance(session, wallet(owner.id), currency))


# Setting up


def test_migrate_makes_a_database_ready_and_may_be_repeated(tmp_path: Path) -> None:
    parts = assemble(test_settings(f"sqlite:///{tmp_path / 'new.sqlite3'}", tmp_path / "data"))
    app = create_app(parts=parts)
    for _ in range(2):
        assert "The database is ready." in run(app, "migrate").output
    assert everybody(app) == []
    parts.database.engine.dispose()


def test_the_release_step_runs_as_the_procfile_says(tmp_path: Path) -> None:
    release = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())["release"]
    assert release == "flask --app webapp desk migrate"
    settings = test_settings(f"sqlite:///{tmp_path / 'new.sqlite3'}", tmp_path / "data")
    command = [sys.executable, "-m", *release.split()]
    done = subprocess.run(command, env=environment(settings), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "The database is ready.\n"), done.stderr


def test_demo_fills_an_empty_shop_once(empty: Flask) -> None:
    assert run(empty, "demo").output == "The demo shop is filled.\n"
    people = everybody(empty)
    assert "carla@example.com" in [one.email for one in people]
    assert run(empty, "demo").output == "The demo shop was filled before.\n"
    assert everybody(empty) == people


def test_demo_refuses_a_real_shop(shop: Shop) -> None:
    told = run(shop.app, "demo", exit_code=1)
    assert told.output == "Error: This shop has real data. The demo only fills an empty one.\n"


# People


@pytest.mark.parametrize("role", ["customer", "reviewer", "admin"])
def test_add_account_lets_somebody_in(empty: Flask, role: str) -> None:
    told = run(empty, "add-account", " Eve@Example.com ", "--name", "Eve", "--role", role, "--password", PASSWORD)
    assert told.output == f"Eve can sign in as {role}.\n"
    (eve,) = everybody(empty)
    assert (eve.email, eve.name, eve.role) == ("eve@example.com", "Eve", Role(role))
    assert fits(eve.password_hash, PASSWORD)
    assert not fits(eve.password_hash, "another long password")


def test_add_account_lets_people_share_an_organisation(empty: Flask) -> None:
    words = ("--organisation", "Example Limited", "--password", PASSWORD)
    run(empty, "add-account", "eve@example.com", "--name", "Eve", *words)
    run(empty, "add-account", "rita@example.com", "--name", "Rita", "--role", "reviewer", *words)
    eve, rita = sorted(everybody(empty), key=lambda one: one.name)
    assert (eve.is_owner, rita.is_owner) == (True, False)
    assert eve.organisation_id == rita.organisation_id is not None
    nameless = ("--organisation", " ", "--password", PASSWORD)
    told = run(empty, "add-account", "x@example.com", "--name", "X", *nameless, exit_code=1)
    assert told.output == "Error: The organisation needs a name.\n"
    assert len(everybody(empty)) == 2


def test_add_account_does_not_guess_between_organisations_of_one_name(shop: Shop) -> None:
    found(shop, shop.alice, "Twice")
    found(shop, shop.bob, "Twice")
    words = ("--name", "Eve", "--organisation", "Twice", "--password", PASSWORD)
    told = run(shop.app, "add-account", "eve@example.com", *words, exit_code=1)
    assert told.output == "Error: There are several organisations called Twice: let an owner invite them.\n"


def test_add_account_asks_for_the_password_twice_and_shows_it_never(empty: Flask) -> None:
    told = run(empty, "add-account", "eve@example.com", "--name", "Eve", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in told.output
    (eve,) = everybody(empty)
    assert (eve.role, fits(eve.password_hash, PASSWORD)) == (Role.CUSTOMER, True)


def test_add_account_refuses_a_short_password(empty: Flask) -> None:
    told = run(empty, "add-account", "eve@example.com", "--name", "Eve", "--password", "x" * 11, exit_code=1)
    assert told.output == "Error: The password needs at least 12 characters.\n"
    assert everybody(empty) == []


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("x" * 201, "The password has more than 200 characters."),
        ("password1234", "The password is easy to guess: many people have it or one made like it."),
    ],
)
def test_add_account_refuses_a_bad_password(empty: Flask, password: str, why: str) -> None:
    told = run(empty, "add-account", "eve@example.com", "--name", "Eve", "--password", password, exit_code=1)
    assert told.output == f"Error: {why}\n"
    assert everybody(empty) == []


def test_add_account_refuses_an_address_that_is_there(shop: Shop) -> None:
    before = everybody(shop.app)
    words = ("add-account", "ALICE@example.com", "--name", "Mallory", "--role", "admin", "--password", PASSWORD)
    assert run(shop.app, *words, exit_code=1).output == "Error: There is an account for ALICE@example.com already.\n"
    assert everybody(shop.app) == before


@pytest.mark.parametrize("role", ["system", "owner"])
def test_add_account_knows_its_roles(empty: Flask, role: str) -> None:
    words = ("add-account", "eve@example.com", "--name", "Eve", "--role", role, "--password", PASSWORD)
    assert "Invalid value for '--role'" in run(empty, *words, exit_code=2).output
    assert everybody(empty) == []


# Money


def test_top_up_puts_money_on_a_balance(any_shop: Shop) -> None:
    told = run(any_shop.app, "top-up", "Alice@example.com", "268.00")
    assert told.output == "268.00 CNY are on the balance of Alice.\n"
    run(any_shop.app, "top-up", "alice@example.com", "0.50")
    assert balance_of(any_shop, any_shop.alice) == "268.50 CNY"


def test_a_payment_s_number_is_booked_once(any_shop: Shop) -> None:
    words = ("top-up", "alice@example.com", "100", "--reference", "bank 17")
    run(any_shop.app, *words)
    told = run(any_shop.app, *words, exit_code=1)
    assert told.output == "Error: bank 17 was booked before; nothing changed.\n"
    assert balance_of(any_shop, any_shop.alice) == "100.00 CNY"


def test_top_up_is_in_the_shop_s_currency(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, currency="JPY")
    assert run(shop.app, "top-up", "bob@example.com", "1500").output == "1,500 JPY are on the balance of Bob.\n"
    assert balance_of(shop, shop.bob, "JPY") == "1,500 JPY"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("alice@example.com", "lots"), "'lots' is not an amount of money"),
        (("alice@example.com", "1.005"), "'1.005' is not an amount of CNY"),
        (("alice@example.com", "0"), "The amount must be more than nothing."),
        (("--", "alice@example.com", "-5"), "The amount must be more than nothing."),
        (("nobody@example.com", "5"), "There is no account for nobody@example.com."),
    ],
)
def test_top_up_says_what_is_wrong(shop: Shop, words: tuple[str, ...], problem: str) -> None:
    assert run(shop.app, "top-up", *words, exit_code=1).output == f"Error: {problem}\n"
    assert balance_of(shop, shop.alice) == "0.00 CNY"


# Orders from elsewhere


def test_import_takes_a_file_in_and_may_be_repeated(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(file(row(), row(number="X-1002", domain="other.example.com")))
    assert run(shop.app, "import", str(path)).output == "2 orders taken in, 0 were known already.\n"
    assert run(shop.app, "import", str(path)).output == "0 orders taken in, 2 were known already.\n"
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(Certificate)).one() == 2


def test_import_names_what_is_wrong_and_takes_nothing_in(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(file(row(), row(number="X-1002", amount="two")))
    told = run(shop.app, "import", str(path), exit_code=1)
    assert told.output == (
        "Error: Line 3, amount: 'two' is not an amount of money\nNothing of the file was taken in.\n"
    )
    with shop.database.reading() as session:
        assert session.exec(select(func.count()).select_from(Purchase)).one() == 0


def test_import_needs_a_file_that_is_there(shop: Shop, tmp_path: Path) -> None:
    assert "does not exist" in run(shop.app, "import", str(tmp_path / "nowhere.csv"), exit_code=2).output
