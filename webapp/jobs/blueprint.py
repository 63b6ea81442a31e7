"""The blueprint that every module with pages of jobs adds its own to; :mod:`webapp.jobs.routes` has them all."""

from flask import Blueprint

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")
