"""Walking the chain: is everything there, as it was written, and in its order?

In bounded memory, however long the chain is. What is found is the first thing that does not fit; after it, nothing that
follows proves anything any more.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from webapp.audit.chain import AUDIT, FORMS, HISTORY, LINKS, ORIGIN, digests_of, hash_of
from webapp.audit.erasing import Place, erased

AT_ONCE = 500


class Fault(StrEnum):
    """In which way the chain is broken."""

    CHANGED = "changed"
    MISSING = "missing"
    OUT_OF_ORDER = "out of order"
    NEVER_LINKED = "never linked"
    """A row that nobody wrote through the desk."""
    CUT_OFF = "cut off"
    """A head that was kept elsewhere stands beyond the end."""
    REWRITTEN = "rewritten"
    """All fits together, but ends at another hash than the one that was kept elsewhere."""


class Broken(Exception):
    """The first thing that does not fit, said in one sentence of English for whoever runs the desk."""

    def __init__(self, fault: Fault, said: str) -> None:
        super().__init__(said)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many rows it holds and the hash of the last. Written ``123:9f86…``."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Read a head; what stands behind it, such as its time, is ignored. Raises ValueError for anything else."""
        found = re.match(r"(\d{1,18}):([0-9a-f]{64})(?:\s|$)", text.strip())
        if found is None:
            raise ValueError("a head is a number, a colon and 64 hexadecimal digits")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class _Link:
    position: int
    source: str
    row_id: int
    form: int
    digest: str
    hash: str

    @property
    def row(self) -> str:
        return row_words(self.source, self.row_id)


def row_words(source: str, row_id: int) -> str:
    """A row as the findings call it, by which it can be looked up in the database."""
    return f"row {row_id} of {source}"


def verify(connection: sa.Connection, kept: Iterable[Head] = ()) -> Head:
    """Walk the whole chain and return its head; raises :class:`Broken` at the first thing that does not fit.

    ``kept`` are heads that were kept elsewhere: each must be the hash at its position.
    """
    wanted: dict[int, list[str]] = {}
    for head in kept:
        wanted.setdefault(head.position, []).append(head.hash)
    # A head of an empty chain says nothing of what came later.
    wanted.pop(0, None)
    position, before = 0, ORIGIN
    # What an entry says of emptied rows is believed here, and the entry itself is checked when its turn comes.
    emptied = erased(connection)
    for links in _in_portions(connection):
        digests = _digests(connection, links)
        for link in links:
            _check(connection, link, position, before, _as_written(link, digests, emptied))
            position, before = link.position, link.hash
            for kept_hash in wanted.pop(position, ()):
                if kept_hash != before:
                    raise Broken(
                        Fault.REWRITTEN,
                        f"Entry {position} has another hash than the head that was kept elsewhere: what stands up to "
                        "there fits together, but it is not what was written. The chain was computed anew.",
                    )
    if wanted:
        raise Broken(
            Fault.CUT_OFF,
            f"The chain ends at entry {position}, but a head that was kept elsewhere is of entry {max(wanted)}: "
            f"the last {max(wanted) - position} entries are missing.",
        )
    _all_linked(connection)
    return Head(position, before)


def _in_portions(connection: sa.Connection) -> Iterator[list[_Link]]:
    after = None
    while True:
        some = sa.select(LINKS).order_by(LINKS.c.position).limit(AT_ONCE)
        if after is not None:
            some = some.where(LINKS.c.position > after)
        links = [_Link(*row) for row in connection.execute(some)]
        if not links:
            return
        yield links
        after = links[-1].position


def _digests(connection: sa.Connection, links: Sequence[_Link]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for source, form in {(link.source, link.form) for link in links} & set(FORMS):
        ids = [link.row_id for link in links if (link.source, link.form) == (source, form)]
        found.update({(source, one): digest for one, digest in digests_of(connection, source, form, ids).items()})
    return found


def _as_written(link: _Link, digests: Mapping[Place, str], emptied: Mapping[Place, str]) -> str | None:
    """The digest of a row; the one that it was written with, where it reads as it was emptied to."""
    place = (link.source, link.row_id)
    digest = digests.get(place)
    return link.digest if digest is not None and digest == emptied.get(place) else digest


def _check(connection: sa.Connection, link: _Link, position: int, before: str, digest: str | None) -> None:
    if link.position != position + 1:
        raise Broken(
            Fault.MISSING,
            f"Entry {position + 1} of the chain is missing: entry {link.position} follows entry {position}.",
        )
    if (link.source, link.form) not in FORMS:
        raise Broken(Fault.CHANGED, f"Entry {position + 1} was changed: it names a table or form that never was one.")
    if link.hash != hash_of(link.position, link.source, link.row_id, link.digest, before):
        raise Broken(
            Fault.OUT_OF_ORDER,
            f"Entry {link.position} ({link.row}) does not follow the entry before it: the chain is out of order here, "
            "or one of the two entries was changed or put in.",
        )
    if digest is None:
        raise Broken(Fault.MISSING, f"Entry {link.position} of the chain is about {link.row}, and that row is missing.")
    if digest != link.digest:
        raise _differs(connection, link, digest)


def _differs(connection: sa.Connection, link: _Link, digest: str) -> Broken:
    """What is in the row is either new, or what another row was written with."""
    query = sa.select(LINKS.c.position, LINKS.c.source, LINKS.c.row_id)
    other = connection.execute(query.where(LINKS.c.digest == digest).order_by(LINKS.c.position).limit(1)).first()
    if other is not None:
        return Broken(
            Fault.OUT_OF_ORDER,
            f"Entry {link.position}: {link.row} holds what was written as {row_words(other[1], other[2])} "
            f"(entry {other[0]}): rows are out of order.",
        )
    return Broken(Fault.CHANGED, f"Entry {link.position}: {link.row} was changed after it had been written.")


def _all_linked(connection: sa.Connection) -> None:
    for source in (HISTORY, AUDIT):
        table = sa.table(source, sa.column("id", sa.BigInteger))
        linked = sa.exists().where(LINKS.c.source == source, LINKS.c.row_id == table.c.id)
        stray = connection.scalar(sa.select(table.c.id).where(~linked).order_by(table.c.id).limit(1))
        if stray is not None:
            raise Broken(
                Fault.NEVER_LINKED,
                f"The {row_words(source, stray)} is not in the chain: it was put in past the desk, "
                "or its entry was taken out of the end of the chain.",
            )
