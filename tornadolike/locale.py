"""Texts in the language of the user.

Load the translations once, when the program starts, from CSV files (`load_translations`) or from gettext catalogs
(`load_gettext_translations`); then `get` the locale of a user and `~Locale.translate` with it::

    user_locale = locale.get("es_GT", "es", "en")
    print(user_locale.translate("Sign out"))

`.RequestHandler.locale` is the locale which the request asks for.
"""

from __future__ import annotations

import codecs
import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tornadolike import _imported_names
from tornadolike._locale_data import LOCALE_NAMES
from tornadolike.log import gen_log

if TYPE_CHECKING:
    import gettext

CONTEXT_SEPARATOR = "\x04"
"""What stands between context and message in a catalog of gettext (``msgctxt``)."""

_default_locale = "en_US"
# For each code the plural kinds of a CSV file, each a dict of messages, or a catalog of gettext.
_translations: dict[str, Any] = {}
_supported_locales = frozenset([_default_locale])
_use_gettext = False


def get(*locale_codes: str) -> Locale:
    """The best locale for these codes, of which the user likes the first one best.

    A supported code is taken as it is, else its language alone (``es`` for ``es_GT``) if that is supported. When no code
    fits so, a language alone stands for its countries: for that of the default locale, else ``es_ES``, else the first of
    the alphabet. When nothing fits, the default locale is.
    """
    return Locale.get_closest(*locale_codes)


def set_default_locale(code: str) -> None:
    """Say which language the texts in the program are written in: ``en_US``, unless this is called."""
    global _default_locale
    _default_locale = code
    _support_loaded_locales()


def _support_loaded_locales() -> None:
    global _supported_locales
    _supported_locales = frozenset([*_translations, _default_locale])
    # Locales which were asked for before hold on to what was loaded then.
    Locale._cache.clear()


def load_translations(directory: str, encoding: str | None = None) -> None:
    """Load translations from the files ``LOCALE.csv`` in a directory, instead of all that were loaded before.

    A row has the text in the program and its translation, and in a third column ``singular`` or ``plural`` where both
    forms are given::

        "Sign out","Cerrar la sesión"
        "%(name)s likes this","A %(name)s le gusta esto","singular"
        "%(name)s likes this","A %(name)s les gusta esto","plural"

    The files are UTF-8 or, with a byte order mark, UTF-16, unless ``encoding`` says otherwise. Rows and files that are
    not understood are logged and left out.
    """
    global _translations, _use_gettext
    _translations = {}
    _use_gettext = False
    for file_name in os.listdir(directory):
        code, extension = os.path.splitext(file_name)
        if extension != ".csv":
            continue
        path = os.path.join(directory, file_name)
        if not re.fullmatch(r"[a-z]+(_[A-Z]+)?", code):
            gen_log.error("Unrecognized locale %r (path: %s)", code, path)
            continue
        messages: dict[str, dict[str, str]] = {}
        for kind, message, translation in _csv_rows(path, encoding or _csv_encoding(path)):
            messages.setdefault(kind, {})[message] = translation
        _translations[code] = messages
    _support_loaded_locales()
    gen_log.debug("Supported locales: %s", sorted(_supported_locales))


def _csv_encoding(path: str) -> str:
    with open(path, "rb") as file:
        mark = file.read(2)
    # Spreadsheets write a mark in front of UTF-8, too, which must not become a part of the first message.
    return "utf-16" if mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _csv_rows(path: str, encoding: str) -> Iterator[tuple[str, str, str]]:
    """The plural kind, the message and its translation, for each good row of a file."""
    import csv

    with open(path, encoding=encoding) as file:
        for number, row in enumerate(csv.reader(file), 1):
            if len(row) < 2:
                continue
            message, translation, kind = (cell.strip() for cell in [*row, ""][:3])
            if kind in ("plural", "singular", "unknown", ""):
                yield kind or "unknown", message, translation
            else:
                gen_log.error("Unrecognized plural indicator %r in %s line %d", kind, os.path.basename(path), number)


def load_gettext_translations(directory: str, domain: str) -> None:
    """Load translations from the catalogs ``{directory}/{locale}/LC_MESSAGES/{domain}.mo``, instead of all others.

    To make those, with the tools of gettext: extract the messages of your sources
    (``xgettext --language=Python --keyword=_:1,2``), merge them into the catalog of each language (``msgmerge``), have
    them translated, and compile the result (``msgfmt``). Catalogs that cannot be read are logged and left out.
    """
    import gettext
    import glob

    global _translations, _use_gettext
    _translations = {}
    for path in glob.glob(os.path.join(glob.escape(directory), "*", "LC_MESSAGES", f"{domain}.mo")):
        code = os.path.basename(os.path.dirname(os.path.dirname(path)))
        try:
            _translations[code] = gettext.translation(domain, directory, languages=[code])
        except Exception as e:
            # A broken file raises whatever it makes the parser do; the other languages are good without it.
            gen_log.error("Cannot load translation for '%s': %s", code, e)
    _use_gettext = True
    _support_loaded_locales()
    gen_log.debug("Supported locales: %s", sorted(_supported_locales))


def get_supported_locales() -> Iterable[str]:
    """The codes of all loaded locales and of the default one."""
    return _supported_locales


def _country_of(language: str) -> str | None:
    """The supported locale which a language alone most likely stands for; None where there is none."""
    prefix = f"{language}_"
    if _default_locale.startswith(prefix) and _default_locale in _supported_locales:
        return _default_locale
    own = prefix + language.upper()
    return own if own in _supported_locales else min([code for code in _supported_locales if code.startswith(prefix)], default=None)


_RIGHT_TO_LEFT = ("ar", "fa", "he")
_TWELVE_HOURS = ("en", "en_US")
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Locale:
    """A language as it is used in a place, by its ``code``, such as ``pt_BR``.

    ``name`` is what its speakers call it, ``rtl`` whether it is written from right to left. Get instances from `get`.
    """

    _cache: dict[str, Locale] = {}

    @classmethod
    def get_closest(cls, *locale_codes: str) -> Locale:
        """The same as the function `get`."""
        languages = []
        for wanted in locale_codes:
            if not wanted:
                continue
            language, _, country = wanted.replace("-", "_").partition("_")
            if "_" in country:
                continue
            lower = language.lower()
            code = f"{lower}_{country.upper()}" if country or wanted[-1] in "-_" else language
            if code in _supported_locales:
                return cls.get(code)
            if lower in _supported_locales:
                return cls.get(lower)
            if code is language:
                languages.append(lower)
        return cls.get(next(filter(None, map(_country_of, languages)), _default_locale))

    @classmethod
    def get(cls, code: str) -> Locale:
        """The locale of exactly this code, which must be supported."""
        if code not in cls._cache:
            assert code in _supported_locales
            translations = _translations.get(code)
            made = GettextLocale(code, translations) if _use_gettext and translations is not None else CSVLocale(code, translations or {})
            cls._cache[code] = made
        return cls._cache[code]

    def __init__(self, code: str) -> None:
        self.code = code
        self.name = LOCALE_NAMES.get(code, {}).get("name", "Unknown")
        self.rtl = code.startswith(_RIGHT_TO_LEFT)
        self._months = [self.translate(month) for month in _MONTHS]
        self._weekdays = [self.translate(day) for day in _WEEKDAYS]

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """``message`` in this language, or unchanged where no translation is known.

        With ``plural_message``, ``count`` is needed too and decides between the forms.
        """
        raise NotImplementedError

    def pgettext(self, context: str, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """`translate` for a message whose meaning depends on its context."""
        raise NotImplementedError

    def format_date(
        self,
        date: int | float | dt.datetime,
        gmt_offset: int = 0,
        relative: bool = True,
        shorter: bool = False,
        full_format: bool = False,
    ) -> str:
        """A date as people write it: ``2 minutes ago``, ``yesterday at 1:05 pm``, ``July 10, 1980 at 6:35 pm``.

        The further in the past, the more of it is said; dates in the future are written in full.

        :arg date: seconds of the epoch or a `~datetime.datetime`, in UTC unless it has a time zone of its own, which then
            takes the place of UTC in the next line.
        :arg gmt_offset: minutes by which the user's time is behind UTC.
        :arg relative: whether to write dates of today as a span from now.
        :arg shorter: leave out the time of day where there is a day.
        :arg full_format: write day, month and year in any case.
        """
        now = dt.datetime.now(dt.UTC)
        date = _aware(date)
        if date > now:
            if relative and (date - now).total_seconds() < 60:
                # Clocks differ a little: what another machine has just done may lie in the future.
                date = now
            else:
                full_format = True
        age = now - date
        if relative and not full_format and age.days == 0:
            return self._format_age(age.seconds)
        offset = dt.timedelta(minutes=gmt_offset)
        local = date - offset
        was_yesterday = relative and age.days == 1 and local.day == (now - offset - dt.timedelta(days=1)).day
        pattern = _PATTERNS[_span(age.days, was_yesterday, full_format)][bool(shorter)]
        return self.translate(pattern) % self._parts_of(local)

    def _format_age(self, seconds: int) -> str:
        if seconds < 50:
            return self.translate("1 second ago", "%(seconds)d seconds ago", seconds) % {"seconds": seconds}
        minutes = round(seconds / 60)
        if seconds < 50 * 60:
            return self.translate("1 minute ago", "%(minutes)d minutes ago", minutes) % {"minutes": minutes}
        hours = round(seconds / 3600)
        return self.translate("1 hour ago", "%(hours)d hours ago", hours) % {"hours": hours}

    def _parts_of(self, date: dt.datetime) -> dict[str, str]:
        return {
            "month_name": self._months[date.month - 1],
            "weekday": self._weekdays[date.weekday()],
            "day": str(date.day),
            "year": str(date.year),
            "time": self._time_of_day(date),
        }

    def _time_of_day(self, date: dt.datetime) -> str:
        clock = f"{date.hour % 12 or 12}:{date.minute:02}"
        if self.code in _TWELVE_HOURS:
            return f"{clock} {'pm' if date.hour >= 12 else 'am'}"
        if self.code == "zh_CN":
            return ("下午" if date.hour >= 12 else "上午") + clock
        return f"{date.hour}:{date.minute:02}"

    def format_day(self, date: dt.datetime, gmt_offset: int = 0, dow: bool = True) -> str:
        """A date as ``Monday, January 22``; without the day of the week unless ``dow``."""
        if gmt_offset:
            date -= dt.timedelta(minutes=gmt_offset)
        parts = {"month_name": self._months[date.month - 1], "weekday": self._weekdays[date.weekday()], "day": str(date.day)}
        return self.translate("%(weekday)s, %(month_name)s %(day)s" if dow else "%(month_name)s %(day)s") % parts

    def list(self, parts: Any) -> str:
        """A list of strings as people write it: ``A, B and C``."""
        if len(parts) < 2:
            return parts[0] if parts else ""
        comma = " و " if self.code.startswith("fa") else ", "
        return self.translate("%(commas)s and %(last)s") % {"commas": comma.join(parts[:-1]), "last": parts[-1]}

    def friendly_number(self, value: int) -> str:
        """A number with commas between thousands, in English; in other languages plain."""
        if self.code not in _TWELVE_HOURS:
            return str(value)
        return f"{value:,}"


# For each span of time the long pattern and the shorter one.
_PATTERNS = {
    "today": ("%(time)s", "%(time)s"),
    "yesterday": ("yesterday at %(time)s", "yesterday"),
    "this week": ("%(weekday)s at %(time)s", "%(weekday)s"),
    "this year": ("%(month_name)s %(day)s at %(time)s", "%(month_name)s %(day)s"),
    "ever": ("%(month_name)s %(day)s, %(year)s at %(time)s", "%(month_name)s %(day)s, %(year)s"),
}


def _span(days: int, was_yesterday: bool, full_format: bool) -> str:
    # After eleven months, a month could be taken for that of this year.
    if full_format or days >= 334:
        return "ever"
    if was_yesterday:
        return "yesterday"
    if days == 0:
        return "today"
    return "this week" if days < 5 else "this year"


def _aware(date: int | float | dt.datetime) -> dt.datetime:
    if isinstance(date, int | float):
        return dt.datetime.fromtimestamp(date, dt.UTC)
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)


class CSVLocale(Locale):
    """A locale with translations from a CSV file."""

    def __init__(self, code: str, translations: dict[str, dict[str, str]]) -> None:
        self.translations = translations
        super().__init__(code)

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        kind = "unknown"
        if plural_message is not None:
            assert count is not None
            kind = "singular" if count == 1 else "plural"
            if kind == "plural":
                message = plural_message
        known = self.translations.get(kind)
        return message if known is None else known.get(message, message)

    def pgettext(self, context: str, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        if self.translations:
            gen_log.warning("pgettext is not supported by CSVLocale")
        return self.translate(message, plural_message, count)


class GettextLocale(Locale):
    """A locale with translations from a catalog of gettext."""

    def __init__(self, code: str, translations: gettext.NullTranslations) -> None:
        self.gettext = translations.gettext
        self.ngettext = translations.ngettext
        super().__init__(code)

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        if plural_message is None:
            return self.gettext(message)
        assert count is not None
        return self.ngettext(message, plural_message, count)

    def pgettext(self, context: str, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """`translate` for a message whose meaning depends on its context::

            pgettext("law", "right")
            pgettext("good", "right")
            pgettext("organization", "club", "clubs", len(clubs))

        Without a translation for the context, the plain one is used for plurals, the message itself for others. For
        xgettext to find contexts, pass it ``--keyword=pgettext:1c,2 --keyword=pgettext:1c,2,3``.
        """
        prefix = context + CONTEXT_SEPARATOR
        if plural_message is None:
            found = self.gettext(prefix + message)
            return message if CONTEXT_SEPARATOR in found else found
        assert count is not None
        found = self.ngettext(prefix + message, prefix + plural_message, count)
        return self.ngettext(message, plural_message, count) if CONTEXT_SEPARATOR in found else found


_imported_names.complete(globals())
