"""The chain of evidence: what was changed, taken out or put out of order is found, and two who write at once are in it.

The tests take the database's triggers away first, as its owner could: the chain is for those whom they do not hold.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from mail_shop import MailShop
from order_files import file, row
from pages import selects_of
from postgres import owning
from shop import START, Clock, Shop
from sqlalchemy.exc import DBAPIError
from test_cli import run
from test_migrations import alembic

from certlifecycle import PRESETS, Actor, Event, Role, State
from webapp import HERE
from webapp.audit import chain
from webapp.audit.chain import AUDIT, FORMS, HISTORY
from webapp.audit.heads import DailyHeads, head_line, newest_head
from webapp.audit.models import AuditEvent, AuditKind, ChainLink
from webapp.audit.record import record
from webapp.audit.rounds import Trail, trail_of
from webapp.audit.verify import Broken, Fault, Head, verify
from webapp.certificates.models import Certificate, Channel, History
from webapp.desk import WORKER, By
from webapp.importing import import_orders
from webapp.mail.office import open_office
from webapp.migrating import migrate
from webapp.migrations.triggers import allow_replacing

TABLES = ("history", "audit_event", "chain_link")


def head_of(shop: Shop, *kept: Head) -> Head:
    """Walk the chain as it is."""
    with shop.database.reading() as session:
        return verify(session.connection(), kept)


def broken(shop: Shop, *kept: Head) -> Broken:
    """The finding of a walk that must find something."""
    with pytest.raises(Broken) as caught:
        head_of(shop, *kept)
    return caught.value


def count(shop: Shop, *models: type) -> int:
    with shop.database.reading() as session:
        return sum(session.execute(sa.select(sa.func.count()).select_from(model)).scalar_one() for model in models)


@contextmanager
def as_owner(shop: Shop) -> Iterator[sa.Connection]:
    """A connection that no trigger holds back."""
    with owning(shop.database) as engine, engine.execution_options(writing=True).begin() as connection:
        if shop.database.is_sqlite:
            found = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_no\\_%' ESCAPE '\\'"
            for name in connection.exec_driver_sql(found).scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            for table in TABLES:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection


def execute(shop: Shop, *statements: str, **values: object) -> None:
    with as_owner(shop) as connection:
        for statement in statements:
            connection.execute(sa.text(statement), values)


@pytest.fixture
def told(any_shop: Shop) -> Shop:
    """A shop with a history of 15 entries: one certificate's way to its refund, and another's beginning."""
    any_shop.certificate_in(State.REFUNDED)
    any_shop.certificate_in(State.SUBMITTED, any_shop.bob)
    with any_shop.database.writing() as session:
        for name in ("first", "second", "third"):
            record(session, AuditKind.SIGNED_IN, WORKER, any_shop.clock(), subject=name)
    return any_shop


# What is written is in the chain


def test_everything_that_is_written_is_in_the_chain_in_its_order(told: Shop) -> None:
    head = head_of(told)
    assert head.position == count(told, ChainLink) == count(told, History, AuditEvent)
    with told.database.reading() as session:
        links = session.execute(sa.select(ChainLink).order_by(ChainLink.position)).scalars().all()
    assert [link.position for link in links] == list(range(1, head.position + 1))
    ids = [link.row_id for link in links if link.source == HISTORY]
    assert ids == sorted(ids)


def test_a_file_of_many_orders_is_in_the_chain(any_shop: Shop) -> None:
    """More than is linked, and walked, at one go."""
    rows = [row(number=f"X-{number}", domain=f"{number}.example.com") for number in range(chain.AT_ONCE + 20)]
    import_orders(any_shop.desk, file(*rows))
    assert head_of(any_shop).position == count(any_shop, History) >= chain.AT_ONCE + 20
    with any_shop.database.reading() as session:
        middle = session.execute(sa.select(History.id).order_by(History.id).offset(chain.AT_ONCE)).scalars().first()
    execute(any_shop, "UPDATE history SET address = '192.0.2.9' WHERE id = :middle", middle=middle)
    assert f"row {middle} of history was changed" in str(broken(any_shop))


def test_what_is_rolled_back_is_not_in_the_chain(any_shop: Shop) -> None:
    any_shop.order()
    before = head_of(any_shop)

    class Stop(Exception):
        pass

    def note(number: int) -> None:
        with any_shop.database.writing() as session:
            record(session, AuditKind.SIGNED_IN, WORKER, any_shop.clock())
            with session.begin_nested():
                record(session, AuditKind.SIGNED_OUT, WORKER, any_shop.clock())
            if number:
                raise Stop

    with pytest.raises(Stop):
        note(1)
    assert head_of(any_shop) == before
    note(0)
    assert head_of(any_shop, before).position == before.position + 2


def test_those_who_write_at_once_make_one_chain(any_shop: Shop) -> None:
    certificates = [any_shop.order(domain=f"{number}.example.com") for number in range(8)]
    start = Barrier(len(certificates), timeout=60)

    def submit(index: int) -> None:
        start.wait()
        any_shop.fire(certificates[index], Event.SUBMIT)

    with ThreadPoolExecutor(len(certificates)) as threads:
        list(threads.map(submit, range(len(certificates))))
    assert head_of(any_shop).position == count(any_shop, History) == 2 * len(certificates)


CHANGES = (
    "UPDATE history SET reason = ''",
    "UPDATE audit_event SET subject = ''",
    "UPDATE chain_link SET hash = digest",
    *(f"DELETE FROM {table}" for table in TABLES),  # noqa: S608
)


def test_nothing_of_it_can_be_changed_by_the_desk_itself(told: Shop) -> None:
    for statement in CHANGES:
        with pytest.raises(DBAPIError, match="append-only"), told.database.writing() as session:
            session.connection().exec_driver_sql(statement)
    assert head_of(told)


def test_nor_by_the_owner_unless_the_triggers_are_taken_away(told: Shop) -> None:
    whole = "INSERT OR REPLACE INTO {0} SELECT * FROM {0}" if told.database.is_sqlite else "TRUNCATE {0} CASCADE"
    with owning(told.database) as engine:
        for statement in (*CHANGES, *(whole.format(table) for table in TABLES)):
            with (
                pytest.raises(DBAPIError, match="append-only"),
                engine.execution_options(writing=True).begin() as connection,
            ):
                connection.exec_driver_sql(statement)
    assert head_of(told)


# What was done to it is found


OTHER_VALUES = {
    "facts": '{"a": 1}',
    "at": "2020-01-01 00:00:00.000000+00",
    "channel": "demo",
    "from_state": "issued",
    "to_state": "failed",
    "actor_role": "reviewer",
}


def test_a_change_of_any_column_is_found(told: Shop) -> None:
    """The first row of each table in turn; every change is taken back by the transaction that made it."""
    execute(told)
    with told.database.reading() as session:
        other = session.execute(sa.select(sa.func.max(Certificate.id))).scalar_one()
        first = session.execute(sa.select(History.certificate_id).where(History.id == 1)).scalar_one()
    for (source, _form), known in FORMS.items():
        table = sa.table(source, sa.column("id"), *map(sa.column, known.columns))
        for column in known.columns:
            value = OTHER_VALUES.get(column, "another")
            if source == HISTORY and column == "certificate_id":
                value = other if other != first else told.order().id
            with owning(told.database) as engine, engine.connect() as connection:
                change = sa.update(table).where(table.c.id == 1).values({column: sa.literal_column(f"'{value}'")})
                connection.execute(change)
                with pytest.raises(Broken, match=f"row 1 of {source} was changed") as caught:
                    verify(connection)
                assert caught.value.fault is Fault.CHANGED
                connection.rollback()
    assert head_of(told)


def test_a_value_that_is_none_is_found_all_the_same(told: Shop) -> None:
    """SQLite takes anything for an instant or a number; it must not keep the walk from saying so."""
    if told.database.is_sqlite:
        execute(told, "UPDATE history SET at = 'yesterday', facts = '{' WHERE id = 3")
        assert str(broken(told)) == "Entry 3: row 3 of history was changed after it had been written."


def test_a_row_that_was_taken_out_of_the_middle_is_found(told: Shop) -> None:
    execute(told, "DELETE FROM history WHERE id = 4")
    found = broken(told)
    assert (found.fault, str(found)) == (
        Fault.MISSING,
        "Entry 4 of the chain is about row 4 of history, and that row is missing.",
    )
    execute(told, "DELETE FROM chain_link WHERE position = 4")
    found = broken(told)
    assert (found.fault, str(found)) == (
        Fault.MISSING,
        "Entry 4 of the chain is missing: entry 5 follows entry 3.",
    )


def test_a_gap_that_was_closed_is_found(told: Shop) -> None:
    execute(
        told,
        "DELETE FROM history WHERE id = 4",
        "DELETE FROM chain_link WHERE position = 4",
        *[f"UPDATE chain_link SET position = position - 1 WHERE position = {one}" for one in range(5, 9)],  # noqa: S608
    )
    found = broken(told)
    assert found.fault is Fault.OUT_OF_ORDER
    assert str(found).startswith("Entry 4 (row 5 of history) does not follow the entry before it")


def test_the_last_rows_are_missed_by_a_head_that_was_kept_elsewhere(told: Shop) -> None:
    kept = head_of(told)
    last = kept.position
    execute(told, "DELETE FROM audit_event WHERE subject = 'third'")
    assert broken(told).fault is Fault.MISSING
    execute(told, "DELETE FROM chain_link WHERE position = :last", last=last)
    # Nothing in the database tells of it any more.
    assert head_of(told).position == last - 1
    found = broken(told, kept)
    assert (found.fault, str(found)) == (
        Fault.CUT_OFF,
        f"The chain ends at entry {last - 1}, but a head that was kept elsewhere is of entry {last}: "
        "the last 1 entries are missing.",
    )


def test_rows_that_changed_places_are_found(told: Shop) -> None:
    execute(
        told,
        "UPDATE history SET id = 900 WHERE id = 2",
        "UPDATE history SET id = 2 WHERE id = 3",
        "UPDATE history SET id = 3 WHERE id = 900",
    )
    found = broken(told)
    assert (found.fault, str(found)) == (
        Fault.OUT_OF_ORDER,
        "Entry 2: row 2 of history holds what was written as row 3 of history (entry 3): rows are out of order.",
    )


def test_entries_that_changed_places_are_found(told: Shop) -> None:
    execute(
        told,
        "UPDATE chain_link SET position = 900 WHERE position = 2",
        "UPDATE chain_link SET position = 2 WHERE position = 3",
        "UPDATE chain_link SET position = 3 WHERE position = 900",
    )
    found = broken(told)
    assert found.fault is Fault.OUT_OF_ORDER
    assert str(found).startswith("Entry 2 (row 3 of history) does not follow the entry before it")


def test_a_row_that_was_put_in_past_the_desk_is_found(told: Shop) -> None:
    with as_owner(told) as connection:
        (like,) = connection.execute(sa.select(AuditEvent).where(AuditEvent.subject == "first")).mappings()
        connection.execute(sa.insert(AuditEvent).values(**(dict(like) | {"id": 77})))
    found = broken(told)
    assert (found.fault, str(found)[:40]) == (Fault.NEVER_LINKED, "The row 77 of audit_event is not in the ")


def test_an_entry_that_names_no_form_is_found(told: Shop) -> None:
    execute(told, "UPDATE chain_link SET form = 9 WHERE position = 2")
    assert broken(told).fault is Fault.CHANGED


def test_a_chain_that_was_computed_anew_ends_at_another_head(told: Shop) -> None:
    kept = head_of(told)
    with as_owner(told) as connection:
        connection.exec_driver_sql("UPDATE history SET actor_name = 'Mallory' WHERE id = 2")
        rows = connection.execute(
            sa.select(chain.LINKS.c.source, chain.LINKS.c.row_id).order_by(chain.LINKS.c.position)
        )
        order = [(source, row_id) for source, row_id in rows]
        connection.exec_driver_sql("DELETE FROM chain_link")
        chain.append(connection, order)
    # By itself it is as good as the true one: this is what the chain alone cannot prove.
    assert head_of(told).position == kept.position
    found = broken(told, kept)
    assert found.fault is Fault.REWRITTEN
    assert str(found).startswith(f"Entry {kept.position} has another hash than the head that was kept elsewhere")


def test_a_walk_asks_for_portions(any_shop: Shop) -> None:
    """However long the chain is, what is read at one go is not."""
    before = selects_of(any_shop, lambda: head_of(any_shop))
    rows = [row(number=f"X-{number}", domain=f"{number}.example.com") for number in range(2 * chain.AT_ONCE)]
    import_orders(any_shop.desk, file(*rows))
    assert selects_of(any_shop, lambda: head_of(any_shop)) - before >= 4


# The form


def test_a_row_s_digest_and_hash_are_for_ever(any_shop: Shop) -> None:
    """The same on both databases. Whoever changes the form makes every row of before unprovable: add the next one."""
    by = By(Actor("a" * 32, Role.ADMIN, "Ada Łáska"), Channel.WEB, "192.0.2.1")
    with any_shop.database.writing() as session:
        record(session, AuditKind.SIGNED_IN, by, START, subject="ada@example.com", deep={"b": [1, None, "ü"], "a": 2.5})
    with any_shop.database.reading() as session:
        link = session.get(ChainLink, 1)
    assert link is not None
    assert link.digest == "ce854c677706b77b4e018a9b8e940e379c8ffd5ce872d4871aaa52007af041ec"
    assert link.hash == "51afb3c9ae2f49a7131f70566a62e5bbc0509f57d29fcc6c53c6acf6c4470a1f"


def test_the_forms_cover_every_column() -> None:
    for model, source in ((History, HISTORY), (AuditEvent, AUDIT)):
        columns = set(sa.inspect(model).local_table.columns.keys())
        assert columns - {"id"} == set(FORMS[source, chain.FORM].columns)


# What was there before


def test_the_migration_chains_what_is_there_and_keeps_the_mails(any_shop: Shop) -> None:
    certificate = any_shop.certificate_in(State.REFUNDED)
    post = MailShop(any_shop)
    any_shop.fire(any_shop.certificate_in(State.SUBMITTED), Event.FAIL_VERIFICATION)
    post.office.plan()
    mails, history = post.mails(), any_shop.history(certificate)
    config_of = ScriptDirectory(str(HERE / "migrations"))
    before = config_of.get_revision("0012").down_revision
    with owning(any_shop.database) as engine:
        alembic(engine, command.downgrade, str(before))
        migrate(engine)
    assert head_of(any_shop).position == count(any_shop, History)
    assert (post.mails(), any_shop.history(certificate)) == (mails, history)
    assert mails
    # The next one goes on from there.
    any_shop.order()
    assert head_of(any_shop).position == count(any_shop, History)


def test_replacing_is_what_the_triggers_alone_do_not_see(shop: Shop) -> None:
    """On SQLite, INSERT OR REPLACE removes a row without a DELETE; without the guard it would have gone through."""
    shop.order()
    with shop.database.writing() as session:
        allow_replacing(session.connection(), "history")
        session.connection().exec_driver_sql("INSERT OR REPLACE INTO history SELECT * FROM history")


# The command line


def test_verify_history_says_what_it_found(told: Shop) -> None:
    head = head_of(told)
    printed = run(told.app, "history-head").output
    assert printed == f"{head} 2026-05-04T09:00:00.000000+00:00\n"
    said = run(told.app, "verify-history").output
    assert said.startswith(f"The history is whole: {head.position} entries, each as it was written and in its order.\n")
    assert "Compare with a head kept elsewhere" in said
    said = run(told.app, "verify-history", "--head", printed).output
    assert "It fits all 1 heads that were kept elsewhere." in said
    execute(told, "UPDATE history SET reason = 'Never mind.' WHERE id = 3")
    said = run(told.app, "verify-history", exit_code=1).output
    assert said == ("Error: The history is broken. Entry 3: row 3 of history was changed after it had been written.\n")


def test_verify_history_reads_a_file_of_heads(told: Shop, tmp_path: Path) -> None:
    path = tmp_path / "heads.txt"
    path.write_text(run(told.app, "history-head").output + "\n")
    told.order()
    path.write_text(path.read_text() + run(told.app, "history-head").output)
    assert "It fits all 2 heads" in run(told.app, "verify-history", "--heads", str(path)).output
    last = count(told, ChainLink)
    execute(
        told,
        "DELETE FROM chain_link WHERE position = :last",
        "DELETE FROM history WHERE id = (SELECT max(id) FROM history)",
        last=last,
    )
    assert "the last 1 entries are missing" in run(told.app, "verify-history", "--heads", str(path), exit_code=1).output


def test_a_head_must_be_one(shop: Shop) -> None:
    for text in ("", "12", "12:abc", f"-1:{'a' * 64}", f"1:{'a' * 65}"):
        said = run(shop.app, "verify-history", "--head", text, exit_code=1).output
        assert said == "Error: This is no head: a head is a number, a colon and 64 hexadecimal digits.\n"


def test_a_history_without_entries_has_no_head(shop: Shop) -> None:
    assert run(shop.app, "history-head", exit_code=1).output == "Error: There is no history yet.\n"
    assert "The history is whole: 0 entries" in run(shop.app, "verify-history").output


# Out of the house, once a day


def daily(shop: Shop, folder: Path, clock: Clock | None = None) -> DailyHeads:
    return DailyHeads(shop.database, folder, "Asia/Shanghai", clock or shop.clock)


def test_a_file_a_day_keeps_the_head_and_is_never_touched_again(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "heads"
    assert daily(shop, folder).turn() is None
    shop.order()
    written = daily(shop, folder).turn()
    assert written is not None
    first = head_of(shop)
    assert (written.name, written.read_text()) == ("2026-05-04.txt", f"{head_line(first, START)}\n")
    shop.order(domain="other.example.com")
    assert daily(shop, folder).turn() is None
    # Midnight is that of the shop's own zone.
    shop.clock.advance(hours=7)
    second = daily(shop, folder).turn()
    assert second is not None
    assert second.name == "2026-05-05.txt"
    assert [path.name for path in sorted(folder.iterdir())] == ["2026-05-04.txt", "2026-05-05.txt"]
    heads = [Head.read(path.read_text()) for path in (written, second)]
    assert head_of(shop, *heads) == heads[1]


def test_the_head_is_told_although_its_row_is_gone(shop: Shop) -> None:
    shop.order()
    execute(shop, "DELETE FROM history")
    with shop.database.reading() as session:
        found = newest_head(session)
    assert found is not None
    assert found[1] is None
    assert head_line(*found).endswith(" unknown")


def test_a_policy_is_noted_when_it_is_another_one(shop: Shop) -> None:
    def noted() -> list[AuditEvent]:
        with shop.database.reading() as session:
            return list(session.execute(sa.select(AuditEvent).order_by(AuditEvent.id)).scalars())

    trail = trail_of(shop.parts)
    trail.turn()
    trail.turn()
    trail_of(shop.parts).turn()
    (row,) = noted()
    assert (row.kind, row.subject, row.actor_role) == ("policy_in_force", shop.settings.policy.version, "system")
    other = PRESETS["7-days-from-payment"]
    Trail(shop.database, other, daily(shop, shop.settings.history_heads), shop.clock).turn()
    assert [one.subject for one in noted()] == [shop.settings.policy.version, other.version]
    assert list(shop.settings.history_heads.iterdir())


def test_every_administrator_is_sent_the_head_once_a_day(any_shop: Shop) -> None:
    """As the worker's own post office does it; the mail holds what verify-history wants to be given."""
    office = open_office(any_shop.parts, any_shop.settings.mail)
    any_shop.account("annika", Role.ADMIN)
    office.remind()
    folder = any_shop.settings.mail.folder
    assert office.send() == 0
    any_shop.order()
    for _ in range(3):
        any_shop.clock.advance(hours=1)
        office.remind()
    assert office.send() == 2
    told = [message_from_bytes(path.read_bytes(), policy=SMTP) for path in sorted(folder.rglob("*.eml"))]
    assert sorted(str(one["To"]) for one in told) == ["Ada <ada@example.com>", "Annika <annika@example.com>"]
    text = " ".join(told[0].get_body(("plain",)).get_content().split())
    head = head_of(any_shop)
    assert f"verify-history --head {head}" in text
    any_shop.clock.advance(days=1)
    office.remind()
    assert office.send() == 2
