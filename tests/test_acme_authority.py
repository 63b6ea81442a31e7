"""The ACME authority against Pebble: orders, certificates, the account and its key."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from acme_support import KEY, csr_for
from ca_support import make_csr
from cryptography import x509
from pebble import Pebble

from webapp.authorities.acme_account import ExternalAccount, load_or_create_account_key, thumbprint
from webapp.authorities.key_files import KeyDirectoryError
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateAuthority,
    Issued,
    Pending,
    Processing,
    StatusKind,
    check_issued,
)

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"
WILDCARD = ("*.example.org", "example.org")


# Issuing


def test_it_is_a_certificate_authority(desk):
    port: CertificateAuthority = desk.authority()
    assert isinstance(port.advance(port.submit("order 1", csr_for(WWW), [WWW], 90)), Pending)


@pytest.mark.parametrize("kind", ["http-01", "dns-01"])
def test_an_order_becomes_a_certificate(desk, kind):
    authority = desk.authority()
    issued = desk.issue(authority, "order 1", WWW, kind=kind)
    assert check_issued(issued.chain_pem, csr_for(WWW), [WWW], desk.clock()) == issued
    assert "Pebble Intermediate CA" in issued.issuer
    chain = x509.load_pem_x509_certificates(issued.chain_pem.encode())
    chain[-1].verify_directly_issued_by(desk.pebble.root())
    assert authority.status(issued.serial).kind is StatusKind.GOOD


def test_the_server_is_told_how_long_the_certificate_was_ordered_for(desk):
    issued = desk.issue(desk.authority(), "order 1", WWW)
    ordered = desk.clock.now + timedelta(days=90)
    assert abs(issued.not_after - ordered) < timedelta(minutes=2)


def test_no_longer_validity_is_asked_for_than_public_certificates_may_have(desk, front):
    authority = desk.authority(directory_url=front.directory_url)
    authority.advance(authority.submit("order 1", csr_for(WWW), [WWW], 10_000))
    (request,) = [one.payload for one in front.taken("order-plz")]
    # A day short of the 200 days that public certificates may be valid, and the last second belongs to it.
    end = desk.clock.now + timedelta(days=199) - timedelta(seconds=1)
    assert end.strftime("%Y-%m-%dT%H:%M:%SZ").encode() in request


def test_the_validity_can_be_left_to_the_server(desk, front):
    authority = desk.authority(directory_url=front.directory_url, asks_validity=False)
    authority.advance(authority.submit("order 1", csr_for(WWW), [WWW], 90))
    assert not [one for one in front.seen if b"notAfter" in one.payload]


def test_a_server_that_takes_no_wish_for_the_validity_is_asked_once_only(desk, front):
    def refuse_wish(exchange):
        if b"notAfter" in exchange.payload:
            exchange.refuse(400, "malformed", "NotBefore and NotAfter are not supported")

    front.before = refuse_wish
    authority = desk.authority(directory_url=front.directory_url)
    desk.issue(authority, "order 1", WWW)
    desk.issue(authority, "order 2", "shop.example.com")
    assert sum(b"notAfter" in one.payload for one in front.taken("order-plz")) == 1


def test_the_order_key_is_the_idempotency_key(desk):
    authority = desk.authority()
    ref = authority.submit("order 1", csr_for(WWW), [WWW], 90)
    assert desk.authority().submit("order 1", csr_for(WWW), [WWW], 90) == ref
    issued = desk.run(lambda: authority, ref)
    assert authority.submit("order 1", csr_for(WWW), [WWW], 90) == ref
    assert authority.advance(ref) == issued
    with pytest.raises(AuthorityRefused, match="handed in before"):
        authority.submit("order 1", csr_for("shop.example.com"), ["shop.example.com"], 90)


def test_submitting_asks_nobody(desk, front):
    desk.authority(directory_url=front.directory_url).submit("order 1", csr_for(WWW), [WWW], 90)
    assert front.seen == []


@pytest.mark.parametrize(
    ("names", "csr", "says"),
    [
        ([WWW], make_csr(KEY), "has to name exactly www.example.com"),
        ([WWW], make_csr(KEY, names=["shop.example.com"]), "but the order is for www.example.com"),
        (["*.example.org"], make_csr(KEY, names=WILDCARD), "has to name exactly"),
        ([WWW], "nonsense", "not a CSR"),
        ([f"w{number}.example.com" for number in range(21)], "", "at most 20 names"),
    ],
)
def test_what_the_server_would_refuse_is_refused_at_once(desk, names, csr, says):
    with pytest.raises(AuthorityRefused, match=says):
        desk.authority().submit("order 1", csr, names, 90)


def test_a_common_name_alone_is_a_name_too(desk):
    authority = desk.authority()
    assert authority.submit("order 1", make_csr(KEY, common_name=WWW), [WWW], 90)


@pytest.mark.parametrize(("key", "days"), [("", 90), ("k" * 201, 90), ("order 1", 0)])
def test_impossible_orders_are_refused(desk, key, days):
    with pytest.raises(AuthorityRefused):
        desk.authority().submit(key, csr_for(WWW), [WWW], days)


def test_an_unknown_reference_is_refused(desk):
    with pytest.raises(AuthorityRefused, match="does not know the order"):
        desk.authority().advance("0" * 32)


def test_two_authorities_in_one_database_keep_their_orders_apart(desk):
    first, second = desk.authority(), desk.authority(name="acme-two", key_directory=desk.folder / "two")
    ref = first.submit("order 1", csr_for(WWW), [WWW], 90)
    assert second.submit("order 1", csr_for(WWW), [WWW], 90) != ref
    with pytest.raises(AuthorityRefused):
        second.advance(ref)


def test_an_account_that_proved_control_before_need_not_again(pebble, desk, tmp_path):
    generous = Pebble.start(tmp_path / "generous", PEBBLE_AUTHZREUSE="100")
    try:
        desk.pebble = generous
        authority = desk.authority()
        desk.issue(authority, "order 1", WWW)
        ref = authority.submit("order 2", csr_for(WWW), [WWW], 90)
        progress = desk.run(lambda: authority, ref, until=lambda progress: not isinstance(progress, Processing))
        assert isinstance(progress, Issued)
    finally:
        generous.stop()


def test_external_account_binding(desk, tmp_path):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    bound = Pebble.start(tmp_path / "bound", external_accounts={"kid-1": key})
    try:
        desk.pebble = bound
        stranger = desk.authority(name="stranger", key_directory=tmp_path / "stranger")
        ref = stranger.submit("order 1", csr_for(WWW), [WWW], 90)
        with pytest.raises(AuthorityUnavailable, match="does not open an account for this shop"):
            stranger.advance(ref)
        external = ExternalAccount("kid-1", key)
        assert key not in repr(external)
        desk.issue(desk.authority(external=external), "order 1", WWW)
    finally:
        bound.stop()


# One order at the server for two of ours


def test_two_orders_that_the_server_answers_with_one_get_a_certificate_each(desk, front):
    first_answer = {}

    def reuse_the_first_order(exchange):
        if exchange.kind == "order-plz" and front.count("order-plz") < 3:
            if not first_answer:
                first_answer.update(content=exchange.content, location=exchange.headers["Location"])
            exchange.content, exchange.headers["Location"] = first_answer["content"], first_answer["location"]

    front.after = reuse_the_first_order
    authority = desk.authority(directory_url=front.directory_url)
    refs = [authority.submit(f"order {number}", csr_for(WWW), [WWW], 90) for number in (1, 2)]
    for ref in refs:
        authority.advance(ref)
    assert desk.row(refs[0]).order_url == desk.row(refs[1]).order_url
    issued = [desk.run(lambda: authority, ref) for ref in refs]
    assert len({progress.certificate.serial for progress in issued}) == 2


# The account's key


def test_the_account_key_is_readable_by_its_owner_only(desk):
    desk.authority()
    key = desk.folder / "acme" / "account.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    key.chmod(0o640)
    with pytest.raises(KeyDirectoryError, match="chmod 600"):
        desk.authority()


def test_a_key_of_another_kind_is_not_used(desk):
    desk.authority()
    (desk.folder / "acme" / "account.key").write_text("nonsense")
    with pytest.raises(KeyDirectoryError, match=r"account\.key"):
        desk.authority()


def test_processes_that_start_at_once_share_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: thumbprint(load_or_create_account_key(tmp_path / "acme")), range(8)))
    assert len(set(keys)) == 1
