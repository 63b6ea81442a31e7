"""The time zones that somebody can choose from, by continent and in their language."""

from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location

from certlifecycle import phrase
from webapp.wording import _, words

REGIONS = {
    "Asia": phrase("Asia"),
    "Europe": phrase("Europe"),
    "America": phrase("America"),
    "Africa": phrase("Africa"),
    "Australia": phrase("Australia"),
    "Pacific": phrase("Pacific"),
    "Atlantic": phrase("Atlantic"),
    "Indian": phrase("Indian Ocean"),
    "Antarctica": phrase("Antarctica"),
}

LATIN_ENDS = 0x250
"""The first character that is none of the Latin alphabets. Other scripts have no order that Unicode's would be, so
their cities are sorted by the Latin name, which then stands before the other."""


def zones() -> frozenset[str]:
    """The names of all zones that can be chosen, without those that are only another name for one."""
    return frozenset(name for region in _cities(Locale.parse("en")).values() for name, _city in region) | {"UTC"}


def zone_choices() -> dict[str, dict[str, str]]:
    """The city of every zone by its name, under the names of the continents, for whoever asks."""
    return {_(REGIONS[region]): dict(cities) for region, cities in _cities(words().locale).items()}


@lru_cache(maxsize=16)
def _cities(locale: Locale) -> Mapping[str, list[tuple[str, str]]]:
    names = (get_global("zone_territories").keys() - get_global("zone_aliases").keys()) & available_timezones()
    found: dict[str, list[tuple[str, str]]] = {region: [] for region in REGIONS}
    for name in names:
        region = name.partition("/")[0]
        if region in found:
            city = get_timezone_location(ZoneInfo(name), locale=locale, return_city=True)
            found[region].append((name, city if _is_latin(city) else f"{_plain(name)} · {city}"))
    return {region: sorted(cities, key=lambda one: one[1].casefold()) for region, cities in found.items()}


def _is_latin(city: str) -> bool:
    return ord(city[0]) < LATIN_ENDS


def _plain(name: str) -> str:
    return name.rpartition("/")[2].replace("_", " ")
