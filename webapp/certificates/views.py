"""Certificates: the list, one with everything about it, and what can be done with it."""

from flask import Blueprint, Response, flash, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from certlifecycle import Event, EventRefused, judge, possible
from webapp.access import account, by, customers_only, is_repeated, parts
from webapp.audit.models import AuditKind
from webapp.audit.record import record
from webapp.authorities.port import REASON_SENTENCES
from webapp.certificates import listing, many_views, present, saved_views
from webapp.certificates.forms import RevocationForm, SavedSearchForm, SubmissionForm
from webapp.certificates.names import display_name
from webapp.certificates.queries import certificate_file, list_page, listed, showing_of
from webapp.certificates.saved import saved_by
from webapp.certificates.search import Search
from webapp.desk import File
from webapp.error_pages import tell_rows
from webapp.errors import DeskError, NotFound, Superseded
from webapp.forms import VersionForm
from webapp.glossary import words as glossary
from webapp.htmx import go_to, live_page, replaces_more, tagged
from webapp.payments.destination import destination
from webapp.recording import Submission
from webapp.wording import _

blueprint = Blueprint("certificates", __name__, url_prefix="/certificates")
blueprint.register_blueprint(many_views.blueprint)
blueprint.register_blueprint(saved_views.blueprint)

Answer = str | tuple[str, int] | BaseResponse


# Looking


@blueprint.get("")
def list_certificates() -> BaseResponse:
    """A customer's certificates, or all of them for a reviewer."""
    desk, search = parts().desk, Search.read(request.args)
    now = desk.clock()
    with parts().database.reading() as session:
        page = list_page(session, search, account(), now, desk.policy)
        kept = saved_by(session, account())
    view = listing.list_view(page, search, account(), now, desk.policy)
    saved = listing.saved_links(kept, view)
    return live_page("certificates/list.html", view=view, saved=saved, form=SavedSearchForm(formdata=None))


@blueprint.get("/<key:certificate_id>/row")
def row(certificate_id: str) -> BaseResponse:
    """One row of the list, as it is now."""
    desk = parts().desk
    with parts().database.reading() as session:
        found = listed(session, certificate_id, account())
    (shown,) = listing.rows([found], account(), desk.clock(), desk.policy)
    return tagged(render_template("certificates/_row.html", row=shown))


@blueprint.get("/<key:certificate_id>")
def details(certificate_id: str) -> BaseResponse:
    """One certificate: where it stands, what can be done, the facts, the history."""
    with parts().database.reading() as session:
        file = certificate_file(session, certificate_id, account())
        view = present.details(session, file, account())
    terms, now = glossary.of_a_certificate(), parts().desk.clock()
    page = live_page("certificates/details.html", view=view, terms=terms, now=now)
    if request.args.get("told") not in (None, view.control.key if view.control else None):
        # Something else has to be published than the reader's page tells, or nothing any more: it is shown anew.
        replaces_more(page, "#certificate")
    return page


@blueprint.get("/<key:certificate_id>/chain.pem")
def chain(certificate_id: str) -> Response:
    """The certificate and those of its issuers, as a server wants them (RFC 8555, section 9.1)."""
    domain, chain = _issued(certificate_id)
    _fetched(certificate_id, "chain")
    return _download(chain, f"{domain}.pem", "application/pem-certificate-chain")


@blueprint.get("/<key:certificate_id>/certificate.pem")
def leaf(certificate_id: str) -> Response:
    """The certificate alone, for those who keep the chain elsewhere (RFC 7468, section 5)."""
    domain, chain = _issued(certificate_id)
    _fetched(certificate_id, "certificate")
    end = chain.index(END) + len(END)
    return _download(chain[:end] + "\n", f"{domain}.certificate.pem", "application/x-pem-file")


END = "-----END CERTIFICATE-----"


def _issued(certificate_id: str) -> tuple[str, str]:
    """The name for a file and the chain, or word that there is none yet."""
    certificate = _file(certificate_id).certificate
    if certificate.chain_pem is None:
        raise NotFound(_("This certificate has not been issued."), _("Look at the certificate to see what comes next."))
    return certificate.domain.replace("*", "wildcard"), certificate.chain_pem


def _fetched(certificate_id: str, what: str) -> None:
    with parts().database.writing() as session:
        at = parts().desk.clock()
        record(session, AuditKind.CERTIFICATE_FETCHED, by(), at, subject=what, certificate_id=certificate_id)


def _download(text: str, name: str, mimetype: str) -> Response:
    response = Response(text, mimetype=mimetype)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


# Handing in


@blueprint.get("/<key:certificate_id>/submit")
@customers_only
def submit(certificate_id: str) -> Answer:
    """Ask for the CSR."""
    file = _file(certificate_id)
    return _ask_for_csr(file, _submission_form(file))


@blueprint.post("/<key:certificate_id>/submit")
@customers_only
def submit_post(certificate_id: str) -> Answer:
    """Show what was found in the CSR and, on the second time, hand it in."""
    file = _file(certificate_id)
    form = _submission_form(file)
    step = request.form.get("step")
    # Read in any case: what is shown again must have been seen to hold no private key.
    if not form.validate() or form.parsed is None:
        return _ask_for_csr(file, form), 422
    if step == "edit":
        return _ask_for_csr(file, form)
    if step != "send":
        _require(file, Event.SUBMIT)
        names = [(display_name(name), None, True) for name in file.certificate.names]
        return render_template("certificates/preview.html", file=file, form=form, names=names, **_named(file))
    handed = Submission(form.parsed.pem, form.parsed.key_description)
    try:
        parts().desk.fire(certificate_id, Event.SUBMIT, by(), handed=handed, version=form.version.data)
    except Superseded as late:
        if is_repeated(late, Event.SUBMIT):
            return go_to(_home(certificate_id))
        return _ask_for_csr(_file(certificate_id), form, tell_rows(late)), 409
    flash(_("Submitted. We check now that the domain is yours."), "success")
    return go_to(_home(certificate_id))


def _submission_form(file: File) -> SubmissionForm:
    settings = parts().settings
    return SubmissionForm(
        file.certificate.names,
        names_from_csr=settings.authorities.by_acme(file.purchase.product),
        least_rsa_bits=settings.smallest_rsa_key,
    )


def _ask_for_csr(file: File, form: SubmissionForm, news: str | None = None) -> str:
    _require(file, Event.SUBMIT)
    commands = present.csr_commands(file.certificate.names)
    return render_template(
        "certificates/submit.html", file=file, form=form, news=news, commands=commands, **_named(file)
    )


@blueprint.post("/<key:certificate_id>/withdraw-submission")
@customers_only
def withdraw_submission(certificate_id: str) -> Answer:
    """Take the CSR back, while nobody has decided about it."""
    _file(certificate_id)
    form = VersionForm()
    if not form.validate():
        raise DeskError(
            _("The button was not one of this page."), _("Go back, load the page again, and press it once more.")
        )
    try:
        parts().desk.fire(certificate_id, Event.WITHDRAW_SUBMISSION, by(), version=form.version.data)
    except Superseded as late:
        if not is_repeated(late, Event.WITHDRAW_SUBMISSION):
            raise
    else:
        flash(_("The submission is withdrawn. Submit it again, or apply for a refund."), "success")
    return go_to(_home(certificate_id))


@blueprint.post("/<key:certificate_id>/check-now")
def check_now(certificate_id: str) -> BaseResponse:
    """Look at the domain now rather than at the next turn; just after a look the next one has to wait."""
    with parts().database.reading() as session:
        file = certificate_file(session, certificate_id, account())
        showing = showing_of(session, file.certificate)
        control = present.domain_control(file, showing, parts().desk.clock())
    if control is not None and control.can_check_now and parts().desk.look_now(certificate_id):
        flash(_("We are looking now. What we see stands here in a moment."), "info")
    # Back to where the button was, not to the top of the page.
    return go_to(url_for("certificates.details", certificate_id=certificate_id, _anchor="domain-control"))


# Revoking


@blueprint.get("/<key:certificate_id>/revoke")
def revoke(certificate_id: str) -> Answer:
    """Say what a revocation means, also for the money, and ask for the reason and the domain."""
    file = _file(certificate_id)
    return _ask_for_reason(file, RevocationForm(file.certificate.domain))


@blueprint.post("/<key:certificate_id>/revoke")
def revoke_post(certificate_id: str) -> Answer:
    """Ask the certificate authority to revoke."""
    file = _file(certificate_id)
    form = RevocationForm(file.certificate.domain)
    if not form.validate():
        return _ask_for_reason(file, form), 422
    try:
        parts().desk.fire(certificate_id, Event.REVOKE, by(), reason=form.reason.data, version=form.version.data)
    except Superseded as late:
        if is_repeated(late, Event.REVOKE):
            return go_to(_home(certificate_id))
        return _ask_for_reason(_file(certificate_id), form, tell_rows(late)), 409
    flash(_("The certificate authority was asked to revoke it, and confirms in a moment."), "success")
    return go_to(_home(certificate_id))


def _ask_for_reason(file: File, form: RevocationForm, news: str | None = None) -> str:
    _require(file, Event.REVOKE)
    desk = parts().desk
    now = desk.clock()
    answer = present.after_revocation(file, now, desk.policy)
    to = destination(file.purchase, desk.payable)
    refund = present.refund_view(answer, to, account(), now, desk.policy, file.purchase.customer_id)
    return render_template(
        "certificates/revoke.html",
        file=file,
        form=form,
        news=news,
        refund=refund,
        notes={reason: _(meaning) for reason, meaning in REASON_SENTENCES.items()},
        **_named(file),
    )


# What these share


def _file(certificate_id: str) -> File:
    with parts().database.reading() as session:
        return certificate_file(session, certificate_id, account())


def _home(certificate_id: str) -> str:
    return url_for("certificates.details", certificate_id=certificate_id)


def _named(file: File) -> dict[str, object]:
    """How the certificate is called, and the way back to it."""
    return {"domain": display_name(file.certificate.domain), "home": _home(file.certificate.id)}


def _require(file: File, event: Event) -> None:
    """Show a form only to whoever could send it now; raises :class:`~certlifecycle.EventRefused`."""
    case = parts().desk.case(file, account().actor, parts().desk.clock())
    permission = judge(case, event)
    if not permission.offered:
        raise EventRefused(permission, possible(case))
