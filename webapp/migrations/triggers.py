"""Triggers that keep what was written once from being changed or removed, on SQLite and PostgreSQL alike."""

from collections.abc import Sequence

import sqlalchemy as sa


def forbid(connection: sa.Connection, table: str, *verbs: str) -> None:
    """Refuse ``verbs`` (``UPDATE``, ``DELETE``) on every row of ``table``."""
    for verb in verbs:
        name = f"{table}_no_{verb.lower()}"
        message = f"{table} is append-only"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        else:
            connection.exec_driver_sql(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
            )
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
            )
            # TRUNCATE passes row triggers by.
            if verb == "DELETE":
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {name}()"
                )


def forbid_unless(connection: sa.Connection, table: str, same: Sequence[str], allowed: str) -> None:
    """Refuse ``UPDATE`` on a row of ``table``, unless the columns ``same`` stay and ``allowed`` holds of the others.

    ``allowed`` is a condition on ``OLD`` and ``NEW`` that both databases read alike. :func:`allow` takes it back.
    """
    name, message = f"{table}_no_update", f"{table} is append-only"
    if connection.dialect.name == "sqlite":
        stay = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in same)
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN NOT ({stay} AND {allowed}) "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
        return
    # JSON has no equality of its own; as text it has.
    stay = " AND ".join(f"NEW.{column}::text IS NOT DISTINCT FROM OLD.{column}::text" for column in same)
    connection.exec_driver_sql(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    connection.exec_driver_sql(
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN (NOT ({stay} AND {allowed})) "
        f"EXECUTE FUNCTION {name}()"
    )


def allow(connection: sa.Connection, table: str, *verbs: str) -> None:
    """Take :func:`forbid` back."""
    for verb in verbs:
        name = f"{table}_no_{verb.lower()}"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql(f"DROP FUNCTION {name}() CASCADE")


def forbid_replacing(connection: sa.Connection, table: str, *keys: str) -> None:
    """Refuse ``INSERT OR REPLACE``: on SQLite it removes the row that is in the way and passes DELETE triggers by.

    ``keys`` are conditions by which a new row (``NEW``) is in the way of one that is there.
    """
    if connection.dialect.name == "sqlite":
        # The names are the migration's own.
        there = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {key})" for key in keys)  # noqa: S608
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {there} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def allow_replacing(connection: sa.Connection, table: str) -> None:
    """Take :func:`forbid_replacing` back."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TRIGGER {table}_no_replace")
