"""What a browser complains of while somebody uses a page: it is there to be read when a test fails."""

from playwright.sync_api import ConsoleMessage, Page

ENDED = "htmx:afterRequest,"
BROKEN_OFF = "htmx:sendAbort,"


def complaints_of(page: Page) -> list[str]:
    """Errors of a page's scripts and of its console from now on, each with the address that it is about.

    A request that was broken off is none: that is how a question ends whose page is left, or that a newer one replaces.
    htmx tells of it in two lines, of which only the second says so.
    """
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        told = f"{message.text} ({message.location.get('url', '')})"
        if not message.text.startswith(BROKEN_OFF):
            heard.append(told)
        elif heard and heard[-1] == told.replace(BROKEN_OFF, ENDED, 1):
            heard.pop()

    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", hear)
    return heard
