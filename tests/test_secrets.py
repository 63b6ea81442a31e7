"""Secrets: the CA's keys encrypted at rest, settings that stand in files, and keys that are changed."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from shop import START, Shop
from test_audit_trail import told
from test_cli import run

from webapp import create_app
from webapp.authorities.builtin_keys import encrypt, load_or_create
from webapp.authorities.key_files import KeyDirectoryError, is_encrypted
from webapp.config import SettingError, load
from webapp.mail.models import MailGroup
from webapp.mail.preferences import Unsubscribing
from webapp.parts import assemble

URL = "http://desk.example.com/ca"
PASSPHRASE = b"a passphrase for tests alone"


def keys_in(folder: Path) -> list[Path]:
    return [folder / "root.key", folder / "issuing.key"]


# The keys of the authority


def test_new_keys_are_encrypted_and_need_their_passphrase(tmp_path: Path) -> None:
    made = load_or_create(tmp_path, URL, START, PASSPHRASE)
    salts = set()
    for path in keys_in(tmp_path):
        assert is_encrypted(path)
        assert path.stat().st_mode & 0o777 == 0o600
        head = json.loads(urlsafe_b64decode(path.read_bytes().partition(b".")[0] + b"=="))
        assert (head["alg"], head["enc"], head["p2c"]) == ("PBES2-HS512+A256KW", "A256GCM", 210_000)
        salts.add(head["p2s"])
    assert len(salts) == 2
    again = load_or_create(tmp_path, URL, START + timedelta(days=1), PASSPHRASE)
    assert again.issuing.key.private_numbers() == made.issuing.key.private_numbers()
    with pytest.raises(KeyDirectoryError, match=r"root.key is encrypted. Set CA_KEY_PASSPHRASE"):
        load_or_create(tmp_path, URL, START)
    with pytest.raises(KeyDirectoryError, match=r"root.key cannot be decrypted: CA_KEY_PASSPHRASE is"):
        load_or_create(tmp_path, URL, START, b"another passphrase")


def test_keys_that_are_there_are_encrypted_without_becoming_others(tmp_path: Path) -> None:
    before = load_or_create(tmp_path, URL, START)
    assert not any(map(is_encrypted, keys_in(tmp_path)))
    # A passphrase alone changes no file.
    load_or_create(tmp_path, URL, START, PASSPHRASE)
    assert not any(map(is_encrypted, keys_in(tmp_path)))
    assert encrypt(tmp_path, PASSPHRASE) == keys_in(tmp_path)
    assert encrypt(tmp_path, PASSPHRASE) == []
    with pytest.raises(KeyDirectoryError, match="not the passphrase"):
        encrypt(tmp_path, b"another passphrase")
    after = load_or_create(tmp_path, URL, START, PASSPHRASE)
    assert after.root.key.private_numbers() == before.root.key.private_numbers()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "issuing.crt",
        "issuing.key",
        "lock",
        "root.crt",
        "root.key",
    ]


@pytest.mark.parametrize("part", range(5), ids=["head", "key", "nonce", "text", "tag"])
def test_a_single_bit_of_an_encrypted_key_that_was_changed_is_found(tmp_path: Path, part: int) -> None:
    load_or_create(tmp_path, URL, START, PASSPHRASE)
    path = tmp_path / "root.key"
    parts = path.read_bytes().split(b".")
    changed = bytearray(urlsafe_b64decode(parts[part] + b"=="))
    changed[len(changed) // 2] ^= 1
    parts[part] = urlsafe_b64encode(changed).rstrip(b"=")
    path.write_bytes(b".".join(parts))
    with pytest.raises(KeyDirectoryError, match=r"root.key cannot be decrypted"):
        load_or_create(tmp_path, URL, START, PASSPHRASE)


def test_a_key_encrypted_as_pkcs_8_knows_it_is_read_and_encrypted_better(tmp_path: Path) -> None:
    made = load_or_create(tmp_path, URL, START)
    path = tmp_path / "issuing.key"
    how = BestAvailableEncryption(PASSPHRASE)
    path.write_bytes(made.issuing.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    with pytest.raises(KeyDirectoryError, match=r"issuing.key is encrypted"):
        load_or_create(tmp_path, URL, START)
    with pytest.raises(KeyDirectoryError, match=r"issuing.key cannot be decrypted"):
        load_or_create(tmp_path, URL, START, b"another passphrase")
    assert encrypt(tmp_path, PASSPHRASE) == keys_in(tmp_path)
    assert is_encrypted(path)
    after = load_or_create(tmp_path, URL, START, PASSPHRASE)
    assert after.issuing.key.private_numbers() == made.issuing.key.private_numbers()


def test_a_passphrase_that_is_soon_guessed_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(KeyDirectoryError, match="CA_KEY_PASSPHRASE is too short: take at least 14 characters"):
        load_or_create(tmp_path, URL, START, b"thirteen char")
    assert keys_in(tmp_path)[0].exists() is False
    load_or_create(tmp_path, URL, START, b"fourteen chars")


def test_the_command_encrypts_and_is_noted(shop: Shop) -> None:
    assert "Set CA_KEY_PASSPHRASE or" in run(shop.app, "encrypt-ca-keys", exit_code=1).output
    short = assemble(replace(shop.settings, ca_key_passphrase="too short"), shop.clock)
    assert "CA_KEY_PASSPHRASE is too short" in run(create_app(parts=short), "encrypt-ca-keys", exit_code=1).output
    short.close()
    settings = replace(shop.settings, ca_key_passphrase=PASSPHRASE.decode())
    parts = assemble(settings, shop.clock)
    app = create_app(parts=parts)
    said = run(app, "encrypt-ca-keys").output
    assert said == "Encrypted: root.key, issuing.key. Copies from before, in backups too, are not.\n"
    assert all(map(is_encrypted, keys_in(settings.data_dir / "ca")))
    assert told(shop) == [("ca_keys_encrypted", "The desk", "root.key, issuing.key")]
    assert run(app, "encrypt-ca-keys").output == "The keys were encrypted before.\n"
    parts.close()
    # The next start needs the passphrase, and has the same authority with it.
    with pytest.raises(KeyDirectoryError, match="is encrypted"):
        assemble(shop.settings, shop.clock)
    again = assemble(settings, shop.clock)
    assert again.builtin.issuing_certificate == shop.parts.builtin.issuing_certificate
    again.close()


# Settings in files


def read(folder: Path, **environ: str) -> Any:
    return load({"DATA_DIR": str(folder / "data")} | environ, tuple)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("  from a file\n")
    settings = read(tmp_path, SECRET_KEY_FILE=str(path), CA_KEY_PASSPHRASE_FILE=str(path))
    assert (settings.secret_key, settings.ca_key_passphrase) == ("from a file", "from a file")
    path.write_text("postgresql://desk:secret@127.0.0.1/desk")
    settings = read(tmp_path, DATABASE_URL_FILE=str(path))
    assert settings.database_url == "postgresql+psycopg://desk:secret@127.0.0.1/desk"


def test_the_key_of_an_acme_account_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA")
    server = {"ACME_DIRECTORY": "https://acme.example.com/directory", "ACME_EAB_KID": "k", "RESOLVERS": "192.0.2.53"}
    by_file = read(tmp_path, **server, ACME_EAB_HMAC_KEY_FILE=str(path)).authorities
    assert by_file == read(tmp_path, **server, ACME_EAB_HMAC_KEY=path.read_text()).authorities


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with pytest.raises(SettingError, match=r"^SECRET_KEY_FILE: .* cannot be read \(No such file"):
        read(tmp_path, SECRET_KEY_FILE=str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match=r"^SECRET_KEY_FILE: .* does not hold text"):
        read(tmp_path, SECRET_KEY_FILE=str(path))
    for content in ("", " \n", "x" * (64 * 1024 + 1)):
        path.write_text(content)
        with pytest.raises(SettingError, match=r"^SECRET_KEY_FILE: .* must hold the secret and nothing else"):
            read(tmp_path, SECRET_KEY_FILE=str(path))
    with pytest.raises(SettingError, match="SECRET_KEY_FILE and SECRET_KEY are both set"):
        read(tmp_path, SECRET_KEY_FILE=str(path), SECRET_KEY="and here")


# Changing the key


def test_what_a_former_key_signed_still_counts_and_nothing_new_is_signed_with_it(tmp_path: Path) -> None:
    settings = read(tmp_path, SECRET_KEY="third", SECRET_KEY_FALLBACKS="first, second,")
    assert settings.secret_key_fallbacks == ("first", "second")
    now = Unsubscribing(settings.secret_key, settings.secret_key_fallbacks)
    for key in ("first", "second", "third"):
        token = Unsubscribing(key).token("a" * 32, MailGroup.DUTIES)
        assert now.read(token) == ("a" * 32, MailGroup.DUTIES)
    assert now.read(Unsubscribing("never").token("a" * 32, MailGroup.DUTIES)) is None
    assert Unsubscribing("third").read(now.token("a" * 32, MailGroup.DUTIES)) is not None


def test_a_page_s_message_survives_a_change_of_the_key(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, secret_key="new", secret_key_fallbacks=("old",))
    assert shop.app.config["SECRET_KEY_FALLBACKS"] == ["old"]
    with shop.app.test_request_context():
        serializer = shop.app.session_interface.get_signing_serializer(shop.app)
        assert serializer is not None
        shop.app.config.update(SECRET_KEY="old", SECRET_KEY_FALLBACKS=[])
        old = shop.app.session_interface.get_signing_serializer(shop.app)
        assert old is not None
        assert serializer.loads(old.dumps({"_flashes": ["Signed out."]})) == {"_flashes": ["Signed out."]}
