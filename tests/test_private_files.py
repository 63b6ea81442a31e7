"""What lies in DATA_DIR is its owner's alone: keys, the secret, the database, mails."""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mail_shop import make_tables
from shop import Shop, test_settings

from certlifecycle import State
from webapp.config import load
from webapp.db import make_engine
from webapp.mail.office import open_office
from webapp.mail.settings import load_mail
from webapp.migrating import migrate
from webapp.parts import assemble


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    """A machine whose files are everybody's unless somebody says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_a_new_folder_and_all_that_is_made_in_it(tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path / "data")})
    engine = make_engine(settings.database_url)
    try:
        migrate(engine)
        assemble(settings).database.engine.dispose()
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            found = {path.relative_to(tmp_path).as_posix(): mode(path) for path in tmp_path.rglob("*")}
    finally:
        engine.dispose()
    private = {name: "0o700" if (tmp_path / name).is_dir() else "0o600" for name in found}
    # Certificates are there to be handed out.
    private |= {name: "0o644" for name in found if name.endswith(".crt")}
    assert {"data", "data/secret_key", "data/desk.sqlite3", "data/desk.sqlite3-wal", "data/ca"} <= set(found)
    assert found == private


def test_mails_in_the_folder(shop: Shop) -> None:
    url = shop.settings.public_url
    settings = load_mail({}, shop_name="Shop", public_url=url, data_dir=shop.settings.data_dir)
    make_tables(shop.database.engine)
    office = open_office(shop.parts, settings)
    office.work()
    shop.certificate_in(State.FAILED)
    office.work()
    (file,) = settings.folder.iterdir()
    assert (mode(settings.folder), mode(file)) == ("0o700", "0o600")


@pytest.mark.parametrize(("bits", "warned"), [(0o755, True), (0o701, True), (0o750, False), (0o700, False)])
def test_a_folder_that_is_open_to_everybody_is_warned_of(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, bits: int, warned: bool
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(bits)
    settings = replace(test_settings(sqlite_url, folder), domain_control=False)
    with caplog.at_level(logging.WARNING, "desk"):
        assemble(settings).database.engine.dispose()
    told = [record.getMessage() for record in caplog.records]
    expected = f"DATA_DIR, which holds the keys, is open to every user of this machine. Run: chmod 700 {folder}"
    assert told == ([expected] if warned else [])
    # It is for whoever put it there to close it: others may have a reason to look in.
    assert folder.stat().st_mode & 0o777 == bits


def test_a_database_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "desk.sqlite3"
    path.touch(0o640)
    make_engine(f"sqlite:///{path}").dispose()
    assert mode(path) == "0o640"


def test_a_database_where_none_can_be_is_told_by_sqlite(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'nowhere' / 'desk.sqlite3'}")
    with pytest.raises(Exception, match="unable to open database file"):
        engine.connect()
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:some?uri=true"])
def test_what_is_no_file_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_engine(url).dispose()
    assert list(tmp_path.iterdir()) == []
