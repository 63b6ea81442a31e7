"""Choosing the authority by product: the settings, and the orders and certificates that outlive a change of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from acme_support import Credulous, csr_for, open_database
from ca_support import HandClock
from pebble import Tls
from sqlmodel import Session

from certlifecycle import RevocationReason
from webapp.authorities.acme_authority import AcmeAuthority
from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.choice import (
    AcmeServer,
    Authorities,
    AuthoritySettings,
    ChoiceError,
    acme_authorities,
    chosen_name,
    read_authority_settings,
)
from webapp.authorities.choice_models import ChosenAuthority
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateAuthority,
    Issued,
    Pending,
    StatusKind,
)

pytest_plugins = ["acme_fixtures"]

PRODUCTS = ("dv", "ov", "wildcard")
WWW = "www.example.com"
DIRECTORY = "https://ca.example.com/directory"
KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


# Settings


def test_without_settings_the_built_in_authority_issues_everything():
    assert read_authority_settings({}, PRODUCTS) == AuthoritySettings("builtin", {}, ())
    assert read_authority_settings({"AUTHORITIES": " ", "ACME_DIRECTORY": " "}, PRODUCTS) == AuthoritySettings()


def test_an_acme_server_and_what_it_issues(tmp_path):
    ca_file = Tls.make(tmp_path).certificate
    settings = read_authority_settings(
        {
            "AUTHORITIES": "builtin, ov = acme, wildcard=acme-other-eu",
            "ACME_DIRECTORY": DIRECTORY,
            "ACME_CONTACT": "mailto:ca@example.com",
            "ACME_CA_FILE": str(ca_file),
            "ACME_EAB_KID": "kid-1",
            "ACME_EAB_HMAC_KEY": f"{KEY}==",
            "ACME_ASK_VALIDITY": "0",
            "ACME_OTHER_EU_DIRECTORY": "https://ca.example.org/",
        },
        PRODUCTS,
    )
    first, other = settings.servers
    assert (first.name, first.directory_url, first.contact) == ("acme", DIRECTORY, "ca@example.com")
    assert (first.ca_file, first.asks_validity) == (ca_file, False)
    assert first.external is not None
    assert (first.external.kid, first.external.hmac_key) == ("kid-1", KEY)
    assert other == AcmeServer("acme-other-eu", "https://ca.example.org/")
    assert [settings.name_for(product) for product in PRODUCTS] == ["builtin", "acme", "acme-other-eu"]


def test_one_authority_for_everything_but_one_product():
    settings = read_authority_settings({"AUTHORITIES": "acme,ov=builtin", "ACME_DIRECTORY": DIRECTORY}, PRODUCTS)
    assert [settings.name_for(product) for product in PRODUCTS] == ["acme", "builtin", "acme"]


def test_a_product_alone_leaves_the_others_as_they_are():
    settings = read_authority_settings({"AUTHORITIES": "ov=acme", "ACME_DIRECTORY": DIRECTORY}, PRODUCTS)
    assert [settings.name_for(product) for product in PRODUCTS] == ["builtin", "acme", "builtin"]


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"AUTHORITIES": "acme"}, "AUTHORITIES: 'acme' is not set up; there is builtin"),
        ({"AUTHORITIES": "ov=acme"}, "AUTHORITIES: 'acme' is not set up"),
        ({"AUTHORITIES": "ov="}, "AUTHORITIES: '' is not set up"),
        ({"AUTHORITIES": "ev=builtin"}, "AUTHORITIES: 'ev' is none of the products dv, ov, wildcard"),
        ({"AUTHORITIES": "ov=builtin,builtin"}, "AUTHORITIES: 'builtin' must stand first"),
        ({"ACME_DIRECTORY": "http://ca.example.com/"}, "ACME_DIRECTORY must be an https address"),
        ({"ACME_OTHER_DIRECTORY": "ca.example.com"}, "ACME_OTHER_DIRECTORY must be an https address"),
        ({f"ACME_{'A' * 40}_DIRECTORY": DIRECTORY}, "is too long"),
        ({"ACME_DIRECTORY": DIRECTORY, "ACME_CONTACT": "nobody"}, "ACME_CONTACT must be a mail address"),
        ({"ACME_DIRECTORY": "https://ca.example.com:port/"}, "ACME_DIRECTORY must be an https address"),
        ({"ACME_DIRECTORY": "https://[ca.example.com/"}, "ACME_DIRECTORY must be an https address"),
        ({"ACME_DIRECTORY": DIRECTORY, "ACME_CA_FILE": "/no/such/file"}, "ACME_CA_FILE: there is no file"),
        ({"ACME_DIRECTORY": DIRECTORY, "ACME_CA_FILE": __file__}, "is no file with certificates in PEM"),
        ({"ACME_DIRECTORY": DIRECTORY, "ACME_EAB_KID": "kid"}, "ACME_EAB_KID and ACME_EAB_HMAC_KEY belong together"),
        (
            {"ACME_DIRECTORY": DIRECTORY, "ACME_EAB_KID": "kid", "ACME_EAB_HMAC_KEY": "+"},
            "ACME_EAB_HMAC_KEY must be base64url",
        ),
        ({"ACME_DIRECTORY": DIRECTORY, "ACME_ASK_VALIDITY": "yes"}, "ACME_ASK_VALIDITY must be 0 or 1"),
    ],
)
def test_a_malformed_setting_is_named(environ, says):
    with pytest.raises(ChoiceError) as fault:
        read_authority_settings(environ, PRODUCTS)
    assert says in str(fault.value)
    assert KEY not in str(fault.value)


def test_the_authorities_that_are_set_up_are_made(database_url, tmp_path):
    engine = open_database(database_url)
    clock = HandClock()
    settings = AuthoritySettings(servers=(AcmeServer("acme", DIRECTORY), AcmeServer("acme-two", DIRECTORY)))
    made = acme_authorities(settings, engine, tmp_path, Credulous(clock), clock)
    assert {name: type(one) for name, one in made.items()} == {"acme": AcmeAuthority, "acme-two": AcmeAuthority}
    assert (tmp_path / "acme" / "account.key").read_bytes() != (tmp_path / "acme-two" / "account.key").read_bytes()
    engine.dispose()


# Orders and certificates


@pytest.fixture
def members(desk) -> dict[str, CertificateAuthority]:
    ChosenAuthority.__table__.create(desk.engine, checkfirst=True)
    builtin = BuiltinAuthority(desk.engine, desk.folder / "ca", "http://desk.example.com/ca", desk.clock)
    return {"builtin": builtin, "acme": desk.authority()}


def authorities(desk, members, default="builtin", **by_product):
    return Authorities(desk.engine, members, AuthoritySettings(default, by_product), desk.clock)


def test_it_is_a_certificate_authority(desk, members):
    port: CertificateAuthority = authorities(desk, members)
    by_product: CertificateAuthority = authorities(desk, members).for_product("dv")
    for number, one in enumerate((port, by_product)):
        assert isinstance(one.advance(one.submit(f"order {number}", csr_for(WWW), [WWW], 90)), Issued)


def test_each_product_is_issued_by_its_authority_and_revoked_there(desk, members):
    choice = authorities(desk, members, ov="acme")
    built = choice.for_product("dv")
    ours = built.advance(built.submit("order 1", csr_for(WWW), [WWW], 90)).certificate
    assert ours.issuer.startswith("Certificate Desk")
    acme = choice.for_product("ov")
    ref = acme.submit("order 2", csr_for(WWW), [WWW], 90)
    theirs = desk.run(lambda: acme, ref).certificate
    assert theirs.issuer.startswith("Pebble")
    for issued in (ours, theirs):
        assert acme.status(issued.serial).kind is StatusKind.GOOD
        acme.revoke(issued.serial, RevocationReason.SUPERSEDED)
        assert choice.status(issued.serial).kind is StatusKind.REVOKED
    assert desk.pebble.certificate_status(theirs.serial.zfill(16))["Status"] == "Revoked"


def test_an_order_stays_with_its_authority_when_the_settings_change(desk, members):
    ref = authorities(desk, members, default="acme").submit("order 1", csr_for(WWW), [WWW], 90)
    changed = authorities(desk, members, default="builtin")
    assert changed.submit("order 1", csr_for(WWW), [WWW], 90) == ref
    assert changed.for_product("dv").submit("order 1", csr_for(WWW), [WWW], 90) == ref
    assert isinstance(changed.advance(ref), Pending)


def test_nobody_issues_in_place_of_an_authority_that_is_not_set_up_any_more(desk, members):
    ref = authorities(desk, members, default="acme").submit("order 1", csr_for(WWW), [WWW], 90)
    left = authorities(desk, {"builtin": members["builtin"]})
    with pytest.raises(AuthorityUnavailable, match="acme has this order and is not set up any more"):
        left.submit("order 1", csr_for(WWW), [WWW], 90)
    with pytest.raises(AuthorityUnavailable):
        left.advance(ref)


def test_a_certificate_that_none_of_them_issued_is_not_revoked(desk, members):
    choice = authorities(desk, members)
    assert choice.status("1234abcd").kind is StatusKind.UNKNOWN
    with pytest.raises(AuthorityRefused, match="None of the certificate authorities"):
        choice.revoke("1234abcd", RevocationReason.SUPERSEDED)


def test_workers_with_different_settings_choose_once(database_url, tmp_path):
    engine = open_database(database_url)
    ChosenAuthority.__table__.create(engine, checkfirst=True)
    clock = HandClock()
    made = acme_authorities(
        AuthoritySettings(servers=(AcmeServer("acme", DIRECTORY), AcmeServer("acme-two", DIRECTORY))),
        engine,
        tmp_path,
        Credulous(clock),
        clock,
    )
    workers = [Authorities(engine, made, AuthoritySettings(name), clock) for name in ("acme", "acme-two")] * 3
    with ThreadPoolExecutor(len(workers)) as pool:
        refs = set(pool.map(lambda worker: worker.submit("order 1", csr_for(WWW), [WWW], 90), workers))
    assert len(refs) == 1
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ChosenAuthority.__table__)).scalar() == 1
    engine.dispose()


# Who sees control


def test_the_authority_of_an_order_says_whether_it_sees_control_itself(desk, members):
    choice = authorities(desk, members, ov="acme")
    assert not choice.for_product("dv").proves_control("order 1")
    assert choice.for_product("ov").proves_control("order 2")
    assert not choice.proves_control("order 3")
    # It is decided from then on, whatever the settings say later.
    changed = authorities(desk, members, default="acme", ov="builtin")
    answers = [changed.for_product(one).proves_control(f"order {n}") for n, one in enumerate(("dv", "ov", "dv"), 1)]
    assert answers == [False, True, False]
    with Session(desk.engine) as session:
        assert [chosen_name(session, f"order {number}") for number in (1, 2, 3, 4)] == [
            "builtin",
            "acme",
            "builtin",
            None,
        ]


def test_proofs_go_to_the_authority_that_has_the_order(desk, members):
    choice = authorities(desk, members, ov="acme").for_product("ov")
    ref = choice.submit("order 1", csr_for(WWW), [WWW], 90)
    assert isinstance(choice.prove(ref), Pending)
    assert authorities(desk, members).prove(ref) == choice.prove(ref)


def test_nothing_is_proved_to_the_built_in_authority(desk, members):
    choice = authorities(desk, members)
    with pytest.raises(AuthorityRefused, match="leaves it to the desk"):
        choice.prove(choice.submit("order 1", csr_for(WWW), [WWW], 90))


def test_a_certificate_is_not_beyond_revocation_while_its_authority_is_not_set_up(desk, members):
    acme = authorities(desk, members, default="acme")
    ref = acme.submit("order 1", csr_for(WWW), [WWW], 90)
    serial = desk.run(lambda: acme, ref).certificate.serial
    left = authorities(desk, {"builtin": members["builtin"]})
    with pytest.raises(AuthorityUnavailable, match="acme issued this certificate and is not set up any more"):
        left.revoke(serial, RevocationReason.SUPERSEDED)
    for nonsense in ("1234abcd", "no serial number"):
        with pytest.raises(AuthorityRefused):
            left.revoke(nonsense, RevocationReason.SUPERSEDED)
    acme.revoke(serial, RevocationReason.SUPERSEDED)
