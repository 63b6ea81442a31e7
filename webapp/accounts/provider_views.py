"""Signing in through the organisation's own sign-in (OpenID Connect), linking an account to it, and unlinking."""

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from certlifecycle import REVIEWERS
from webapp.access import account, entrance, is_open, parts, public
from webapp.accounts import events, factors
from webapp.accounts.arriving import welcome
from webapp.accounts.forms import ConfirmForm, LinkForm, SignInForm
from webapp.accounts.identities import Why, identity_of, recognise
from webapp.accounts.identities import link as link_identity
from webapp.accounts.identities import unlink as unlink_identity
from webapp.accounts.limits import limits
from webapp.accounts.models import Act, ProviderVisit, Way
from webapp.accounts.oidc import Person, ProviderRefused, ProviderUnavailable
from webapp.accounts.passwords import NONE
from webapp.accounts.security import check
from webapp.accounts.settings import Entrance
from webapp.accounts.views import NO_SUCH_CODE, Refused, note_failure, sign_in_page, too_often, try_code
from webapp.accounts.visits import keep, leave, provider, visit_of
from webapp.forms import DeskForm
from webapp.htmx import go_to
from webapp.paths import own_path
from webapp.wording import _

blueprint = Blueprint("provider", __name__)

# Signing in


@blueprint.post("/sign-in/provider")
@public
@entrance(Entrance.OIDC)
def begin() -> Refused | Response:
    """Send a browser to the provider, when somebody has asked for it here: no page elsewhere can begin it by a link."""
    wanted = request.args.get("next", "")
    if g.account is not None:
        return redirect(own_path(wanted), 303)
    try:
        url, cookie = leave(None, wanted)
    except ProviderUnavailable:
        return _sign_in_page(_down(), wanted), 503
    return _leaving(url, cookie)


@blueprint.get("/sign-in/provider/return")
@public
@entrance(Entrance.OIDC)
def come_back() -> Refused | Response:
    """Let somebody in whom the provider vouches for, or link them."""
    state, address = request.args.get("state", ""), request.remote_addr or ""
    until = limits().begin(f"provider {state[:100]}", address)
    if until is not None:
        return too_often(SignInForm(), sign_in_page, until)
    visit = visit_of(state)
    if visit is None:
        limits().failed(address)
        return _sign_in_page(
            _("This sign-in is too old, was used before, or began in another browser. Begin again.")
        ), 422
    try:
        person = _person(visit)
    except ProviderUnavailable:
        return _stop(visit, _down(), 503)
    except ProviderRefused:
        limits().failed(address)
        note_failure(None, Way.PROVIDER)
        return _stop(visit, _("{name} did not vouch for you. Try again, or sign in another way.", name=_name()), 422)
    return _sign_in(visit, person) if visit.account_id is None else _finish_link(visit, person)


def _person(visit: ProviderVisit) -> Person:
    code, issuer = request.args.get("code"), request.args.get("iss")
    if not code:
        raise ProviderRefused(f"{request.args.get('error', 'there is no code')!r:.80}")
    return provider().finish(code, visit.nonce, visit.verifier, issuer)


def _sign_in(visit: ProviderVisit, person: Person) -> Refused | Response:
    desk = parts()
    with desk.database.writing() as writing:
        where = events.Where.of(request)
        arrival = recognise(writing, person, provider().settings, where, desk.desk.clock())
    if arrival.account is None:
        note_failure(None, Way.PROVIDER)
        return _sign_in_page(_words(arrival.why), visit.wanted), 403
    return welcome(arrival.account, Way.PROVIDER, complete=person.has_second_factor, wanted=visit.wanted)


def _leaving(url: str, cookie: str) -> Response:
    # Browsers let no form lead to another site where the page says so (CSP, form-action), not even by a redirect.
    response = make_response(render_template("accounts/leaving.html", url=url, name=_name()))
    response.headers["Refresh"] = f"0; url={url}"
    keep(response, cookie)
    return response


# Linking


@blueprint.get("/account/provider")
@entrance(Entrance.OIDC)
def link() -> str:
    """Ask whether it is really they who want to link their account."""
    return _link_page(_link_form())


@blueprint.post("/account/provider")
@entrance(Entrance.OIDC)
def link_post() -> Refused | Response:
    """Send somebody to the provider who has shown that the account is theirs."""
    form = _link_form()
    refused = check(form, _link_page) or _check_code(form)
    if refused is not None:
        return refused
    try:
        url, cookie = leave(account().id, "")
    except ProviderUnavailable:
        form.form_errors.append(_down())
        return _link_page(form), 503
    return _leaving(url, cookie)


@blueprint.get("/account/provider/remove")
@entrance(Entrance.OIDC)
def unlink() -> str:
    """Ask whether the link is really to go."""
    return _unlink_page(ConfirmForm())


@blueprint.post("/account/provider/remove")
@entrance(Entrance.OIDC)
def unlink_post() -> Refused | Response:
    """Let go of the link, where there is another way in."""
    desk, who, form = parts(), account(), ConfirmForm()
    refused = check(form, _unlink_page) or _check_needed(form)
    if refused is not None:
        return refused
    with desk.database.writing() as writing:
        if unlink_identity(writing, who.id, provider().settings):
            events.note(writing, who.id, Act.PROVIDER_UNLINKED, request, desk.desk.clock(), Way.PROVIDER)
    flash(_("The link is removed. {name} lets you in here no more.", name=_name()), "success")
    return go_to(url_for("security.overview"))


def _finish_link(visit: ProviderVisit, person: Person) -> Refused | Response:
    desk = parts()
    if g.account is None or g.account.id != visit.account_id:
        # Who is signed in is another one meanwhile, or nobody: nothing is linked to somebody who did not ask.
        return _stop(visit, _("You are no longer signed in as before. Sign in, and link it again."), 422)
    with desk.database.writing() as writing:
        where = events.Where.of(request)
        why = link_identity(writing, g.account, person, provider().settings, where, desk.desk.clock())
    if why is not None:
        flash(_words(why), "error")
    else:
        flash(_("It is linked. From now on you can sign in with {name}.", name=_name()), "success")
    return redirect(url_for("security.overview"), 303)


def _link_form() -> ConfirmForm:
    with parts().database.reading() as reading:
        has_app = factors.confirmed(reading, account().id) is not None
    return LinkForm() if has_app else ConfirmForm()


def _check_code(form: ConfirmForm) -> Refused | None:
    """Whoever has an app shows its code: what opens an account for good takes as much as opening it once."""
    if not isinstance(form, LinkForm):
        return None
    found = try_code(account(), form.code.data or "")
    if isinstance(found, Way):
        return None
    if found is not None:
        return too_often(form, _link_page, found)
    form.code.errors = [_(NO_SUCH_CODE)]
    return _link_page(form), 422


def _check_needed(form: ConfirmForm) -> Refused | None:
    """Whether the link has to stay."""
    if provider().settings.groups and account().role in REVIEWERS:
        # Or whoever is about to lose a right there could keep it here.
        words = _("Your role here comes from {name}: the link stays as long as you have it.", name=_name())
    elif not _has_another_way():
        words = _("You would have no way in any more. Add a passkey first.")
    else:
        return None
    form.form_errors.append(words)
    return _unlink_page(form), 422


def _has_another_way() -> bool:
    who = account()
    with parts().database.reading() as reading:
        has_passkey = bool(factors.passkeys_of(reading, who.id))
    has_password = who.password_hash != NONE
    return (has_password and is_open(Entrance.PASSWORD)) or (has_passkey and is_open(Entrance.PASSKEY))


# Words


def _name() -> str:
    return provider().settings.name


def _down() -> str:
    return _("{name} does not answer at present. Try again in a few minutes, or sign in another way.", name=_name())


def _words(why: Why | None) -> str:
    match why:
        case Why.NOT_IN_A_GROUP:
            return _("{name} knows you, but not as somebody who may come in here. Ask those who run it.", name=_name())
        case Why.DISABLED:
            return _("Your account here is switched off. Ask us why.")
        case Why.UNVERIFIED:
            return _(
                "{name} has not checked your email address, so no account is made. Ask those who run it.", name=_name()
            )
        case Why.HAS_AN_ACCOUNT:
            return _(
                "Your email address has an account here already. Sign in as usual, open “Sign-in and security”, and "
                "link {name} there.",
                name=_name(),
            )
        case Why.SOMEBODY_ELSES:
            return _("Who you are at {name} belongs to another account here. Nothing was linked.", name=_name())
        case _:
            return _("Your account is linked to somebody else at {name}. Remove that link first.", name=_name())


def _stop(visit: ProviderVisit, words: str, status: int) -> Refused | Response:
    """Say what was in the way, where whoever came can go on from."""
    if visit.account_id is not None and g.account is not None:
        flash(words, "error")
        return redirect(url_for("security.overview"), 303)
    return _sign_in_page(words, visit.wanted), status


def _sign_in_page(words: str, wanted: str | None = None) -> str:
    form = SignInForm()
    form.form_errors.append(words)
    return sign_in_page(form, wanted)


def _link_page(form: DeskForm) -> str:
    return render_template("accounts/link_provider.html", form=form, name=_name())


def _unlink_page(form: DeskForm) -> str:
    settings = provider().settings
    with parts().database.reading() as reading:
        identity = identity_of(reading, account().id, settings)
    return render_template("accounts/unlink_provider.html", form=form, name=settings.name, identity=identity)
