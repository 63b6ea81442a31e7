"""What every answer says to the browser about safety."""

import re
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from webapp.config import Settings

# The desk asks a browser for passkeys and for nothing else; what it does not ask for, no script may ask for either.
NOT_USED = ("camera", "display-capture", "geolocation", "hid", "microphone", "midi", "payment", "serial", "usb")
PERMISSIONS = ", ".join(
    [
        *(f"{name}=()" for name in NOT_USED),
        "publickey-credentials-create=(self)",
        "publickey-credentials-get=(self)",
    ]
)

# Embeddings, overrides and isolates of the bidirectional algorithm (UAX #9): what somebody wrote between them would
# turn round what stands beside it. No text of ours has any, so whatever page they reach they came from outside.
TURNS_AROUND = re.compile(b"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")


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
            # Text becomes HTML only through the one policy in trusted.js, and never a script.
            "require-trusted-types-for 'script'",
            "trusted-types default",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        if response.mimetype == "text/html" and not response.direct_passthrough:
            page = response.get_data()
            if TURNS_AROUND.search(page):
                response.set_data(TURNS_AROUND.sub("\N{REPLACEMENT CHARACTER}".encode(), page))
        headers["Content-Security-Policy"] = policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = PERMISSIONS
        if settings.secure_cookies:
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        if request.endpoint == "static":
            # The address holds a hash of the content.
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif g.get("account") is not None or g.get("arriving") is not None or request.method != "GET":
            headers["Cache-Control"] = "no-store"
        return response
