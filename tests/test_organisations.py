"""Organisations: members share certificates, owners decide who belongs, and who has left sees nothing any more."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from job_support import work
from organisation_support import act, by, found, join, now_of
from shop import Shop
from sqlmodel import select

from certlifecycle import Event, EventRefused, Money, RevocationReason, State
from webapp.accounts.models import Account
from webapp.audit.models import AuditEvent
from webapp.certificates.models import Certificate, Channel, Purchase
from webapp.columns import new_id
from webapp.desk import By
from webapp.errors import DeskError, Forbidden, NotFound
from webapp.jobs.exports import start_export
from webapp.organisations import members
from webapp.organisations.models import Organisation
from webapp.payments.ledger import balance, wallet
from webapp.recording import Application
from webapp.refunds.models import RefundReason

PAGE = "/account/organisation"


def organisation_with(shop: Shop, owner: Account, *people: Account, owners: bool = False) -> Organisation:
    organisation = found(shop, owner)
    join(shop, organisation, *people, is_owner=owners)
    return organisation


def audited(shop: Shop) -> list[str]:
    with shop.database.reading() as session:
        return [row.kind for row in session.exec(select(AuditEvent).order_by(AuditEvent.id)).all()]


# What members share


def test_members_see_and_do_what_the_others_can(shop: Shop) -> None:
    before = shop.certificate_in(State.ISSUED, domain="before.example.com")
    bobs = shop.certificate_in(State.REJECTED, owner=shop.bob, domain="bobs.example.com")
    stranger = shop.certificate_in(State.PENDING, owner=shop.account("carol", shop.bob.role), domain="x.example.org")
    organisation_with(shop, shop.alice, shop.bob)
    after = shop.certificate_in(State.PENDING, owner=now_of(shop, shop.alice), domain="after.example.com")
    shop.certificate_in(State.REFUND_REQUESTED, owner=now_of(shop, shop.alice), domain="money.example.com")
    browsers = [shop.browser(shop.alice), shop.browser(shop.bob)]
    for browser in browsers:
        lists = browser.get("/certificates").text + browser.get("/certificates?tab=signed").text
        for domain in ("before.example.com", "after.example.com", "money.example.com", "bobs.example.com"):
            assert domain in lists, domain
        assert "x.example.org" not in lists
        refunds = browser.get("/refunds").text
        assert "money.example.com" in refunds
        assert "bobs.example.com" in refunds
        home = browser.get("/").text
        assert "after.example.com" in home
        assert browser.get(f"/certificates/{before.id}").status == 200
        browser.get(f"/certificates/{stranger.id}", 404)
        browser.get(f"/refunds/{shop.refund_of(bobs).id}")
    # The page says whom the mails go to, now that it need not be the reader.
    assert "Contact" in browsers[1].get(f"/certificates/{before.id}").text
    # The list judges by what its rows say, the page of one by all that is known of it.
    chosen = {"event": "request_refund", "tab": "unsigned", "chosen": [f"{after.id}:{after.version}"]}
    assert "somebody else" not in browsers[1].post("/certificates/many", chosen, 200).text
    shop.fire(before, Event.REVOKE, actor=now_of(shop, shop.bob))
    assert shop.get(before.id).state == State.REVOKING
    shop.fire(after, Event.REQUEST_REFUND, actor=now_of(shop, shop.bob))
    assert shop.get(after.id).state == State.REFUND_REQUESTED


def test_a_member_reads_on_whose_balance_the_money_is(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUNDED, domain="money.example.com")
    organisation_with(shop, shop.alice, shop.bob)
    url = f"/refunds/{shop.refund_of(certificate).id}"
    assert "The money is on the balance of the member who paid." in shop.browser(shop.bob).get(url).words
    own = shop.browser(shop.alice).get(url).words
    assert "The money is on your balance in this shop." in own


def test_an_export_has_what_its_reader_sees_and_goes_nowhere_with_who_leaves(shop: Shop) -> None:
    shop.certificate_in(State.PENDING, domain="before.example.com")
    organisation_with(shop, shop.alice, shop.bob)
    job = start_export(shop.parts.jobs, by(now_of(shop, shop.bob)), "certificates")
    work(shop, job)
    bob = shop.browser(shop.bob)
    assert b"before.example.com" in bob.client.get(f"/jobs/{job}/file").data
    begun = start_export(shop.parts.jobs, by(now_of(shop, shop.bob)), "certificates")
    act(shop, members.remove, now_of(shop, shop.alice), shop.bob.id)
    bob.get(f"/jobs/{job}/file", 403)
    work(shop, begun)
    assert "you no longer belong to the organisation" in bob.get(f"/jobs/{begun}").text


def test_a_refund_goes_to_whoever_paid_also_when_a_colleague_applied(shop: Shop) -> None:
    organisation_with(shop, shop.alice, shop.bob)
    certificate = shop.order(now_of(shop, shop.alice))
    shop.fire(certificate, Event.REQUEST_REFUND, actor=now_of(shop, shop.bob))
    act(shop, members.set_owner, now_of(shop, shop.alice), shop.bob.id, is_owner=True)
    act(shop, members.remove, now_of(shop, shop.bob), shop.alice.id)
    # Bob looks after it now, and gets the mails; the money is still Alice's.
    assert shop.get(certificate.id).customer_id == shop.bob.id
    assert shop.refund_of(certificate).customer_id == shop.alice.id
    page = shop.browser(shop.bob).get(f"/refunds/{shop.refund_of(certificate).id}").text
    assert "the balance of the member who paid" in page
    assert "your balance" not in page
    shop.fire(shop.get(certificate.id), Event.APPROVE_REFUND, actor=shop.rita)
    shop.run_due(certificate.id)
    assert shop.get(certificate.id).state == State.REFUNDED
    with shop.database.reading() as session:
        assert balance(session, wallet(shop.alice.id), "CNY") == Money(26800, "CNY")
        assert balance(session, wallet(shop.bob.id), "CNY") == Money(0, "CNY")


def test_whoever_is_removed_sees_nothing_from_then_on(shop: Shop) -> None:
    organisation_with(shop, shop.alice, shop.bob)
    certificate = shop.certificate_in(State.ISSUED, owner=now_of(shop, shop.bob), domain="www.example.com")
    bob = shop.browser(shop.bob)
    bob.get(f"/certificates/{certificate.id}")
    act(shop, members.remove, now_of(shop, shop.alice), shop.bob.id)
    bob.get(f"/certificates/{certificate.id}", 404)
    bob.get(f"/certificates/{certificate.id}/certificate.pem", 404)
    bob.post(f"/certificates/{certificate.id}/revoke", {"reason": "superseded", "version": certificate.version}, 404)
    assert "www.example.com" not in bob.get("/certificates?tab=signed").text
    # Not even by a request that was under way: the door asks who belongs where, at that instant.
    late = By(replace(shop.bob.actor, organisation_id=certificate.holder_id), Channel.WEB)
    with pytest.raises(EventRefused, match="belongs to somebody else"):
        shop.desk.fire(certificate.id, Event.REVOKE, late, reason=RevocationReason.SUPERSEDED)
    # What he buys from now on is his own.
    own = shop.order(now_of(shop, shop.bob), domain="own.example.net")
    assert own.holder_id == shop.bob.id
    shop.browser(shop.alice).get(f"/certificates/{own.id}", 404)


# Who decides


def test_only_owners_decide_who_belongs(shop: Shop) -> None:
    organisation_with(shop, shop.alice, shop.bob)
    carol = shop.account("carol", shop.bob.role)
    bob = now_of(shop, shop.bob)
    for deed in (
        lambda: act(shop, members.remove, bob, shop.alice.id),
        lambda: act(shop, members.set_owner, bob, shop.bob.id, is_owner=True),
        lambda: act(shop, members.rename, bob, "Mine"),
    ):
        with pytest.raises(Forbidden):
            deed()
    with pytest.raises(members.NoMember):
        act(shop, members.remove, carol, shop.bob.id)
    alice = now_of(shop, shop.alice)
    with pytest.raises(NotFound):
        act(shop, members.remove, alice, carol.id)
    with pytest.raises(DeskError, match="Nobody removes themselves"):
        act(shop, members.remove, alice, alice.id)
    with pytest.raises(DeskError, match="needs an owner"):
        act(shop, members.set_owner, alice, alice.id, is_owner=False)
    page = shop.browser(bob).get(PAGE).text
    assert "Invite somebody" not in page
    assert "Remove" not in page


def test_the_only_owner_stays_until_another_is_there_and_the_last_member_closes(shop: Shop) -> None:
    certificate = shop.certificate_in(State.REFUND_REQUESTED)
    organisation = organisation_with(shop, shop.alice, shop.bob)
    with pytest.raises(DeskError, match="only owner"):
        act(shop, members.leave, now_of(shop, shop.alice))
    act(shop, members.set_owner, now_of(shop, shop.alice), shop.bob.id, is_owner=True)
    act(shop, members.leave, now_of(shop, shop.alice))
    assert shop.get(certificate.id).customer_id == shop.bob.id
    assert shop.get(certificate.id).holder_id == organisation.id
    act(shop, members.leave, now_of(shop, shop.bob))
    assert shop.find(Organisation, organisation.id).closed_at == shop.clock()
    assert shop.get(certificate.id).holder_id == shop.refund_of(certificate).holder_id == shop.bob.id
    assert shop.browser(shop.bob).get(f"/certificates/{certificate.id}").status == 200
    with pytest.raises(members.NoMember):
        act(shop, members.leave, now_of(shop, shop.bob))
    assert (
        audited(shop)[-5:]
        == [
            "organisation_founded",
            "member_joined",
            "member_joined",
            "owner_made",
            "member_left",
            "organisation_closed",
        ][-5:]
    )


def test_an_account_belongs_to_one_organisation(shop: Shop) -> None:
    organisation_with(shop, shop.alice)
    with pytest.raises(DeskError, match="belongs to an organisation already"):
        found(shop, shop.alice, "Another")
    with shop.database.reading() as session:
        assert len(session.exec(select(Organisation)).all()) == 1


def test_the_pages_of_an_owner(shop: Shop) -> None:
    alice = shop.browser(shop.alice)
    assert "Found an organisation" in alice.get(PAGE).text
    alice.post(PAGE, {"name": " "}, 422)
    alice.post(PAGE, {"name": "Example  Limited"})
    with shop.database.reading() as session:
        organisation = session.exec(select(Organisation)).one()
    assert organisation.name == "Example Limited"
    join(shop, organisation, shop.bob)
    key = shop.bob.id
    page = alice.get(PAGE).text
    assert "bob@example.com" in page
    alice.post(f"{PAGE}/name", {"name": ""}, 422)
    alice.post(f"{PAGE}/name", {"name": "Example Union"})
    assert "Example Union" in alice.get(PAGE).text
    assert "Make Bob an owner" in alice.get(f"{PAGE}/members/{key}/owner").text
    alice.post(f"{PAGE}/members/{key}/owner")
    assert now_of(shop, shop.bob).is_owner
    alice.post(f"{PAGE}/members/{key}/member")
    assert not now_of(shop, shop.bob).is_owner
    assert "You are the only owner" in alice.get(f"{PAGE}/leave").text
    alice.post(f"{PAGE}/leave", status=400)
    assert "Mails about it come to you" in alice.get(f"{PAGE}/members/{key}/remove").text
    alice.post(f"{PAGE}/members/{key}/remove")
    alice.get(f"{PAGE}/members/{key}/remove", 404)
    alice.post(f"{PAGE}/members/{key}/remove", status=404)
    assert now_of(shop, shop.bob).organisation_id is None
    shop.browser(shop.bob).get(f"{PAGE}/leave", 409)
    assert "closed" in alice.get(f"{PAGE}/leave").text
    alice.post(f"{PAGE}/leave")
    assert "Found an organisation" in alice.get(PAGE).text


# Deciding on one's own organisation's


def test_a_reviewer_decides_on_nothing_of_their_own_organisation(shop: Shop) -> None:
    organisation_with(shop, shop.alice, shop.rita, shop.ada)
    refund = shop.certificate_in(State.PENDING, owner=now_of(shop, shop.alice))
    shop.fire(refund, Event.REQUEST_REFUND, actor=now_of(shop, shop.alice))
    submitted = shop.order(now_of(shop, shop.alice), domain="ov.example.com", product="ov")
    shop.fire(submitted, Event.SUBMIT)
    said = "Nobody decides on what belongs to their own organisation."
    for insider in (shop.rita, shop.ada):
        browser = shop.browser(insider)
        for certificate, verb in ((refund, "approve"), (submitted, "verify")):
            page = browser.get(f"/review/{certificate.id}").text
            assert said in page
            version = shop.get(certificate.id).version
            answer = browser.post(f"/review/{certificate.id}/{verb}", {"version": version}, status=409)
            assert said in answer.text
        assert shop.get(refund.id).state == State.REFUND_REQUESTED
        assert shop.get(submitted.id).state == State.SUBMITTED
    shop.fire(shop.get(refund.id), Event.APPROVE_REFUND, actor=shop.robin)
    assert shop.get(refund.id).state == State.REFUND_APPROVED


# Races


def test_a_removal_waits_for_an_act_that_is_under_way(any_shop: Shop) -> None:
    shop = any_shop
    organisation_with(shop, shop.alice, shop.bob)
    certificate = shop.order(now_of(shop, shop.alice))
    under_way, go_on, removed = threading.Event(), threading.Event(), threading.Event()

    def hold(_session: Any, _after: Certificate) -> None:
        under_way.set()
        go_on.wait(30)

    def apply() -> Certificate:
        handed = Application(RefundReason.NOT_NEEDED)
        who = by(now_of(shop, shop.bob))
        return shop.desk.fire(certificate.id, Event.REQUEST_REFUND, who, reason="Not needed.", handed=handed, also=hold)

    def remove() -> None:
        under_way.wait(30)
        act(shop, members.remove, now_of(shop, shop.alice), shop.bob.id)
        removed.set()

    with ThreadPoolExecutor(2) as pool:
        acting, removing = pool.submit(apply), pool.submit(remove)
        assert under_way.wait(30)
        assert not removed.wait(0.5), "the act that was under way was overtaken"
        go_on.set()
        assert acting.result(30).state == State.REFUND_REQUESTED
        removing.result(30)
    assert shop.refund_of(certificate).applicant_id == shop.bob.id
    assert now_of(shop, shop.bob).organisation_id is None


def test_what_is_bought_while_its_buyer_joins_is_shared_too(any_shop: Shop) -> None:
    shop = any_shop
    organisation = organisation_with(shop, shop.alice)
    bought, go_on = threading.Event(), threading.Event()
    key = new_id()

    def buy() -> str:
        purchase = Purchase(
            id=key,
            number="N-1",
            customer_id=shop.bob.id,
            product="dv",
            product_name="DV certificate",
            validity_days=200,
            amount_minor=26800,
            currency="CNY",
            payment_method="balance",
            payment_reference="N-1",
            paid_at=shop.clock(),
            created_at=shop.clock(),
        )
        with shop.database.writing() as session:
            made = shop.desk.open_order(session, purchase, "www.example.com", ["www.example.com"], by(shop.bob))
            bought.set()
            go_on.wait(30)
        return made.id

    def come() -> None:
        bought.wait(30)
        join(shop, organisation, shop.bob)

    with ThreadPoolExecutor(2) as pool:
        buying, coming = pool.submit(buy), pool.submit(come)
        assert bought.wait(30)
        with suppress(TimeoutError):
            coming.result(0.5)
        go_on.set()
        certificate = shop.get(buying.result(30))
        coming.result(30)
    assert shop.get(certificate.id).holder_id == organisation.id


def test_two_owners_who_remove_each_other_leave_one(any_shop: Shop) -> None:
    shop = any_shop
    alice, bob = shop.alice, shop.bob
    organisation = organisation_with(shop, alice, bob, owners=True)
    for _round in range(4):
        barrier = threading.Barrier(2)

        def remove(one: Account, other: Account, barrier: threading.Barrier = barrier) -> str:
            barrier.wait(30)
            try:
                act(shop, members.remove, one, other.id)
            except DeskError:
                return "refused"
            return "removed"

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(remove, (alice, bob), (bob, alice)))
        assert sorted(answers) == ["refused", "removed"]
        with shop.database.reading() as session:
            left = members.members_of(session, organisation.id)
        assert len(left) == 1
        assert left[0].is_owner
        join(shop, organisation, *(one for one in (alice, bob) if one.id != left[0].id), is_owner=True)


# The table


def test_a_version_that_knows_no_holders_goes_on_adding_rows(any_shop: Shop) -> None:
    shop = any_shop
    organisation = organisation_with(shop, shop.alice)
    for owner, holder in ((now_of(shop, shop.alice), organisation.id), (shop.bob, shop.bob.id)):
        known = shop.order(owner)
        columns = {
            name: getattr(known, name)
            for name in Certificate.model_fields
            if name not in ("id", "purchase_id", "holder_id")
        }
        purchase = shop.find(Purchase, known.purchase_id)
        other = {name: getattr(purchase, name) for name in Purchase.model_fields} | {"id": new_id(), "number": new_id()}
        key = new_id()
        with shop.database.writing() as session:
            session.execute(sa.insert(Purchase).values(**other))
            session.execute(sa.insert(Certificate).values(**columns, id=key, purchase_id=other["id"]))
        assert shop.get(key).holder_id == holder
