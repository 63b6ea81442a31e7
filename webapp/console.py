"""The console put together from its parts. :func:`make_console` only wires."""

import atexit
from hashlib import sha256
from pathlib import Path

from flask import Flask, redirect, request, url_for
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from webapp import HERE, access, compression, error_pages, headers, hosts, htmx, languages, pace, paths
from webapp.config import Settings, load
from webapp.parts import Parts, assemble
from webapp.paths import KeyConverter

LARGEST_REQUEST = 256 * 1024


def make_console(settings: Settings | None = None, parts: Parts | None = None) -> Flask:
    """Make the console; see :func:`webapp.create_app`."""
    if parts is None:
        parts = assemble(settings or load())
        # Whoever hands parts in also closes them.
        atexit.register(parts.close)
    # In the wheel the templates lie inside the package, in a checkout beside it.
    inside = HERE / "templates"
    app = Flask("webapp", template_folder=inside if inside.is_dir() else HERE.parent / "templates")
    app.config.update(
        SECRET_KEY=parts.settings.secret_key,
        SECRET_KEY_FALLBACKS=list(parts.settings.secret_key_fallbacks),
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        MAX_FORM_PARTS=100,
        SESSION_COOKIE_NAME=parts.settings.cookie_name("desk_form"),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=parts.settings.secure_cookies,
        # The form's secret lives as long as the session; a page that was open over lunch still works.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.extensions["desk"] = parts
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.url_map.converters["key"] = KeyConverter
    hosts.install(app, parts.settings)
    if proxies := parts.settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, proxies, proxies, proxies)  # type: ignore[method-assign]
    csrf = CSRFProtect(app)
    compression.install(app)
    htmx.install(app)
    headers.install(app, parts.settings)
    error_pages.install(app)
    paths.install(app)
    access.install(app)
    pace.install(app, parts.settings)
    languages.install(app, languages.Languages(parts.settings))
    _assets(app)
    _blueprints(app, csrf, parts)
    return app


def _assets(app: Flask) -> None:
    """``asset(path)`` gives an address that changes with the file's content, so that browsers may keep it for ever."""
    folder = Path(app.static_folder or "")
    versions = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()[:12]
        for path in folder.rglob("*")
        if path.is_file()
    }

    @app.template_global()
    def asset(path: str) -> str:
        # Put together by hand: a list names its icons some seventy times, and url_for would build each anew.
        return f"{request.script_root}{app.static_url_path}/{path}?v={versions[path]}"


def _blueprints(app: Flask, csrf: CSRFProtect, parts: Parts) -> None:
    from webapp import cli, context, demo_dns, styleguide
    from webapp.accounts.factor_views import blueprint as factors
    from webapp.accounts.limits import SignInLimits, for_recovery
    from webapp.accounts.passkey_views import blueprint as passkeys
    from webapp.accounts.preferences import blueprint as preferences
    from webapp.accounts.provider_views import blueprint as provider
    from webapp.accounts.recovery_views import blueprint as recovery
    from webapp.accounts.security import blueprint as security
    from webapp.accounts.session_views import blueprint as open_sessions
    from webapp.accounts.views import blueprint as accounts
    from webapp.accounts.visits import set_up as set_up_provider
    from webapp.audit.views import blueprint as audit
    from webapp.authorities.views import blueprint as make_authority
    from webapp.certificates.views import blueprint as certificates
    from webapp.figures.views import blueprint as figures
    from webapp.glossary.views import blueprint as glossary
    from webapp.goodwill.views import blueprint as goodwill
    from webapp.help.views import blueprint as help_pages
    from webapp.home.views import home
    from webapp.jobs.routes import blueprint as jobs
    from webapp.live.views import blueprint as live
    from webapp.mail.views import blueprint as mail
    from webapp.mail.views import development, unsubscribing
    from webapp.ordering.views import blueprint as ordering
    from webapp.organisations.coming import blueprint as coming
    from webapp.organisations.links import OneTimeLinks
    from webapp.organisations.views import blueprint as organisation
    from webapp.outbox.views import blueprint as outbox
    from webapp.payments.notifications import Inbox
    from webapp.payments.notifications import blueprint as make_notifications
    from webapp.payments.payouts import waking
    from webapp.payments.views import blueprint as payments
    from webapp.people.views import blueprint as people
    from webapp.privacy.views import blueprint as privacy
    from webapp.refunds.views import blueprint as refunds
    from webapp.review.routes import blueprint as review

    context.install(app)
    for one in (accounts, certificates, glossary, jobs, live, mail, ordering, outbox, payments, refunds, review):
        app.register_blueprint(one)
    if parts.settings.style_guide:
        app.register_blueprint(styleguide.blueprint)
    app.extensions["sign_in_limits"] = SignInLimits(parts.settings.sign_in)
    app.extensions["recovery_limits"] = for_recovery(parts.settings.sign_in)
    set_up_provider(app, parts)
    for one in (preferences, security, open_sessions, factors, passkeys, recovery, provider):
        app.register_blueprint(one)
    app.extensions["one_time_links"] = OneTimeLinks(parts.settings.secret_key, parts.settings.secret_key_fallbacks)
    app.register_blueprint(organisation)
    app.register_blueprint(coming)
    app.register_blueprint(privacy)
    app.register_blueprint(figures)
    app.register_blueprint(audit)
    app.register_blueprint(people)
    app.register_blueprint(goodwill)
    app.register_blueprint(help_pages)
    # Mail programs post here, without a session and without our forms (RFC 8058).
    csrf.exempt(unsubscribing)
    app.register_blueprint(unsubscribing)
    if parts.settings.mail.server is None:
        app.register_blueprint(development(parts.settings.mail.folder))
    if parts.settings.demo_zone is not None:
        app.register_blueprint(demo_dns.blueprint(demo_dns.DemoZone(parts.settings.demo_zone)))
    if parts.payments.alipay is not None:
        # Alipay calls here, without a session and without our forms; its signature is checked instead.
        wake = waking(parts.database, parts.desk.look_now)
        notifications = make_notifications(Inbox(parts.payments.alipay, parts.database, wake, parts.desk.clock))
        csrf.exempt(notifications)
        app.register_blueprint(notifications)
    # Machines ask here, without a session and without our forms.
    authority = make_authority(parts.builtin)
    csrf.exempt(authority)
    app.register_blueprint(authority)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith(f"{authority.name}."):
            access.public(view)
    app.cli.add_command(cli.desk)

    app.add_url_rule("/", view_func=home)

    @app.get("/healthz")
    @access.public
    def health() -> Response:
        with parts.database.reading() as session:
            session.connection().exec_driver_sql("SELECT 1")
        return Response("ok\n", mimetype="text/plain")

    @app.get("/favicon.ico")
    @access.public
    def favicon() -> Response:
        return redirect(url_for("static", filename="favicon.svg"), 301)
