"""Who may reach what: one rule for every endpoint of the console, declared apart from the code that enforces it.

A rule says who reaches the view, and of what thing the address names the key. :data:`SEEN_BY` says who sees each thing;
for everybody else it must look exactly as if it did not exist.
"""

from typing import NamedTuple

ANYBODY = frozenset({"anonymous", "owner", "stranger", "reviewer", "admin"})
SIGNED_IN = ANYBODY - {"anonymous"}
CUSTOMERS = frozenset({"owner", "stranger"})
REVIEWERS = frozenset({"reviewer", "admin"})
ADMINS = frozenset({"admin"})


class Rule(NamedTuple):
    """Who reaches a view. ``form`` is whether what changes something there must bring the form's secret."""

    who: frozenset[str]
    thing: str = ""
    form: bool = True


OPEN = Rule(ANYBODY)
MACHINES = Rule(ANYBODY, form=False)
PEOPLE = Rule(SIGNED_IN)
BUYERS = Rule(CUSTOMERS)
DECIDERS = Rule(REVIEWERS)
KEEPERS = Rule(ADMINS)


def about(rule: Rule, thing: str) -> Rule:
    """The rule for an address that names a thing."""
    return rule._replace(thing=thing)


SEEN_BY = {
    "certificate": frozenset({"owner", "reviewer", "admin"}),
    "awaited": frozenset({"owner", "reviewer", "admin"}),
    "refund": frozenset({"owner", "reviewer", "admin"}),
    "job": frozenset({"owner", "admin"}),
    "search": frozenset({"owner"}),
    "passkey": frozenset({"owner"}),
    "session": frozenset({"owner"}),
    "invitation": frozenset({"owner"}),
    "member": frozenset({"owner"}),
    # Things of the shop, which all who reach the view at all may see.
    "mail": ADMINS,
    "work": ADMINS,
    "batch": ADMINS,
    "report": ADMINS,
    "comparison": ADMINS,
    "reason": ADMINS,
    "person": ADMINS,
}
"""Who sees what of the owner's, and of the shop's."""

RULES: dict[str, Rule] = {
    # What needs no sign-in
    "static": OPEN,
    "health": OPEN,
    "favicon": OPEN,
    "csrf_for_tests": OPEN,
    "styleguide.styleguide": OPEN,
    "accounts.sign_in": OPEN,
    "accounts.sign_in_post": OPEN,
    "recovery.ask": OPEN,
    "recovery.ask_post": OPEN,
    "recovery.choose": OPEN,
    "recovery.choose_post": OPEN,
    "provider.begin": OPEN,
    "provider.come_back": OPEN,
    "preferences.choose_language": OPEN,
    "help.first_page": OPEN,
    "help.page": OPEN,
    "help.picture": OPEN,
    "unsubscribing.unsubscribe": OPEN,
    "unsubscribing.unsubscribe_post": MACHINES,
    "notifications.from_alipay": MACHINES,
    "ca.issuing_certificate": OPEN,
    "ca.issuing_crl": OPEN,
    "ca.ocsp_by_get": OPEN,
    "ca.ocsp_by_post": MACHINES,
    "ca.root_certificate": OPEN,
    "ca.root_certificate_pem": OPEN,
    "ca.root_crl": OPEN,
    # Everybody's own
    "home": PEOPLE,
    "accounts.sign_out": PEOPLE,
    "preferences.preferences": PEOPLE,
    "preferences.preferences_post": PEOPLE,
    "accounts.code": PEOPLE,
    "accounts.code_post": PEOPLE,
    "privacy.overview": PEOPLE,
    "privacy.export_post": PEOPLE,
    "privacy.delete": BUYERS,
    "privacy.delete_post": BUYERS,
    "security.overview": PEOPLE,
    "security.password": PEOPLE,
    "security.password_post": PEOPLE,
    "security.sign_out_everywhere": PEOPLE,
    "open_sessions.end": about(PEOPLE, "session"),
    "open_sessions.end_post": about(PEOPLE, "session"),
    "provider.link": PEOPLE,
    "provider.link_post": PEOPLE,
    "provider.unlink": PEOPLE,
    "provider.unlink_post": PEOPLE,
    "factors.set_up": PEOPLE,
    "factors.set_up_post": PEOPLE,
    "factors.remove": PEOPLE,
    "factors.remove_post": PEOPLE,
    "factors.codes": PEOPLE,
    "factors.codes_post": PEOPLE,
    "passkeys.sign_in": OPEN,
    "passkeys.sign_in_options": OPEN,
    "passkeys.add": PEOPLE,
    "passkeys.add_post": PEOPLE,
    "passkeys.add_options": PEOPLE,
    "passkeys.remove": about(PEOPLE, "passkey"),
    "passkeys.remove_post": about(PEOPLE, "passkey"),
    "mail.preferences": PEOPLE,
    "mail.preferences_post": PEOPLE,
    "organisation.overview": PEOPLE,
    "organisation.found": PEOPLE,
    "organisation.rename": PEOPLE,
    "organisation.invite": PEOPLE,
    "organisation.withdraw": about(PEOPLE, "invitation"),
    "organisation.remove": about(PEOPLE, "member"),
    "organisation.remove_post": about(PEOPLE, "member"),
    "organisation.make_owner": about(PEOPLE, "member"),
    "organisation.make_owner_post": about(PEOPLE, "member"),
    "organisation.make_member": about(PEOPLE, "member"),
    "organisation.leave": PEOPLE,
    "organisation.leave_post": PEOPLE,
    "coming.invitation": OPEN,
    "coming.invitation_post": OPEN,
    "coming.register": OPEN,
    "coming.register_post": OPEN,
    "coming.confirm": OPEN,
    "coming.confirm_post": OPEN,
    "glossary.states": PEOPLE,
    "live.renew_ticket": PEOPLE,
    # Certificates
    "certificates.list_certificates": PEOPLE,
    "certificates.saved.save": PEOPLE,
    "certificates.saved.delete": about(PEOPLE, "search"),
    "certificates.details": about(PEOPLE, "certificate"),
    "certificates.row": about(PEOPLE, "certificate"),
    "certificates.leaf": about(PEOPLE, "certificate"),
    "certificates.chain": about(PEOPLE, "certificate"),
    "certificates.check_now": about(PEOPLE, "certificate"),
    "certificates.revoke": about(PEOPLE, "certificate"),
    "certificates.revoke_post": about(PEOPLE, "certificate"),
    "certificates.submit": about(BUYERS, "certificate"),
    "certificates.submit_post": about(BUYERS, "certificate"),
    "certificates.withdraw_submission": about(BUYERS, "certificate"),
    "certificates.many.preview": BUYERS,
    "certificates.many.carry_out": BUYERS,
    "demo.publish": about(PEOPLE, "awaited"),
    # Ordering and refunds
    "ordering.price_list": BUYERS,
    "ordering.order": BUYERS,
    "ordering.order_post": BUYERS,
    "ordering.check": BUYERS,
    "refunds.list_refunds": BUYERS,
    "refunds.apply": about(BUYERS, "certificate"),
    "refunds.apply_post": about(BUYERS, "certificate"),
    "refunds.check": about(BUYERS, "certificate"),
    "refunds.details": about(PEOPLE, "refund"),
    "refunds.receipt": about(PEOPLE, "refund"),
    "refunds.keep": about(BUYERS, "refund"),
    "refunds.withdraw": about(BUYERS, "refund"),
    # Jobs
    "jobs.list_jobs": PEOPLE,
    "jobs.under_way": PEOPLE,
    "jobs.export": PEOPLE,
    "jobs.export_table": PEOPLE,
    "jobs.export_table_post": PEOPLE,
    "jobs.details": about(PEOPLE, "job"),
    "jobs.file": about(PEOPLE, "job"),
    "jobs.stop": about(PEOPLE, "job"),
    "jobs.import_orders": KEEPERS,
    "jobs.import_orders_post": KEEPERS,
    "jobs.import_template": KEEPERS,
    # Reviewing
    "live.navigation": DECIDERS,
    "figures.page": DECIDERS,
    "figures.table": DECIDERS,
    "review.queue": DECIDERS,
    "review.next_case": DECIDERS,
    "review.check_many": DECIDERS,
    "review.decide_many": DECIDERS,
    "review.item": about(DECIDERS, "certificate"),
    "review.asked": about(DECIDERS, "certificate"),
    "review.decision": about(DECIDERS, "certificate"),
    "review.evidence": about(DECIDERS, "certificate"),
    "review.news": about(DECIDERS, "certificate"),
    "review.look": about(DECIDERS, "certificate"),
    "review.leave": about(DECIDERS, "certificate"),
    "review.claim": about(DECIDERS, "certificate"),
    "review.claim_now": about(DECIDERS, "certificate"),
    "review.release": about(DECIDERS, "certificate"),
    "review.take_over": about(DECIDERS, "certificate"),
    "review.add_note": about(DECIDERS, "certificate"),
    "review.notes_now": about(DECIDERS, "certificate"),
    "review.approve": about(DECIDERS, "certificate"),
    "review.verify": about(DECIDERS, "certificate"),
    "review.fail": about(DECIDERS, "certificate"),
    "review.fail_text": about(DECIDERS, "certificate"),
    "review.reject": about(DECIDERS, "certificate"),
    "review.reject_text": about(DECIDERS, "certificate"),
    "goodwill.look": about(DECIDERS, "certificate"),
    "goodwill.propose_post": about(DECIDERS, "certificate"),
    "goodwill.agree_post": about(DECIDERS, "certificate"),
    "goodwill.decline_post": about(DECIDERS, "certificate"),
    "review.list_reasons": KEEPERS,
    "review.add_reason": KEEPERS,
    "review.change_reason": about(KEEPERS, "reason"),
    "review.restore_reason": about(KEEPERS, "reason"),
    "review.retire_reason": about(KEEPERS, "reason"),
    # What the shop owes and pays
    "audit.trail": KEEPERS,
    "audit.export": KEEPERS,
    "people.overview": KEEPERS,
    "people.person": about(KEEPERS, "person"),
    "people.change": about(KEEPERS, "person"),
    "people.lost": about(KEEPERS, "person"),
    "people.take_off": about(KEEPERS, "person"),
    "outbox.outbox": KEEPERS,
    "outbox.retry_all": KEEPERS,
    "outbox.retry_mail": about(KEEPERS, "mail"),
    "outbox.drop_mail": about(KEEPERS, "mail"),
    "outbox.retry_work": about(KEEPERS, "work"),
    "development.mails": KEEPERS,
    "development.mail": about(KEEPERS, "mail"),
    "development.file": about(KEEPERS, "mail"),
    "payments.overview": KEEPERS,
    "payments.notifications": KEEPERS,
    "payments.bank.overview": KEEPERS,
    "payments.bank.make_files": KEEPERS,
    "payments.bank.take_in": KEEPERS,
    "payments.bank.download": about(KEEPERS, "batch"),
    "payments.bank.report": about(KEEPERS, "report"),
    "payments.books.days": KEEPERS,
    "payments.books.ask": KEEPERS,
    "payments.books.comparison": about(KEEPERS, "comparison"),
    "payments.books.again": about(KEEPERS, "comparison"),
    "payments.books.file": about(KEEPERS, "comparison"),
}
