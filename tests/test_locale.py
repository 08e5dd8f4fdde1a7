"""tornadolike.locale: loading translations, choosing a locale, dates and lists."""

import codecs
import datetime as dt
import gettext
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tornadolike import locale
from tornadolike.locale import CSVLocale, GettextLocale, Locale


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_default_locale", "_translations", "_supported_locales", "_use_gettext"):
        monkeypatch.setattr(locale, name, getattr(locale, name))
    Locale._cache.clear()
    yield
    Locale._cache.clear()


def catalog(messages: dict[str, str]) -> bytes:
    """A .mo file."""
    messages = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n", **messages}
    keys, values, ids, texts = b"", b"", b"", b""
    start = 28 + 16 * len(messages)
    parts = [(key.encode(), value.encode()) for key, value in sorted(messages.items())]
    for key, _ in parts:
        ids += struct.pack("<II", len(key), start + len(keys))
        keys += key + b"\0"
    for _, value in parts:
        texts += struct.pack("<II", len(value), start + len(keys) + len(values))
        values += value + b"\0"
    head = struct.pack("<IIIIIII", 0x950412DE, 0, len(parts), 28, 28 + len(ids), 0, 0)
    return head + ids + texts + keys + values


def write_catalog(directory: Path, code: str, content: bytes) -> None:
    path = directory / code / "LC_MESSAGES" / "shop.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


class TestCsv:
    def test_rows_are_translations(self, tmp_path: Path) -> None:
        (tmp_path / "es_LA.csv").write_text(
            '"Sign out","Salir "\n\nlonely\nMay,Mayo,\n'
            '"%(n)s likes","a %(n)s le gusta","singular"\n"%(n)s like","a %(n)s les gusta","plural"\n',
            "utf-8",
        )
        (tmp_path / "README.txt").write_text("no translations")
        locale.load_translations(str(tmp_path))
        spanish = locale.get("es_LA")
        assert isinstance(spanish, CSVLocale)
        assert spanish.translate("Sign out") == "Salir"
        assert spanish.translate("%(n)s likes", "%(n)s like", 1) == "a %(n)s le gusta"
        assert spanish.translate("%(n)s likes", "%(n)s like", 3) == "a %(n)s les gusta"
        assert spanish.translate("unknown", "unknowns", 2) == "unknowns"
        assert spanish._months[4] == "Mayo"
        assert spanish.name == "Español"
        assert set(locale.get_supported_locales()) == {"en_US", "es_LA"}

    @pytest.mark.parametrize(
        ("data", "encoding"),
        [
            ("é,è".encode(), None),
            ("é,è".encode("utf-8-sig"), None),
            (codecs.BOM_UTF16_LE + "é,è".encode("utf-16-le"), None),
            (codecs.BOM_UTF16_BE + "é,è".encode("utf-16-be"), None),
            ("é,è".encode("latin1"), "latin1"),
        ],
    )
    def test_encodings(self, tmp_path: Path, data: bytes, encoding: str | None) -> None:
        (tmp_path / "fr.csv").write_bytes(data)
        (tmp_path / "it.csv").write_bytes("à,á".encode(encoding or "utf-8"))
        locale.load_translations(str(tmp_path), encoding)
        assert locale.get("fr").translate("é") == "è"
        assert locale.get("it").translate("à") == "á"

    def test_what_is_not_understood_is_logged(self, tmp_path: Path, logs: Any) -> None:
        (tmp_path / "e5.csv").write_text("a,b")
        (tmp_path / "fr.csv").write_text("a,b,dual\nc,d")
        locale.load_translations(str(tmp_path))
        logs.take("tornado.general", r"Unrecognized locale 'e5' \(path: .*e5\.csv\)")
        logs.take("tornado.general", r"Unrecognized plural indicator 'dual' in fr\.csv line 1")
        assert locale.get("fr").translate("a") == "a"
        assert locale.get("fr").translate("c") == "d"

    def test_contexts_are_not_supported(self, tmp_path: Path, logs: Any) -> None:
        (tmp_path / "fr.csv").write_text("right,droit")
        locale.load_translations(str(tmp_path))
        assert locale.get("fr").pgettext("law", "right") == "droit"
        logs.take("tornado.general", "pgettext is not supported by CSVLocale")
        assert locale.get("en_US").pgettext("law", "right") == "right"


class TestGettext:
    def test_messages_plurals_and_contexts(self, tmp_path: Path) -> None:
        write_catalog(
            tmp_path,
            "fr_FR",
            catalog(
                {
                    "school": "école",
                    "club\0clubs": "un club\0des clubs",
                    "law\x04right": "droit",
                    "stick\x04club\0stick\x04clubs": "bâton\0bâtons",
                }
            ),
        )
        locale.load_gettext_translations(str(tmp_path), "shop")
        french = locale.get("fr-fr")
        assert isinstance(french, GettextLocale)
        assert french.translate("school") == "école"
        assert [french.translate("club", "clubs", n) for n in (1, 2)] == ["un club", "des clubs"]
        assert french.pgettext("law", "right") == "droit"
        assert french.pgettext("hand", "right") == "right"
        assert [french.pgettext("stick", "club", "clubs", n) for n in (1, 2)] == ["bâton", "bâtons"]
        assert [french.pgettext("golf", "club", "clubs", n) for n in (1, 2)] == ["un club", "des clubs"]
        assert type(locale.get("en_US")) is CSVLocale

    def test_broken_catalogs_are_logged(self, tmp_path: Path, logs: Any) -> None:
        write_catalog(tmp_path, "fr", b"\xff" * 50)
        write_catalog(tmp_path, "de", catalog({"a": "b"}))
        locale.load_gettext_translations(str(tmp_path), "shop")
        logs.take("tornado.general", "Cannot load translation for 'fr': ")
        assert set(locale.get_supported_locales()) == {"de", "en_US"}

    def test_the_last_load_counts(self, tmp_path: Path) -> None:
        write_catalog(tmp_path, "de", catalog({"a": "b"}))
        (tmp_path / "fr.csv").write_text("a,c")
        locale.load_gettext_translations(str(tmp_path), "shop")
        locale.load_translations(str(tmp_path))
        assert locale.get("fr").translate("a") == "c"
        assert locale.get("de").code == "en_US"


@pytest.fixture
def supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "_translations", {"fr": {}, "fr_CA": {}, "pt_BR": {}, "zh_CN": {}, "fa": {}})
    locale.set_default_locale("en")


@pytest.mark.usefixtures("supported")
class TestChoice:
    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            (["fr_CA"], "fr_CA"),
            (["FR-ca"], "fr_CA"),
            (["fr-CH"], "fr"),
            (["FR"], "fr"),
            (["pt", "fr"], "fr"),
            (["", "zh-CN-x", "pt_br"], "pt_BR"),
            (["xx"], "en"),
            ([], "en"),
        ],
    )
    def test_the_closest(self, wanted: list[str], code: str) -> None:
        assert locale.get(*wanted).code == code

    def test_one_object_for_each_code(self) -> None:
        assert Locale.get("fr") is locale.get("fr")
        with pytest.raises(AssertionError):
            Locale.get("xx")

    def test_names_and_direction(self) -> None:
        assert (locale.get("pt_BR").name, locale.get("fr").name) == ("Português (Brasil)", "Unknown")
        assert locale.get("fa").rtl
        assert not locale.get("fr").rtl


def test_the_base_class_knows_no_language() -> None:
    with pytest.raises(NotImplementedError):
        Locale("en")
    with pytest.raises(NotImplementedError):
        Locale.pgettext(CSVLocale("en", {}), "context", "message")


NOW = dt.datetime(2026, 11, 21, 14, 5, tzinfo=dt.UTC)


class Clock(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return NOW


@pytest.mark.usefixtures("supported")
class TestDates:
    @pytest.fixture(autouse=True)
    def _stopped_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locale.dt, "datetime", Clock)

    @pytest.mark.parametrize(
        ("age", "options", "text"),
        [
            ({"seconds": 1}, {}, "1 second ago"),
            ({"seconds": 49}, {}, "49 seconds ago"),
            ({"seconds": 50}, {}, "1 minute ago"),
            ({"minutes": 49}, {}, "49 minutes ago"),
            ({"minutes": 50}, {}, "1 hour ago"),
            ({"hours": 23}, {}, "23 hours ago"),
            ({"seconds": -59}, {}, "0 seconds ago"),
            ({"seconds": -60}, {}, "November 21, 2026 at 2:06 pm"),
            ({"seconds": -1}, {"relative": False, "shorter": True}, "November 21, 2026"),
            ({"hours": 2}, {"relative": False}, "12:05 pm"),
            ({"hours": 26}, {}, "yesterday at 12:05 pm"),
            ({"hours": 26}, {"shorter": True}, "yesterday"),
            ({"hours": 26}, {"relative": False}, "Friday at 12:05 pm"),
            ({"hours": 47}, {}, "Thursday at 3:05 pm"),
            ({"hours": 26}, {"gmt_offset": 60 * 13}, "Thursday at 11:05 pm"),
            ({"days": 4}, {"shorter": True}, "Tuesday"),
            ({"days": 5}, {}, "November 16 at 2:05 pm"),
            ({"days": 333}, {"shorter": True}, "December 23"),
            ({"days": 334}, {}, "December 22, 2025 at 2:05 pm"),
            ({"days": 334}, {"shorter": True}, "December 22, 2025"),
            ({"hours": 14}, {"full_format": True}, "November 21, 2026 at 12:05 am"),
        ],
    )
    def test_english(self, age: dict[str, int], options: dict[str, Any], text: str) -> None:
        date = NOW - dt.timedelta(**age)
        english = locale.get("en")
        for spelling in (date, date.replace(tzinfo=None), date.timestamp()):
            assert english.format_date(spelling, **options) == text

    def test_a_zone_of_its_own(self) -> None:
        date = (NOW - dt.timedelta(days=10)).astimezone(dt.timezone(dt.timedelta(hours=5)))
        assert locale.get("en").format_date(date) == "November 11 at 7:05 pm"
        assert locale.get("en").format_date(date + dt.timedelta(days=10, seconds=-5)) == "5 seconds ago"

    @pytest.mark.parametrize(
        ("code", "hour", "text"),
        [("fr", 3, "3:07"), ("fr", 15, "15:07"), ("zh_CN", 3, "上午3:07"), ("zh_CN", 12, "下午12:07"), ("en", 0, "12:07 am")],
    )
    def test_clocks(self, code: str, hour: int, text: str) -> None:
        date = NOW.replace(hour=hour, minute=7, day=20)
        assert locale.get(code).format_date(date, relative=False, full_format=True) == f"November 20, 2026 at {text}"

    def test_days(self) -> None:
        english = locale.get("en")
        assert english.format_day(NOW) == "Saturday, November 21"
        assert english.format_day(NOW, gmt_offset=900, dow=False) == "November 20"


@pytest.mark.usefixtures("supported")
class TestValues:
    @pytest.mark.parametrize(("parts", "text"), [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (["A", "B", "C"], "A, B and C")])
    def test_lists(self, parts: list[str], text: str) -> None:
        assert locale.get("en").list(parts) == text

    def test_lists_in_persian(self) -> None:
        assert locale.get("fa").list(["1", "2", "3"]) == "1 و 2 and 3"

    @pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1000, "1,000"), (-1234567, "-1,234,567"), (-100, "-100")])
    def test_numbers(self, number: int, text: str) -> None:
        assert locale.get("en").friendly_number(number) == text
        assert locale.get("fr").friendly_number(number) == str(number)


def test_the_catalogs_of_these_tests_are_what_gettext_reads(tmp_path: Path) -> None:
    write_catalog(tmp_path, "fr", catalog({"a": "b"}))
    assert gettext.translation("shop", str(tmp_path), ["fr"]).gettext("a") == "b"


def test_a_language_alone_may_be_that_of_a_country(tmp_path: Path) -> None:
    """tornado#1858."""
    for code in ("de_DE", "pt_BR", "pt_AO", "zh_TW", "en_GB", "en_EN"):
        (tmp_path / f"{code}.csv").write_text("a,b")
    locale.load_translations(str(tmp_path))
    assert locale.get("de").code == "de_DE"
    assert locale.get("DE", "pt").code == "de_DE"
    assert locale.get("pt").code == "pt_AO"
    assert locale.get("zh").code == "zh_TW"
    assert locale.get("en").code == "en_US", "the default"
    assert locale.get("es", "de").code == "de_DE"
    assert locale.get("de", "en_GB").code == "en_GB", "what is there by its name comes first, as in Tornado"
    assert locale.get("de_AT").code == "en_US", "another country is another language: sr_RS is no sr_ME"
    assert locale.get("", "d").code == "en_US"
    locale.set_default_locale("pt_BR")
    assert locale.get("pt").code == "pt_BR"
