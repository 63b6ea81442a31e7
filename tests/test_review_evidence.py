"""The evidence beside the decision: money, domain, request and certificate, the customer, the policy then and now."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from review_support import element, text_of, url_of
from shop import START, Page, Shop, signing_request
from sqlmodel import col, update

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.domaincontrol.models import DomainControl, Method
from webapp.payments.models import Payout, PayoutStatus
from webapp.review.evidence import SHOWN
from webapp.review.parsed import Unreadable, read_certificate


def look(shop: Shop, certificate: Certificate) -> Page:
    return shop.browser(shop.rita).get(url_of(certificate))


def evidence(shop: Shop, certificate: Certificate) -> str:
    return text_of(element(look(shop, certificate), "evidence"))


# The order of things


def test_the_decision_stands_between_what_is_asked_and_the_evidence(shop: Shop) -> None:
    """So that on a phone it is reached without scrolling past everything."""
    page = look(shop, shop.certificate_in(State.REFUND_REQUESTED))
    ids = [node.get("id") for node in page.tree.iter()]
    places = [ids.index(key) for key in ("asked", "claim", "presence", "news", "decision", "notes", "evidence")]
    assert places == sorted(places)
    assert "#decision" in [node.get("href") for node in page.tree.iter("a")]


def test_parts_follow_the_certificate_on_their_own(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = look(shop, certificate)
    for key in ("asked", "evidence", "decision", "news", "notes", "claim"):
        assert f"sse:certificate-{certificate.id}" in element(page, key).get("hx-trigger")
        url = element(page, key).get("hx-get")
        assert element(shop.browser(shop.rita).get(url, htmx=True), key) is not None


# The money


def test_cash_and_voucher_parts_stand_apart(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED, voucher=6800, method=PaymentMethod.BALANCE)
    told = evidence(shop, certificate)
    assert "Price 268.00 CNY Paid in money 200.00 CNY Paid by voucher 68.00 CNY" in told
    assert "Attempts to pay this refund None so far." in told
    plain = shop.certificate_in(State.REFUND_REQUESTED, domain="plain.example.com")
    assert "voucher" not in evidence(shop, plain)


def test_a_refund_that_came_back_shows_every_attempt_and_says_what_approving_means(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_APPROVED, method=PaymentMethod.ALIPAY, account="ending 88")
    refund = shop.refund_of(certificate)
    with shop.database.writing() as session:
        session.add(
            Payout(
                refund_id=refund.id,
                method=PaymentMethod.ALIPAY,
                status=PayoutStatus.REFUSED,
                amount_minor=refund.amount_minor,
                currency=refund.currency,
                detail="ACQ.SELLER_BALANCE_NOT_ENOUGH",
                intended_at=shop.clock(),
                updated_at=shop.clock(),
            )
        )
    shop.fire_as_system(certificate, Event.RETURN_REFUND, reason="ACQ.SELLER_BALANCE_NOT_ENOUGH")
    page = look(shop, certificate)
    assert "Refused by the provider the Alipay account ending 88 4 May 2026, 17:00 CST ACQ.SELLER" in text_of(
        element(page, "evidence")
    )
    assert "Approved before, but the payment did not go through" in text_of(element(page, "decision"))


# The domain


def test_domain_checks_show_what_was_seen_and_when(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    assert "Control not seen Control Not shown; nobody has looked yet" in evidence(shop, certificate)
    assert "TXT record at _desk.www.example.com" in evidence(shop, certificate)
    finding: dict[str, Any] = {
        "method": "dns_txt",
        "held": False,
        "words": "No TXT record at _desk.www.example.com yet.",
        "seen_by": 0,
        "asked": 2,
    }
    values: dict[str, Any] = {"findings": [finding], "attempts": 3, "checked_at": shop.clock()}
    values |= {"caa_checked_at": shop.clock()}
    with shop.database.writing() as session:
        session.exec(update(DomainControl).values(**values))
    told = evidence(shop, certificate)
    assert "TXT record: No TXT record at _desk.www.example.com yet." in told
    assert "Nothing in them forbids us to issue. Last look 4 May 2026, 17:00 CST Looks 3" in told
    held = {"held_at": shop.clock(), "held_by": Method.HTTP_TOKEN, "caa_problem": "The CAA records name another."}
    with shop.database.writing() as session:
        session.exec(update(DomainControl).values(**held))
    told = evidence(shop, certificate)
    assert "Control Shown by a file on the web server, 4 May 2026, 17:00 CST" in told
    assert "CAA The CAA records name another." in told


def test_a_wildcard_has_no_file_and_what_was_never_submitted_no_checks(shop: Shop) -> None:
    wildcard = shop.certificate_in(State.SUBMITTED, domain="*.example.com", product="wildcard")
    assert "Or a file at" not in evidence(shop, wildcard)
    pending = shop.order(domain="pending.example.com")
    assert "Domain checks" not in evidence(shop, pending)
    assert "It was never submitted: there is no signing request." in look(shop, pending).words


def test_a_submission_of_before_the_checks_has_none(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    with shop.database.writing() as session:
        session.exec(update(Certificate).where(col(Certificate.id) == certificate.id).values(submission_id="0" * 32))
    told = evidence(shop, certificate)
    assert "Control Not shown; nobody has looked yet" in told
    assert "CAA" not in told


# The certificate


def test_the_issued_certificate_is_parsed_and_compared_with_the_request(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    told = evidence(shop, certificate)
    for part in (
        "Names www.example.com Key EC, P-256 It is the key of the signing request.",
        f"Serial number {certificate.serial}",
        "Issuer CN=Certificate Desk Issuing CA",
        "SHA-256 fingerprint ",
        "Everything that it says Subject Empty: the names stand in the extension",
        "Signature ECDSA with SHA",
        "Subject alternative name, critical www.example.com",
        "Basic constraints, critical No certificate authority",
        "Key usage, critical digital signature",
        "Extended key usage TLS server",
        "Certificate policies 2.23.140.1.2.1 (domain validated)",
        "CRL distribution points http://",
        "Authority information access OCSP http://",
    ):
        assert part in told
    with shop.database.writing() as session:
        statement = update(Certificate).where(col(Certificate.id) == certificate.id)
        session.exec(statement.values(csr_pem=_another_request()))
    assert "It is not the key of the signing request." in evidence(shop, certificate)


def _another_request() -> str:
    signing_request.cache_clear()
    return signing_request("www.example.com")


def test_a_certificate_that_cannot_be_read_is_said_to_be(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    with shop.database.writing() as session:
        session.exec(update(Certificate).values(chain_pem="-----BEGIN NONSENSE-----", csr_pem=None))
    told = evidence(shop, certificate)
    assert "The certificate cannot be shown The certificate cannot be read." in told


def test_a_certificate_without_its_request_is_compared_with_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    with shop.database.writing() as session:
        session.exec(update(Certificate).values(csr_pem=None))
    assert "the key of the signing request" not in evidence(shop, certificate)


def made(key: Any, *extensions: x509.ExtensionType, algorithm: Any = None) -> str:
    """A certificate for this key with these extensions, signed by a key of its own."""
    signer = ec.generate_private_key(ec.SECP256R1()) if algorithm is None else algorithm
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key)
        .serial_number(0xABC)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
    )
    for one in extensions:
        builder = builder.add_extension(one, critical=False)
    hashing = None if isinstance(signer, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(signer, hashing).public_bytes(Encoding.PEM).decode()


def test_every_extension_has_words_or_its_bytes() -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    directory = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somewhere")])
    parsed = read_certificate(
        made(
            key,
            x509.BasicConstraints(ca=True, path_length=None),
            x509.SubjectKeyIdentifier(b"\x01\x02"),
            x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(directory)], 5),
            x509.CRLDistributionPoints(
                [
                    x509.DistributionPoint([x509.DirectoryName(directory)], None, None, None),
                    x509.DistributionPoint(None, x509.RelativeDistinguishedName(list(directory)), None, None),
                ]
            ),
            x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(
                        x509.ObjectIdentifier("1.2.3.4"), x509.UniformResourceIdentifier("http://x.example.com")
                    )
                ]
            ),
            x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.5"), None)]),
            x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3.6")]),
            x509.TLSFeature([x509.TLSFeatureType.status_request]),
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.7"), b"\xab\xcd"),
        )
    )
    assert {one.name: one.value for one in parsed.extensions} == {
        "Basic constraints": "Certificate authority",
        "Subject key identifier": "01:02",
        "Authority key identifier": "Present",
        "CRL distribution points": "CN=somewhere",
        "Authority information access": "1.2.3.4 http://x.example.com",
        "Certificate policies": "1.2.3.5",
        "Extended key usage": "1.2.3.6",
        "TLS feature": "Present",
        "1.2.3.7": "ab:cd",
    }
    assert (parsed.names, parsed.key, parsed.serial, parsed.chain_length) == ((), "EC, P-384", "abc", 1)
    assert parsed.not_after - parsed.not_before == timedelta(days=1)


@pytest.mark.parametrize(
    ("key", "signer", "told", "signature"),
    [
        (
            rsa.generate_private_key(65537, 2048).public_key(),
            rsa.generate_private_key(65537, 2048),
            "RSA, 2048 bits",
            "RSA with SHA256",
        ),
        (
            ed25519.Ed25519PrivateKey.generate().public_key(),
            ed25519.Ed25519PrivateKey.generate(),
            "Ed25519PublicKey",
            "1.3.101.112",
        ),
    ],
)
def test_keys_of_other_kinds_are_named(key: Any, signer: Any, told: str, signature: str) -> None:
    parsed = read_certificate(made(key, algorithm=signer))
    assert (parsed.key, parsed.signature) == (told, signature)
    assert (parsed.key_fingerprint is None) == (told == "Ed25519PublicKey")


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\x00"])
def test_what_is_no_certificate_is_unreadable_and_nothing_else(text: str) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        read_certificate(text)


def test_a_key_that_no_browser_takes_is_named_and_no_mistake() -> None:
    parsed = read_certificate(made(dsa.generate_private_key(2048).public_key()))
    assert parsed.key == "DSAPublicKey"


# The customer


def test_the_customer_s_other_certificates_and_refunds_are_a_link_away(shop: Shop) -> None:
    earlier = shop.certificate_in(State.REFUNDED, domain="earlier.example.com")
    refund = shop.refund_of(earlier)
    shop.certificate_in(State.ISSUED, shop.bob, domain="bob.example.com")
    shop.clock.advance(hours=1)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    page = look(shop, certificate)
    told = text_of(element(page, "evidence"))
    assert f"Other refunds {refund.number} Refunded 268.00 CNY for earlier.example.com · 4 May 2026, 17:00 CST" in told
    assert "Other certificates earlier.example.com Refunded DV certificate · ordered 4 May 2026, 17:00 CST" in told
    assert "bob.example.com" not in told
    links = [node.get("href") for node in page.tree.iter("a")]
    assert f"/refunds/{refund.id}" in links
    assert url_of(earlier) in links


def test_of_many_the_newest_are_listed(shop: Shop) -> None:
    for number in range(SHOWN + 2):
        shop.fire(shop.order(domain=f"{number}.example.com"), Event.REQUEST_REFUND)
        shop.clock.advance(minutes=1)
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    told = evidence(shop, certificate)
    assert told.count(f"The newest {SHOWN} of {SHOWN + 2}.") == 2
    assert f"{SHOWN + 1}.example.com" in told
    assert " 0.example.com" not in told
    assert f"Other refunds {SHOWN + 2} in review" in told


# Then and now


def test_the_frozen_verdict_is_told_in_the_reader_s_time_zone(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    assert shop.refund_of(certificate).verdict == "Refundable until 3 June 2026, 09:00 UTC."
    asked = text_of(element(look(shop, certificate), "asked"))
    assert "Verdict Refundable until 3 Jun 2026, 17:00 CST." in asked
    assert "UTC" not in asked


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((), "Refundable: it was never submitted for verification."),
        ((Event.SUBMIT, Event.FAIL_VERIFICATION), "Refundable: its verification failed."),
    ],
)
def test_a_verdict_without_a_deadline_is_told_as_it_was(shop: Shop, events: tuple[Event, ...], told: str) -> None:
    certificate = shop.order()
    for event in (*events, Event.REQUEST_REFUND):
        certificate = shop.fire(certificate, event)
    asked = text_of(element(look(shop, certificate), "asked"))
    assert f"Verdict {told}" in asked
    assert "Deadline None" in asked


def test_another_policy_today_is_said_and_changes_nothing(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED, voucher=6800)
    shop.desk.policy = replace(PRESETS["30-days-from-issue"], version="other/2", voucher_refundable=True)
    asked = text_of(element(look(shop, certificate), "asked"))
    assert "It would pay back 268.00 CNY (policy other/2). The verdict above counts" in asked
    assert "Amount 200.00 CNY" in asked


def test_history_has_the_latest_first(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REVOKED)
    shop.clock.advance(hours=1)
    certificate = shop.fire(certificate, Event.REQUEST_REFUND)
    told = evidence(shop, certificate)
    assert told.index("Refund applied for") < told.index("Ordered and paid")
