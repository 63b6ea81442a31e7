"""Revoking at an ACME server."""

import pytest
import sqlalchemy as sa
from acme_support import csr_for

from certlifecycle import RevocationReason
from webapp.authorities.acme_models import AcmeOrder
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    Issued,
    StatusKind,
)

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"


def test_revoking_with_a_reason(desk):
    authority = desk.authority()
    issued = desk.issue(authority, "order 1", WWW)
    authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    status = authority.status(issued.serial)
    assert (status.kind, status.reason, status.revoked_at) == (
        StatusKind.REVOKED,
        RevocationReason.SUPERSEDED,
        desk.clock(),
    )
    told = desk.pebble.certificate_status(issued.serial.zfill(16))
    assert (told["Status"], told["Reason"]) == ("Revoked", 4)


def test_no_particular_reason_is_left_out(desk):
    authority = desk.authority()
    issued = desk.issue(authority, "order 1", WWW)
    authority.revoke(issued.serial, RevocationReason.UNSPECIFIED)
    told = desk.pebble.certificate_status(issued.serial.zfill(16))
    assert told["Status"] == "Revoked"
    assert not told.get("Reason")


def test_revoking_twice_is_success(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    issued = desk.issue(authority, "order 1", WWW)
    authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    first = authority.status(issued.serial)
    authority.revoke(issued.serial, RevocationReason.KEY_COMPROMISE)
    assert authority.status(issued.serial) == first
    assert front.count("revoke-cert") == 1


def test_revoked_already_is_success_also_when_only_the_server_knows(desk):
    authority = desk.authority()
    issued = desk.issue(authority, "order 1", WWW)
    authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    with desk.engine.begin() as connection:
        # As if the worker had been killed before it noted the answer.
        connection.execute(sa.update(AcmeOrder).values(revoked_at=None, revocation_reason=None))
    authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    assert authority.status(issued.serial).kind is StatusKind.REVOKED


def test_a_reason_that_the_server_does_not_take_is_refused_in_words(desk, front):
    def refuse(exchange):
        if exchange.kind == "revoke-cert":
            exchange.refuse(400, "badRevocationReason", "disallowed revocation reason: 3")

    front.before = refuse
    authority = desk.authority(directory_url=front.directory_url)
    issued = desk.issue(authority, "order 1", WWW)
    with pytest.raises(AuthorityRefused, match=r"Choose another one.*disallowed revocation reason: 3"):
        authority.revoke(issued.serial, RevocationReason.AFFILIATION_CHANGED)
    assert authority.status(issued.serial).kind is StatusKind.GOOD


@pytest.mark.parametrize("serial", ["1234abcd", "not hex"])
def test_what_was_not_issued_here_is_not_revoked_here(desk, serial):
    with pytest.raises(AuthorityRefused):
        desk.authority().revoke(serial, RevocationReason.SUPERSEDED)


def test_the_status_of_a_foreign_serial_number_is_unknown(desk):
    assert desk.authority().status("1234abcd").kind is StatusKind.UNKNOWN


def test_a_name_that_moved_to_another_server_does_not_ask_the_new_one_to_revoke(desk, front):
    issued = desk.issue(desk.authority(), "order 1", WWW)
    moved = desk.authority(directory_url=front.directory_url)
    with pytest.raises(AuthorityUnavailable, match=desk.pebble.directory_url):
        moved.revoke(issued.serial, RevocationReason.SUPERSEDED)
    assert front.seen == []


def test_an_order_on_its_way_moves_with_the_name_to_another_server(desk, front):
    ref = desk.authority().submit("order 1", csr_for(WWW), [WWW], 90)
    desk.authority().advance(ref)
    moved = desk.authority(directory_url=front.directory_url)
    assert isinstance(desk.run(lambda: moved, ref), Issued)
    assert desk.row(ref).directory_url == front.directory_url
