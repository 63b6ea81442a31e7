"""What every answer says to the browser about safety."""

from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from webapp.config import Settings


def install(app: Flask, settings: Settings) -> None:
    """Add the security headers; private pages are not kept by anybody."""
    live = urlsplit(settings.live_url)
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            # Fragments from here, the live stream from its hub.
            f"connect-src 'self' {live.scheme}://{live.netloc}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
        if settings.secure_cookies:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint == "static":
            # The address holds a hash of the content.
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif response.get_etag()[0] is not None:
            # A fragment that is asked for again and again: the browser keeps it, and asks whether it still holds.
            headers["Cache-Control"] = "private, no-cache"
        elif g.get("account") is not None or request.method != "GET":
            headers["Cache-Control"] = "no-store"
        return response
