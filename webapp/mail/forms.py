"""The form in which somebody chooses their mails."""

from wtforms import BooleanField

from webapp.forms import DeskForm
from webapp.wording import lazy


class PreferencesForm(DeskForm):
    """Whether somebody wants the mails that can be switched off."""

    wanted = BooleanField(lazy("Send them to me"))
