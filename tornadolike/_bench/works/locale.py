"""Translations, dates and numbers of a language."""

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornadolike._bench.works.registry import Run, calls, work


def _csv(locale: Any) -> Callable[[], object]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "de_DE.csv").write_text('"Sign out","Abmelden"\n"%d item","%d Teil","singular"\n"%d item","%d Teile","plural"\n')
        locale.load_translations(directory)
    german = locale.get("de_DE")
    return lambda: (german.translate("Sign out"), german.translate("%d item", "%d items", 2), german.translate("Unknown"))


@work("locale: translate and format")
def _translate(locale: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            user = locale.get("en_US", "en")
            user.translate("Sign out")
            user.friendly_number(1234567)
            user.list(["a", "b", "c"])

    return run


calls("locale: format_date", lambda m: lambda f=m.get("en_US").format_date, d=dt.datetime(2024, 1, 2): f(d))
calls("locale: format_date, relative", lambda m: lambda f=m.get("en_US").format_date: f(dt.datetime.now(dt.UTC)))
calls("locale: format_date, full", lambda m: lambda f=m.get("en_US").format_date, d=dt.datetime(2024, 1, 2): f(d, full_format=True))
calls("locale: format_day", lambda m: lambda f=m.get("en_US").format_day, d=dt.datetime(2024, 1, 2): f(d))
calls("locale: translate, plural", lambda m: lambda f=m.get("en_US").translate: f("%d item", "%d items", 3))
calls("locale: pgettext", lambda m: lambda f=m.get("en_US").pgettext: f("menu", "Open"))
calls("locale: friendly_number", lambda m: lambda f=m.get("en_US").friendly_number: f(123456789))
calls("locale: get, closest", lambda m: lambda f=m.get: f("de-DE", "fr", "en_US"))
calls("locale: translated by CSV", _csv)
