"""Settings of mail: one address for the server, and a malformed one is named without its password."""

from pathlib import Path

import pytest

from webapp.mail.settings import Encryption, MailSettingError, MailSettings, load_mail, one_line
from webapp.mail.transport import FolderTransport, SmtpTransport, transport_for


def load(tmp_path: Path, public_url: str = "https://desk.example.com", **environ: str) -> MailSettings:
    """The settings of these variables."""
    return load_mail(environ, shop_name="Certificate desk", public_url=public_url, data_dir=tmp_path)


def test_without_a_server_mails_land_in_a_folder(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.server is None
    assert settings.folder == tmp_path / "mail"
    assert str(settings.sender) == "Certificate desk <no-reply@desk.example.com>"
    assert settings.domain == "desk.example.com"
    assert settings.reply_to is None
    assert isinstance(transport_for(settings), FolderTransport)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_a_shop_without_a_name_writes_from_nowhere(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, url).domain == "desk.invalid"


def test_a_server_with_everything(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    settings = load(
        tmp_path,
        SMTP_URL="smtp://desk%40example.com:p%40ss%2Fword@mail.example.com:2525",
        SMTP_CA_FILE=str(ca_file),
        MAIL_FROM="Müller & Söhne <shop@example.org>",
        MAIL_REPLY_TO="help@example.org",
    )
    server = settings.server
    assert server is not None
    assert (server.host, server.port, server.encryption) == ("mail.example.com", 2525, Encryption.REQUIRED)
    assert (server.user, server.password) == ("desk@example.com", "p@ss/word")
    assert (server.ca_file, server.hello) == (ca_file, "desk.example.com")
    assert settings.sender.display_name == "Müller & Söhne"
    assert settings.domain == "example.org"
    assert str(settings.reply_to) == "Certificate desk <help@example.org>"
    assert "word" not in repr(settings)
    assert isinstance(transport_for(settings), SmtpTransport)


@pytest.mark.parametrize(
    ("url", "port", "encryption"),
    [
        ("smtp://mail.example.com", 587, Encryption.REQUIRED),
        ("smtp://mail.example.com/?tls=required", 587, Encryption.REQUIRED),
        ("smtp://localhost:25?tls=never", 25, Encryption.NEVER),
        ("smtp://127.0.0.1?tls=never", 587, Encryption.NEVER),
        ("smtp://[::1]?tls=never", 587, Encryption.NEVER),
        ("smtps://mail.example.com", 465, Encryption.IMPLICIT),
    ],
)
def test_how_the_connection_is_encrypted(tmp_path: Path, url: str, port: int, encryption: Encryption) -> None:
    server = load(tmp_path, SMTP_URL=url, MAIL_FROM="shop@example.com").server
    assert server is not None
    assert (server.port, server.encryption) == (port, encryption)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://user:secret@",
        "smtp://mail.example.com:port",
        "smtp://mail.example.com:99999",
        "smtp://user:secret@mail.example.com/path",
        "smtp://mail.example.com?tls=perhaps",
        "smtp://mail.example.com?tls=implicit",
        "smtp://mail.example.com?starttls=1",
        "smtp://mail.example.com?tls",
        "smtps://mail.example.com?tls=never",
        "smtp://mail.example.com?tls=never",
        "smtp://mail.example.com?tls=if-offered",
        "smtp://user:secret@localhost?tls=never",
        "smtp://user@mail.example.com",
        "smtp://:secret@mail.example.com",
        "smtp://user:secret@[mail.example.com",
    ],
)
def test_a_server_that_cannot_be_used_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(MailSettingError, match=r"^SMTP_URL") as caught:
        load(tmp_path, SMTP_URL=url, MAIL_FROM="shop@example.com")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["MAIL_FROM", "MAIL_REPLY_TO"])
@pytest.mark.parametrize(
    "value", ["nobody", "@example.com", "shop@", "shop@localhost", "a@example.com, b@example.com", "a b@example.com"]
)
def test_an_address_that_is_none_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(MailSettingError, match=f"^{name}"):
        load(tmp_path, **{name: value})


def test_a_server_needs_somebody_who_writes(tmp_path: Path) -> None:
    with pytest.raises(MailSettingError, match=r"^MAIL_FROM"):
        load(tmp_path, SMTP_URL="smtp://mail.example.com")


def test_a_missing_file_of_certificates_is_named(tmp_path: Path) -> None:
    with pytest.raises(MailSettingError, match=r"^SMTP_CA_FILE"):
        load(tmp_path, SMTP_CA_FILE=str(tmp_path / "missing.pem"))


def test_text_for_one_line_has_no_way_to_a_second() -> None:
    assert one_line(" a\r\nb\x0bc\x85d\u2028e\u2029f\u202eg\x00h\t i ") == "a b c d e f g h i"
