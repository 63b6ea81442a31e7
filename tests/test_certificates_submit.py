"""Handing in a CSR, in two steps, and taking it back."""

import io
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ca_support import make_csr
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pages import button, value, words_of
from shop import Shop, signing_request

from certlifecycle import Event, State
from webapp.certificates import present
from webapp.certificates.models import Certificate

CSR = signing_request("www.example.com")


def address(certificate: Certificate) -> str:
    return f"/certificates/{certificate.id}/submit"


def private_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED])
def test_paste_check_send(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    browser = shop.browser(shop.alice)
    form = browser.get(address(certificate))
    version = value(form, "version")

    preview = browser.post(address(certificate), {"version": version, "csr": CSR}, 200)
    assert "EC, P-256" in preview.words
    assert "www.example.com" in preview.words
    assert shop.get(certificate.id).state == state

    again = {"version": value(preview, "version"), "csr": value(preview, "csr"), "step": "send"}
    done = browser.follow(browser.post(address(certificate), again))
    assert "Submitted. We check now that the domain is yours." in done.words
    after = shop.get(certificate.id)
    assert after.state == State.SUBMITTED
    assert after.csr_pem == CSR
    assert after.key_description == "EC, P-256"
    assert shop.history(certificate)[-1].address == "127.0.0.1"


def test_the_same_with_htmx(shop: Shop) -> None:
    certificate = shop.order()
    data = {"version": 1, "csr": CSR, "step": "send"}
    answer = shop.browser(shop.alice).post(address(certificate), data, 204, htmx=True)
    assert answer.location == f"/certificates/{certificate.id}"


def test_a_shop_that_asks_for_longer_keys_says_so_before_and_after(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, smallest_rsa_key=3072)
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    assert "RSA with at least 3072 bits" in browser.get(address(certificate)).words
    csr = make_csr(rsa.generate_private_key(65537, 2048), names=["www.example.com"])
    refused = browser.post(address(certificate), {"version": 1, "csr": csr, "step": "send"}, 422)
    assert "2048 bits, and at least 3072 are needed" in refused.words
    assert value(refused, "csr").strip() == csr.strip()
    assert shop.get(certificate.id).state == State.PENDING


def test_a_file_counts_before_the_text(shop: Shop) -> None:
    certificate = shop.order()
    upload = (io.BytesIO(CSR.encode()), "www.example.com.csr")
    data = {"version": 1, "csr": "something old", "upload": upload}
    preview = shop.browser(shop.alice).post(address(certificate), data, 200)
    assert value(preview, "csr") == CSR


def test_a_file_of_another_kind_is_named_and_nothing_is_handed_in(shop: Shop) -> None:
    certificate = shop.order()
    data = {"version": 1, "csr": "", "upload": (io.BytesIO(CSR.encode()), "www.example.com.EXE"), "step": "send"}
    page = shop.browser(shop.alice).post(address(certificate), data, 422)
    said = "“www.example.com.EXE” is another kind of file. Choose one whose name ends in .csr, .pem, .req, .p10, "
    assert said in page.words
    assert shop.get(certificate.id).state == State.PENDING


@pytest.mark.parametrize("name", ["request", "www.example.com.CSR", "request.p10"])
def test_a_name_that_says_nothing_else_is_taken(shop: Shop, name: str) -> None:
    certificate = shop.order()
    data = {"version": 1, "upload": (io.BytesIO(CSR.encode()), name)}
    assert value(shop.browser(shop.alice).post(address(certificate), data, 200), "csr") == CSR


def test_use_another_csr_leads_back_with_the_text(shop: Shop) -> None:
    certificate = shop.order()
    data = {"version": 1, "csr": CSR, "step": "edit"}
    page = shop.browser(shop.alice).post(address(certificate), data, 200)
    assert value(page, "csr").strip() == CSR.strip()
    assert shop.get(certificate.id).state == State.PENDING


@pytest.mark.parametrize("step", [None, "send"])
def test_what_is_wrong_is_said_and_what_was_typed_stays(shop: Shop, step: str | None) -> None:
    certificate = shop.order()
    other = signing_request("other.example.com")
    data = {"version": 1, "csr": other} | ({"step": step} if step else {})
    page = shop.browser(shop.alice).post(address(certificate), data, 422)
    assert "The CSR asks for other.example.com, but the order is for www.example.com." in page.words
    assert value(page, "csr").strip() == other.strip()
    assert shop.get(certificate.id).state == State.PENDING


def test_a_refused_answer_to_htmx_is_a_page_whose_form_still_works(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    page = browser.post(address(certificate), {"version": 1, "csr": "nonsense"}, 422)
    browser.post(address(certificate), {"version": value(page, "version"), "csr": CSR, "step": "send"})
    assert shop.get(certificate.id).state == State.SUBMITTED


@pytest.mark.parametrize("as_file", [False, True])
def test_a_private_key_is_refused_and_never_shown_again(shop: Shop, as_file: bool) -> None:
    certificate = shop.order()
    secret = private_key()
    data: dict[str, object] = {"version": 1}
    if as_file:
        data["upload"] = (io.BytesIO((CSR + secret).encode()), "both.pem")
    else:
        data["csr"] = CSR + secret
    page = shop.browser(shop.alice).post(address(certificate), data, 422)
    assert "This contains a private key. It was refused and not stored." in page.words
    assert secret.splitlines()[1] not in page.text
    assert value(page, "csr").strip() == ""
    assert shop.get(certificate.id).csr_pem is None
    # Nor when the other button was meant to lead back.
    back = shop.browser(shop.alice).post(address(certificate), {"version": 1, "csr": secret, "step": "edit"}, 422)
    assert secret.splitlines()[1] not in back.text


def test_too_short_a_key(shop: Shop, tmp_path: Path) -> None:
    certificate = shop.order()
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  # Too short on purpose.
    file = tmp_path / "short.key"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    request = subprocess.run(
        ["openssl", "req", "-new", "-key", file, "-subj", "/CN=www.example.com"], capture_output=True, check=True
    ).stdout
    page = shop.browser(shop.alice).post(address(certificate), {"version": 1, "csr": request.decode()}, 422)
    assert "The RSA key is too short: it has 1024 bits" in page.words


@pytest.mark.parametrize(
    ("domain", "product"),
    [
        ("www.example.com", "dv"),
        ("*.example.com", "wildcard"),
        ("xn--bcher-kva.example.com", "dv"),
        (f"{'a' * 60}.{'b' * 60}.example.com", "dv"),
    ],
)
def test_the_commands_on_the_page_make_a_csr_that_is_taken(
    shop: Shop, tmp_path: Path, domain: str, product: str
) -> None:
    certificate = shop.order(domain=domain, product=product)
    browser = shop.browser(shop.alice)
    page = browser.get(address(certificate))
    shown = [words_of(node) for node in page.tree.iter("pre")]
    assert shown == [command for _, command in present.csr_commands(certificate.names)]
    assert len(shown) == 2
    for command in shown:
        subprocess.run(shlex.split(command), cwd=tmp_path, capture_output=True, check=True)
        (request,) = tmp_path.glob("*.csr")
        browser.post(address(certificate), {"version": 1, "csr": request.read_text()}, 200)


# Who, when, and who was first


def test_only_the_customer_hands_in(shop: Shop) -> None:
    certificate = shop.order()
    for person in (shop.rita, shop.ada):
        shop.browser(person).get(address(certificate), 403)
        shop.browser(person).post(address(certificate), {"version": 1, "csr": CSR, "step": "send"}, 403)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.ISSUED, State.REFUND_REQUESTED])
def test_in_another_state_the_page_says_what_is_possible(shop: Shop, state: State) -> None:
    certificate = shop.certificate_in(state)
    browser = shop.browser(shop.alice)
    assert "not possible" in browser.get(address(certificate), 409).words
    browser.post(address(certificate), {"version": certificate.version, "csr": CSR, "step": "send"}, 409)
    browser.post(address(certificate), {"version": certificate.version, "csr": CSR}, 409)
    assert shop.get(certificate.id).state == state


def test_a_button_pressed_twice_leads_to_the_same_place(shop: Shop) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    data = {"version": 1, "csr": CSR, "step": "send"}
    first = browser.post(address(certificate), data)
    second = browser.post(address(certificate), data)
    assert first.location == second.location
    assert [row.event for row in shop.history(certificate)] == ["order", "submit"]


def test_a_stale_page_keeps_the_text_and_tells_what_happened(shop: Shop) -> None:
    certificate = shop.order()
    shop.fire(certificate, Event.SUBMIT)
    shop.fire(certificate, Event.FAIL_VERIFICATION)
    # The page was made before all that, by somebody with an old tab.
    stale = {"version": 0, "csr": CSR, "step": "send"}
    shop.browser(shop.alice).post(address(certificate), stale, 422)
    # Version 2 is the submission, which failed since.
    page = shop.browser(shop.alice).post(address(certificate), stale | {"version": 2}, 409)
    assert "Verification failed by Rita" in page.words
    assert value(page, "csr").strip() == CSR.strip()
    assert value(page, "version") == "3"
    shop.browser(shop.alice).post(address(certificate), stale | {"version": value(page, "version")})
    assert shop.get(certificate.id).state == State.SUBMITTED


@pytest.mark.parametrize("version", ["", "x", "-1", "99999999999999999999999", "1" * 6000])
def test_a_version_that_makes_no_sense_is_refused(shop: Shop, version: str) -> None:
    certificate = shop.order()
    browser = shop.browser(shop.alice)
    browser.post(address(certificate), {"version": version, "csr": CSR, "step": "send"}, 422)
    browser.post(f"/certificates/{certificate.id}/withdraw-submission", {"version": version}, 400)


# Taking it back


def test_withdraw_with_the_button_of_the_page(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    browser = shop.browser(shop.alice)
    pressed = button(browser.get(f"/certificates/{certificate.id}"), "Withdraw the submission")
    data = {pressed.get("name"): pressed.get("value")}
    for _ in range(2):
        page = browser.post(pressed.get("formaction"), data)
        assert page.location == f"/certificates/{certificate.id}"
    assert shop.get(certificate.id).state == State.PENDING
    assert [row.event for row in shop.history(certificate)][-1] == "withdraw_submission"


def test_withdrawing_too_late_tells_who_was_first(shop: Shop) -> None:
    certificate = shop.certificate_in(State.SUBMITTED)
    shop.fire(certificate, Event.VERIFY)
    url = f"/certificates/{certificate.id}/withdraw-submission"
    page = shop.browser(shop.alice).post(url, {"version": certificate.version}, 409)
    assert "Verified by Rita" in page.words
    shop.browser(shop.rita).post(url, {"version": certificate.version}, 403)
