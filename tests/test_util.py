"""tornadolike.util: configurable classes, streaming gzip and the small tools."""

import doctest
import gzip
import re
import sys
import time
import zlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike import util
from tornadolike.util import ArgReplacer, Configurable, GzipDecompressor, ObjectDict


def test_docstring_examples_hold() -> None:
    result = doctest.testmod(util)
    assert result.attempted > 5
    assert result.failed == 0
    assert util.doctests().countTestCases() == 3


# Configurable


class Store(Configurable):
    @classmethod
    def configurable_base(cls):
        return Store

    @classmethod
    def configurable_default(cls):
        return MemoryStore


class MemoryStore(Store):
    def initialize(self, size=1, name="memory"):
        self.size, self.name = size, name


class DiskStore(MemoryStore):
    pass


class RemoteStore(Store):
    @classmethod
    def configurable_base(cls):
        return RemoteStore

    @classmethod
    def configurable_default(cls):
        return HttpStore


class HttpStore(RemoteStore):
    def initialize(self, size=7):
        self.size = size


class FtpStore(HttpStore):
    pass


class Plain(Configurable):
    @classmethod
    def configurable_base(cls):
        return Plain

    @classmethod
    def configurable_default(cls):
        return Plain


@pytest.fixture
def _unconfigured() -> Iterator[None]:
    saved, saved_inner = Store._save_configuration(), RemoteStore._save_configuration()
    yield
    Store._restore_configuration(saved)
    RemoteStore._restore_configuration(saved_inner)


@pytest.mark.usefixtures("_unconfigured")
class TestConfigurable:
    def test_the_default_is_made_with_the_callers_arguments(self) -> None:
        assert type(Store()) is MemoryStore
        assert Store(3, name="x").size == 3
        assert Store.configured_class() is MemoryStore

    def test_a_class_or_its_name_can_be_chosen(self) -> None:
        Store.configure(DiskStore)
        assert type(Store()) is DiskStore
        sys.modules["stores"] = SimpleNamespace(MemoryStore=MemoryStore)
        try:
            Store.configure("stores.MemoryStore")
        finally:
            del sys.modules["stores"]
        assert type(Store()) is MemoryStore

    def test_configured_arguments_yield_to_those_of_the_call_and_spare_direct_calls(self) -> None:
        Store.configure(None, size=5, name="shared")
        assert (Store().size, Store().name) == (5, "shared")
        assert Store(size=6).size == 6
        assert MemoryStore().size == 1

    def test_an_implementation_may_be_a_hierarchy_of_its_own(self) -> None:
        assert type(RemoteStore()) is HttpStore
        Store.configure(RemoteStore, size=9)
        RemoteStore.configure(FtpStore)
        made = Store()
        assert (type(made), made.size) == (FtpStore, 9)

    def test_a_choice_for_the_outer_base_is_none_for_the_inner(self) -> None:
        Store.configure(DiskStore)
        assert type(RemoteStore()) is HttpStore

    def test_strangers_are_refused(self) -> None:
        with pytest.raises(ValueError, match="Invalid subclass of"):
            RemoteStore.configure(DiskStore)

    def test_saved_choices_come_back(self) -> None:
        Store.configure(DiskStore, size=2)
        saved = Store._save_configuration()
        Store.configure(None)
        Store._restore_configuration(saved)
        assert type(Store()) is DiskStore
        assert Store().size == 2


def test_a_configurable_class_needs_no_initialize() -> None:
    assert type(Plain()) is Plain


def test_a_hierarchy_must_say_what_it_is() -> None:
    with pytest.raises(NotImplementedError):
        Configurable()
    with pytest.raises(NotImplementedError):
        Configurable.configurable_default()


# GzipDecompressor


def read_all(data: bytes, step: int, limit: int) -> bytes:
    gunzip, out = GzipDecompressor(), b""
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        while piece:
            got = gunzip.decompress(piece, limit)
            assert len(got) <= limit
            assert got or len(gunzip.unconsumed_tail) < len(piece)
            out, piece = out + got, gunzip.unconsumed_tail
    assert gunzip.flush() == b""
    return out


@given(
    st.lists(st.one_of(st.binary(max_size=200), st.builds(lambda n: b"a" * n, st.integers(0, 20_000))), max_size=4),
    st.integers(1, 500),
    st.integers(1, 5000),
)
@settings(max_examples=60, deadline=None)
def test_members_in_any_cut_give_what_gzip_gives(members: list[bytes], step: int, limit: int) -> None:
    data = b"".join(gzip.compress(m, mtime=0) for m in members)
    assert read_all(data, step, max(limit, sum(map(len, members)) // 50 + 1)) == b"".join(members)


@pytest.mark.parametrize("bad", [b"\x1f\x8b\x08", gzip.compress(b"abc")[:-1], gzip.compress(b"abc") * 2 + b"\x1f"])
def test_an_unfinished_stream_is_found_at_the_end(bad: bytes) -> None:
    with pytest.raises(zlib.error, match="inside of a member"):
        read_all(bad, 100, 100)


@pytest.mark.parametrize(
    "bad", [b"plain", zlib.compress(b"x"), gzip.compress(b"x") + b"\r\n", b"\x1f\x8c", gzip.compress(b"x")[:-4] + b"oops"]
)
@pytest.mark.parametrize("step", [1, 100])
def test_what_is_not_gzip_is_refused(bad: bytes, step: int) -> None:
    with pytest.raises(zlib.error):
        read_all(bad, step, 100)


def test_a_bomb_is_held_back_and_must_be_taken_on() -> None:
    gunzip = GzipDecompressor()
    assert len(gunzip.decompress(gzip.compress(bytes(10_000_000)), 1000)) == 1000
    assert gunzip.unconsumed_tail
    with pytest.raises(ValueError, match="unconsumed_tail"):
        gunzip.flush()


def test_no_limit_warns_and_reads_every_member() -> None:
    gunzip = GzipDecompressor()
    with pytest.warns(DeprecationWarning, match="without max_length"):
        assert gunzip.decompress(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    assert gunzip.flush() == b""


def test_many_tiny_members_cost_linear_time() -> None:
    data = gzip.compress(b"") * 40_000
    start = time.process_time()
    assert GzipDecompressor().decompress(data, 100) == b""
    assert time.process_time() - start < 2


# the small tools


def test_object_dict() -> None:
    item = ObjectDict(a=1)
    item.b = 2
    assert item == {"a": 1, "b": 2}
    assert item.a == 1
    with pytest.raises(AttributeError, match=r"^c$"):
        _ = item.c


def function(first, second, third=None, *, fourth=None):
    raise AssertionError("never called")


class TestArgReplacer:
    def test_a_positional_argument(self) -> None:
        replacer = ArgReplacer(function, "second")
        args = (1, 2)
        assert replacer.arg_pos == 1
        assert replacer.get_old_value(args, {}) == 2
        assert replacer.replace("new", args, {}) == (2, [1, "new"], {})
        assert args == (1, 2)

    @pytest.mark.parametrize("name", ["third", "fourth"])
    def test_a_keyword_argument(self, name: str) -> None:
        replacer = ArgReplacer(function, name)
        assert replacer.replace("new", (1,), {name: "old"}) == ("old", (1,), {name: "new"})

    @pytest.mark.parametrize("name", ["third", "fourth", "unknown"])
    def test_an_argument_left_out(self, name: str) -> None:
        replacer = ArgReplacer(function, name)
        assert replacer.get_old_value((1, 2), {}, "default") == "default"
        assert replacer.replace("new", (1, 2), {}) == (None, (1, 2), {name: "new"})

    def test_a_function_without_a_signature(self) -> None:
        class Compiled:
            func_code = SimpleNamespace(co_varnames=("x", "callback", "local"), co_argcount=2)

        assert ArgReplacer(Compiled(), "callback").arg_pos == 1
        with pytest.raises(TypeError):
            ArgReplacer(object(), "callback")


def test_import_object_prefers_the_attribute_and_finds_submodules() -> None:
    assert util.import_object("xml.dom.minidom.parseString").__name__ == "parseString"
    assert util.import_object("concurrent.futures.thread").__name__ == "concurrent.futures.thread"
    for missing in ("os.nonsense", "no_such_module_at_all", "no_such.module"):
        with pytest.raises(ImportError, match=r"No module named .?no"):
            util.import_object(missing)


def test_exec_in_passes_on_no_future() -> None:
    space: dict[str, object] = {}
    util.exec_in("from __future__ import annotations\ndef f(x: int): pass", space)
    util.exec_in("def g(x: int): pass", space)
    assert space["f"].__annotations__ == {"x": "int"}
    assert space["g"].__annotations__ == {"x": int}
    names: dict[str, object] = {}
    util.exec_in(compile("n = 1", "<x>", "exec"), {}, names)
    assert names == {"n": 1}


def test_raise_exc_info_keeps_the_object_and_its_traceback() -> None:
    try:
        1 / 0  # noqa: B018 - raises
    except ZeroDivisionError:
        info = sys.exc_info()
    with pytest.raises(ZeroDivisionError) as caught:
        util.raise_exc_info(info)
    assert caught.value is info[1]
    assert caught.traceback[-1].name == "test_raise_exc_info_keeps_the_object_and_its_traceback"
    with pytest.raises(TypeError):
        util.raise_exc_info((None, None, None))


def test_errno_from_exception() -> None:
    assert util.errno_from_exception(OSError(2, "gone")) == 2
    assert util.errno_from_exception(ValueError(5)) == 5
    assert util.errno_from_exception(ValueError()) is None
    assert util.errno_from_exception(OSError("text")) is None


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_re_unescape_is_the_inverse_of_escape(text: str) -> None:
    assert util.re_unescape(re.escape(text)) == text


@pytest.mark.parametrize("pattern", [r"\d", r"a\Z", r"\1"])
def test_re_unescape_refuses_classes(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot unescape"):
        util.re_unescape(pattern)


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=70))
@settings(max_examples=80, deadline=None)
def test_masking_is_what_the_rfc_says(mask: bytes, data: bytes) -> None:
    masked = util._websocket_mask(mask, data)
    assert masked == bytes(b ^ mask[i % 4] for i, b in enumerate(data))
    assert util._websocket_mask(mask, masked) == data


def test_a_mask_has_four_bytes() -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        util._websocket_mask_python(b"abc", b"data")


def test_names_kept_for_old_code() -> None:
    import asyncio
    import datetime as dt

    assert (util.bytes_type, util.unicode_type, util.basestring_type) == (bytes, str, str)
    assert util.TimeoutError is TimeoutError is asyncio.TimeoutError
    assert util.timedelta_to_seconds(dt.timedelta(minutes=1, milliseconds=5)) == 60.005
