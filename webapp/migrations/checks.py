"""Words that a column may hold: adding some to its CHECK, or taking them back, on SQLite and PostgreSQL alike."""

import re
from collections.abc import Iterable

import sqlalchemy as sa

_WORD = re.compile(r"'([a-z_]+)'")


def add_words(connection: sa.Connection, table: str, column: str, constraint: str, words: Iterable[str]) -> None:
    """Let ``column`` hold further words, besides those that its constraint names already."""
    known = words_in(connection, table, constraint)
    _set(connection, table, column, constraint, [*known, *(word for word in words if word not in known)])


def remove_words(connection: sa.Connection, table: str, column: str, constraint: str, words: Iterable[str]) -> None:
    """Take :func:`add_words` back; no row may hold one of them any more."""
    gone = set(words)
    known = words_in(connection, table, constraint)
    _set(connection, table, column, constraint, [word for word in known if word not in gone])


def words_in(connection: sa.Connection, table: str, constraint: str) -> list[str]:
    """The words that a constraint names."""
    checks = sa.inspect(connection).get_check_constraints(table)
    (text,) = [check["sqltext"] for check in checks if check["name"] == constraint]
    return _WORD.findall(text)


def _set(connection: sa.Connection, table: str, column: str, constraint: str, words: list[str]) -> None:
    check = f"CHECK ({column} IN ({', '.join(repr(word) for word in words)}))"
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {check}")
        return
    # SQLite cannot change a constraint, and other tables refer to this one. So the rows step aside while it is made
    # anew; the references are looked at again when all is done, and each has found its row by then.
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    said = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    found = [(kind, sql) for kind, sql in connection.execute(said, {"table": table})]
    # Triggers last: they are about what happens from now on, not about rows that come back.
    order = ("table", "index", "trigger")
    statements = sorted(found, key=lambda one: order.index(one[0]))
    # The names are the migration's own.
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM {table}")  # noqa: S608
    connection.exec_driver_sql(f"DROP TABLE {table}")
    for kind, sql in statements:
        if kind == "trigger":
            continue
        connection.exec_driver_sql(_with(sql, constraint, check))
    connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM kept")  # noqa: S608
    connection.exec_driver_sql("DROP TABLE kept")
    for kind, sql in statements:
        if kind == "trigger":
            connection.exec_driver_sql(sql)


def _with(sql: str, constraint: str, check: str) -> str:
    before, found, rest = sql.partition(f"CONSTRAINT {constraint} ")
    return before + found + check + rest[rest.index("))") + 2 :] if found else sql
