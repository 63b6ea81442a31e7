"""Reading a customer's start page."""

from typing import Any

from pages import words_of
from shop import Page


def section(page: Page, title: str) -> list[Any]:
    """The entries of a section by the words of its title."""
    for node in page.tree.iter("section"):
        head = node.find("header")
        if head is not None and words_of(head.find("h2")) == title:
            return [one for one in node.iter("li") if one.get("class") == "need"]
    return []


def needs(page: Page) -> list[str]:
    return [words_of(one.find(".//h3")) for one in section(page, "Needs you")]


def waiting(page: Page) -> list[str]:
    return [words_of(one.find(".//h3")) for one in section(page, "On its way, without you")]


def need(page: Page, domain: str) -> Any:
    every = [*section(page, "Needs you"), *section(page, "On its way, without you")]
    (found,) = [one for one in every if words_of(one.find(".//h3")) == domain]
    return found


def step(page: Page, domain: str) -> tuple[str, str]:
    """The one next step: its label and where it leads."""
    (action,) = [node for node in need(page, domain).iter("a") if "button" in (node.get("class") or "")]
    return words_of(action).removesuffix(f": {domain}"), action.get("href")
