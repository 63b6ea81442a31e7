"""All pages of jobs, for the factory."""

from webapp.jobs import export_views, import_views, views
from webapp.jobs.blueprint import blueprint

__all__ = ["blueprint", "export_views", "import_views", "views"]
