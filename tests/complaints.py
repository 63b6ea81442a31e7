"""What a browser complains of while somebody uses a page: it is there to be read when a test fails."""

from playwright.sync_api import ConsoleMessage, Page


def complaints_of(page: Page) -> list[str]:
    """Errors of a page's scripts and of its console from now on, each with the address that it is about."""
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            heard.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", hear)
    return heard
