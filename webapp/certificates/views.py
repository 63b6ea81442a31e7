"""A customer's certificates: the list, one with everything about it, and what can be done with it."""

from typing import Any

from flask import Blueprint, flash, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from certlifecycle import REVIEWERS, Case, Event, EventRefused, judge, possible
from webapp.access import account, by, customers_only, parts
from webapp.certificates import help_words, present
from webapp.certificates.actions import actions, next_events
from webapp.certificates.forms import RevocationForm, SubmissionForm
from webapp.certificates.names import display_name
from webapp.certificates.queries import Search, certificate_file, customer_name, list_page, listed
from webapp.desk import File
from webapp.error_pages import tell_rows
from webapp.errors import NotFound, Superseded
from webapp.htmx import go_to
from webapp.payments.destination import destination
from webapp.recording import Submission
from webapp.refunds.forms import VersionForm
from webapp.refunds.views import live_page, tagged

blueprint = Blueprint("certificates", __name__, url_prefix="/certificates")

Answer = tuple[str, int] | Response
