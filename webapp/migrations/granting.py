"""What the account that serves may do on PostgreSQL, where another one owns the tables."""

import sqlalchemy as sa

SERVING = "SELECT, INSERT, UPDATE, DELETE"
"""What pages, worker and hub do with rows. Triggers, columns and whole tables are the owner's alone."""


def grant(engine: sa.Engine, role: str, *more_schemas: str) -> None:
    """Let a role serve the desk whose tables another one owns. It can add to the history, and no more.

    An owner can switch its triggers off, and so could whoever takes over a process that works as the owner.
    ``more_schemas`` are those of the desk beside its own, such as the queue's.
    """
    with engine.begin() as connection:
        quote = connection.dialect.identifier_preparer.quote_identifier
        own = quote(str(connection.scalar(sa.text("SELECT current_schema()"))))
        # Before PostgreSQL 15 everybody may make tables there.
        connection.exec_driver_sql(f"REVOKE CREATE ON SCHEMA {own} FROM PUBLIC")
        for schema in (own, *map(quote, more_schemas)):
            for rights in (
                f"USAGE ON SCHEMA {schema}",
                f"{SERVING} ON ALL TABLES IN SCHEMA {schema}",
                f"USAGE ON ALL SEQUENCES IN SCHEMA {schema}",
                f"EXECUTE ON ALL ROUTINES IN SCHEMA {schema}",
            ):
                connection.exec_driver_sql(f"GRANT {rights} TO {quote(role)}")
