"""The form in which somebody chooses their mails."""

from flask_wtf import FlaskForm
from wtforms import BooleanField


class PreferencesForm(FlaskForm):
    """Whether somebody wants the mails that can be switched off."""

    wanted = BooleanField("Send them to me")
