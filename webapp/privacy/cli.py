"""``flask desk forget``."""

import click
from flask.cli import with_appcontext

from webapp.access import parts
from webapp.privacy.sweeping import sweep


@click.command("forget")
@with_appcontext
@click.option("--dry-run", is_flag=True, help="Only say how much it would be.")
def forget(dry_run: bool) -> None:
    """Let go of what is older than the settings RETENTION_… allow. The worker does so once a day by itself."""
    desk = parts()
    found = sweep(desk.database, desk.settings.retention, desk.desk.clock(), dry_run=dry_run)
    for name, count in found.items():
        click.echo(f"{count:>8}  {name}")
    click.echo("Nothing was changed." if dry_run else "Done.")
