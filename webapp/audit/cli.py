"""``flask desk verify-history`` and ``flask desk history-head``."""

from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlmodel import Session

from webapp.access import parts
from webapp.audit.erasing import erased
from webapp.audit.heads import head_line, newest_head
from webapp.audit.verify import Broken, Head, verify


@click.command("verify-history")
@with_appcontext
@click.option("--head", "heads", multiple=True, help="A head kept elsewhere, as history-head prints it.")
@click.option(
    "--heads",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with heads kept elsewhere, one a line.",
)
def verify_history(heads: tuple[str, ...], files: tuple[Path, ...]) -> None:
    """Walk the chain and name the first row that was changed, is missing or stands out of order."""
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    try:
        kept = [Head.read(text) for text in (*heads, *lines)]
    except ValueError as wrong:
        raise click.ClickException(f"This is no head: {wrong}.") from None
    with parts().database.reading() as session:
        try:
            found = verify(session.connection(), kept)
            emptied = len(erased(session.connection()))
        except Broken as broken:
            raise click.ClickException(f"The history is broken. {broken}") from None
    click.echo(f"The history is whole: {found.position} entries, each as it was written and in its order.")
    if emptied:
        click.echo(f"In {emptied} of them personal data was emptied since, as later entries say.")
    if kept:
        click.echo(f"It fits all {len(kept)} heads that were kept elsewhere.")
    else:
        click.echo("Compare with a head kept elsewhere (--head) to know that no end was cut off and nothing rewritten.")
    click.echo(f"Its head: {found}")


@click.command("history-head")
@with_appcontext
def history_head() -> None:
    """Print the head of the history, to be kept where nobody who can change this database can change it."""
    with parts().database.reading() as session:
        click.echo(_line(session))


def _line(session: Session) -> str:
    found = newest_head(session)
    if found is None:
        raise click.ClickException("There is no history yet.")
    return head_line(*found)
