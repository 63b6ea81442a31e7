"""Coming in from a mail: an invitation that is accepted once, by whom it is for, while it counts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from organisation_support import NEW_PASSWORD, act, found, join, link_in, now_of, post
from shop import PASSWORD, Shop
from sqlmodel import select

from certlifecycle import Role, State
from webapp.accounts.models import Account
from webapp.accounts.settings import Entrance, SignInSettings
from webapp.errors import DeskError, NotFound
from webapp.mail.models import MailStatus
from webapp.mail.office import open_office
from webapp.organisations import invitations
from webapp.organisations.invitations import MOST
from webapp.organisations.links import OneTimeLinks
from webapp.organisations.models import Invitation, Note, NoteKind

PAGE = "/account/organisation"


def invite(shop: Shop, email: str, status: int = 303) -> str:
    """Let Alice invite somebody, and return the link of the mail."""
    shop.browser(shop.alice).post(f"{PAGE}/invitations", {"email": email}, status)
    (message,) = post(shop)
    assert message["To"] == email
    return link_in(message)


@pytest.fixture
def owned(shop: Shop) -> Shop:
    """Alice has founded an organisation."""
    found(shop, shop.alice)
    return shop


def test_somebody_new_chooses_a_password_and_is_a_member(owned: Shop) -> None:
    certificate = owned.certificate_in(State.PENDING, owner=now_of(owned, owned.alice))
    link = invite(owned, "carol@example.com")
    assert "carol@example.com" in owned.browser(owned.alice).get(PAGE).text
    carol = owned.browser()
    page = carol.get(link)
    assert "Example Limited" in page.text
    assert "alice@example.com" in page.text
    # Looking at it changes nothing, however often.
    carol.get(link)
    weak = {"name": "Carol", "password": "carol@example", "again": "carol@example"}
    assert "easy to guess" in carol.post(link, weak, 422).text
    right = {"name": "Carol", "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert carol.post(link, right).location == "/"
    assert carol.get(f"/certificates/{certificate.id}").status == 200
    with owned.database.reading() as session:
        account = session.exec(select(Account).where(Account.email == "carol@example.com")).one()
    assert (account.role, account.is_owner) == (Role.CUSTOMER, False)
    owned.browser().get(link, 404)
    owned.browser().post(link, right, 404)


def test_where_nobody_has_a_password_an_invitation_makes_none(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    owned = open_shop(sqlite_url, sign_in=SignInSettings(entrances=frozenset({Entrance.PASSKEY})))
    found(owned, owned.alice)
    link = invite(owned, "carol@example.com")
    page = owned.browser().get(link)
    assert "Sign in as carol@example.com; then you are asked once more." in page.words
    assert not [node for node in page.tree.iter("input") if node.get("type") == "password"]
    right = {"name": "Carol", "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert owned.browser().post(link, right).location == f"/sign-in?next={link}"
    with owned.database.reading() as session:
        assert session.exec(select(Account).where(Account.email == "carol@example.com")).all() == []


def test_whoever_has_an_account_signs_in_and_brings_their_certificates(owned: Shop) -> None:
    own = owned.certificate_in(State.PENDING, owner=owned.bob, domain="bobs.example.com")
    link = invite(owned, "bob@example.com")
    bob = owned.browser()
    assert "Sign in with it" in bob.get(link).text
    to_sign_in = bob.post(link, {}).location
    assert to_sign_in.startswith("/sign-in?next=/invitation/")
    assert bob.post(to_sign_in, {"email": "bob@example.com", "password": PASSWORD}).location == link
    assert "comes along" in bob.get(link).text
    assert bob.post(link).location == PAGE
    owned.browser(owned.alice).get(f"/certificates/{own.id}")
    bob.get(link, 404)


def test_an_invitation_is_for_one_address(owned: Shop) -> None:
    link = invite(owned, "carol@example.com")
    bob = owned.browser(owned.bob)
    assert "for another account" in bob.get(link).text
    bob.post(link, status=404)
    assert now_of(owned, owned.bob).organisation_id is None


def test_who_belongs_to_another_organisation_is_told_what_to_do(owned: Shop) -> None:
    found(owned, owned.bob, "Another")
    link = invite(owned, "bob@example.com")
    bob = owned.browser(owned.bob)
    assert "You belong to an organisation already" in bob.get(link).text
    assert "belongs to an organisation already" in bob.post(link, status=400).text
    # Nothing was used up: he leaves the other one and accepts.
    bob.post(f"{PAGE}/leave")
    bob.post(link)


def test_a_link_runs_out_is_replaced_and_is_withdrawn(owned: Shop) -> None:
    first = invite(owned, "bob@example.com")
    second = invite(owned, "bob@example.com")
    bob = owned.browser(owned.bob)
    bob.get(first, 404)
    bob.get(second)
    with owned.database.reading() as session:
        key = session.exec(select(Invitation.id).where(Invitation.settled_at.is_(None))).one()
    owned.browser(owned.alice).post(f"{PAGE}/invitations/{key}/withdraw")
    bob.get(second, 404)
    owned.browser(owned.alice).post(f"{PAGE}/invitations/{key}/withdraw", status=404)
    third = invite(owned, "bob@example.com")
    owned.clock.advance(days=7, microseconds=-1)
    bob = owned.browser(owned.bob)
    bob.get(third)
    owned.clock.advance(microseconds=1)
    bob.get(third, 404)


def test_a_link_that_was_made_up_or_is_for_something_else_opens_nothing(owned: Shop) -> None:
    link = invite(owned, "bob@example.com")
    with owned.database.reading() as session:
        key = session.exec(select(Invitation.id)).one()
    for token in (
        "nonsense",
        link.rpartition("/")[2][:-1],
        OneTimeLinks("another secret").token(NoteKind.INVITATION, key),
        OneTimeLinks(owned.settings.secret_key).token(NoteKind.REGISTRATION, key),
    ):
        owned.browser(owned.bob).get(f"/invitation/{token}", 404)


def test_what_was_settled_at_the_same_time_is_not_accepted(owned: Shop) -> None:
    invite(owned, "bob@example.com")
    with owned.database.reading() as session:
        invited = invitations.open_invitation(session, session.exec(select(Invitation.id)).one(), owned.clock())
    act(owned, invitations.withdraw, now_of(owned, owned.alice), invited.invitation.id)
    with pytest.raises(NotFound):
        act(owned, lambda session, who, by, now: invitations.accept(session, invited, who, by, now), owned.bob)
    assert now_of(owned, owned.bob).organisation_id is None


def test_who_can_be_invited_and_how_often(owned: Shop) -> None:
    alice = owned.browser(owned.alice)
    for wrong in ("", "nobody", "a@b", "two words@example.com", "a@example.com\r\nBcc: b@example.com", "a" * 300):
        alice.post(f"{PAGE}/invitations", {"email": wrong}, 422)
    assert (
        "belongs to the organisation already"
        in alice.post(f"{PAGE}/invitations", {"email": "alice@example.com"}, 400).text
    )
    owned.browser(owned.bob).post(f"{PAGE}/invitations", {"email": "x@example.com"}, 409)
    # The tries that were refused count like the others.
    for number in range(9):
        alice.post(f"{PAGE}/invitations", {"email": f"n{number}@example.com"})
    assert "too many tries" in alice.post(f"{PAGE}/invitations", {"email": "late@example.com"}, 429).text


def test_an_organisation_has_only_so_many_open_invitations(owned: Shop) -> None:
    organisation = now_of(owned, owned.alice).organisation_id or ""
    until = owned.clock() + timedelta(days=1)
    with owned.database.writing() as session:
        for number in range(MOST):
            session.add(
                Invitation(
                    organisation_id=organisation,
                    email=f"n{number}@example.com",
                    invited_by=owned.alice.id,
                    created_at=owned.clock(),
                    expires_at=until,
                )
            )
    with pytest.raises(DeskError, match="which is the most"):
        act(
            owned,
            lambda session, who, by, now: invitations.invite(
                session, who, "one-more@example.com", by, now, language="en", mail_domain="example.com"
            ),
            now_of(owned, owned.alice),
        )


def test_a_mail_whose_link_no_longer_counts_is_not_sent(owned: Shop) -> None:
    owned.browser(owned.alice).post(f"{PAGE}/invitations", {"email": "bob@example.com"})
    with owned.database.reading() as session:
        key = session.exec(select(Invitation.id)).one()
    owned.browser(owned.alice).post(f"{PAGE}/invitations/{key}/withdraw")
    assert post(owned) == []
    with owned.database.reading() as session:
        assert session.exec(select(Note)).one().status == MailStatus.SUPPRESSED


def test_a_mail_that_cannot_leave_now_is_tried_again(owned: Shop) -> None:
    folder = owned.settings.data_dir / "mail"
    folder.parent.mkdir(parents=True, exist_ok=True)
    owned.browser(owned.alice).post(f"{PAGE}/invitations", {"email": "bob@example.com"})
    with owned.database.reading() as session:
        note = session.exec(select(Note)).one()
    # A folder in the way of the half-written file: the disk's way of saying no.
    (folder / f"{note.id}.eml" / "x").mkdir(parents=True)
    open_office(owned.parts, owned.settings.mail).work()
    with owned.database.reading() as session:
        waits = session.exec(select(Note)).one()
    assert (waits.status, waits.attempts, waits.due_at) == (
        MailStatus.DUE,
        1,
        owned.clock() + timedelta(minutes=1),
    )
    (folder / f"{note.id}.eml" / "x").rmdir()
    (folder / f"{note.id}.eml").rmdir()
    owned.clock.advance(minutes=1)
    (message,) = post(owned)
    assert link_in(message).startswith("/invitation/")


def test_members_of_an_organisation_can_be_reviewers(owned: Shop) -> None:
    link = invite(owned, "rita@example.com")
    rita = owned.browser(owned.rita)
    rita.post(link)
    assert now_of(owned, owned.rita).role == Role.REVIEWER
    assert "Rita" in owned.browser(owned.alice).get(PAGE).text
    join_again = owned.rita
    with pytest.raises(DeskError):
        join(owned, found(owned, owned.bob, "Another"), join_again)
