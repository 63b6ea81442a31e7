"""In which language and time zone somebody reads the console and is written to: their choice, and the switch."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from sqlmodel import col, update
from werkzeug.wrappers import Response

from webapp.access import account, parts, public
from webapp.accounts.forms import PreferencesForm
from webapp.accounts.models import Account
from webapp.htmx import go_to
from webapp.languages import COOKIE, offered_here
from webapp.paths import own_path
from webapp.wording import _

blueprint = Blueprint("preferences", __name__)

A_YEAR = 365 * 24 * 3600


@blueprint.get("/account/preferences")
def preferences() -> str:
    """Show what somebody has chosen."""
    return _page(PreferencesForm(account()))


@blueprint.post("/account/preferences")
def preferences_post() -> Response | tuple[str, int]:
    """Note the choice; what is said next is said in the chosen language already."""
    form = PreferencesForm()
    if not form.validate():
        return _page(form), 422
    _note(language=form.language.data, timezone=form.timezone.data)
    response = go_to(url_for("preferences.preferences"))
    _keep(response, form.language.data)
    flash(_("Your choice is noted."), "success")
    return response


def _page(form: PreferencesForm) -> str:
    return render_template("accounts/preferences.html", form=form)


@blueprint.post("/language")
@public
def choose_language() -> Response:
    """Change the language and go on with the same page, signed in or not."""
    language = request.form.get("language", "")
    response = redirect(own_path(request.form.get("next"), may_sign_in=True), 303)
    if language in offered_here().offered:
        if g.account is not None:
            _note(language=language)
        _keep(response, language)
    return response


def _note(**choice: str) -> None:
    mine = account()
    with parts().database.writing() as session:
        session.exec(update(Account).where(col(Account.id) == mine.id).values(**choice))
    for name, value in choice.items():
        setattr(mine, name, value)
    # What has been found for this request was found before the choice.
    g.pop("wording", None)


def _keep(response: Response, language: str) -> None:
    """Let the browser remember, so that the sign-in page is in the same language."""
    settings = parts().settings
    name, secure = settings.cookie_name(COOKIE), settings.secure_cookies
    if language:
        response.set_cookie(name, language, max_age=A_YEAR, httponly=True, secure=secure, samesite="Lax")
    else:
        response.delete_cookie(name, secure=secure, httponly=True, samesite="Lax")
