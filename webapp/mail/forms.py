"""The form in which somebody chooses their mails."""

from wtforms import BooleanField

from webapp.forms import DeskForm


class PreferencesForm(DeskForm):
    """Whether somebody wants the mails that can be switched off."""

    wanted = BooleanField("Send them to me")
