"""Names which Tornado's modules have only because they import them, and which programs take from there all the same.

``from tornado.httputil import urlencode``, ``tornado.escape.unicode_type``, ``mock.patch("tornado.web.time.time")``: each of them works,
with the very object that it would give on Tornado. What is imported anyhow is put into the module at the end of its import; what
would cost an import is fetched when it is first asked for; so are modules that this package itself seldom needs.

``from tornado.web import *`` brings what it brings on Tornado, by an ``__all__`` that is made here.
"""

import importlib
import sys
from typing import Any

# By module: "module" or "module:name", "=name" behind it where it goes by another one; a leading dot stands for this package.
_NAMES = {
    "auth": ".httputil:responses binascii re uuid .util:unicode_type",
    "autoreload": "pkgutil weakref",
    "concurrent": "sys typing",
    "curl_httpclient": "collections .ioloop .escape:utf8",
    "escape": "binascii html typing .util:unicode_type",
    "gen": "builtins collections datetime sys typing collections.abc:Iterable typing:Dict typing:List typing:Tuple typing:Type"
    " .concurrent:chain_future .concurrent:future_add_done_callback .concurrent:future_set_exc_info",
    "http1connection": "logging types zlib typing:Optional typing:Type typing:cast .concurrent:future_add_done_callback .escape:native_str"
    " .escape:utf8 .util:GzipDecompressor",
    "httpclient": "datetime typing:Optional typing:Type typing:Union",
    "httpserver": "typing",
    "httputil": "http.client:responses calendar copy datetime email http re urllib.parse:parse_qsl urllib.parse:urlencode"
    " urllib.parse:urlparse urllib.parse:urlunparse .util:unicode_type typing:AnyStr",
    "ioloop": "__future__:annotations datetime math numbers random sys typing typing:TypedDict .concurrent:future_set_exc_info",
    "iostream": "asyncio collections numbers re typing re:Pattern .util:errno_from_exception",
    "locale": "csv datetime gettext glob .escape",
    "locks": "collections datetime typing:Optional typing:Type .gen .ioloop .concurrent:future_set_result_unless_cancelled",
    "log": ".escape:_unicode .util:basestring_type .util:unicode_type typing:cast",
    "netutil": "errno functools stat .util:errno_from_exception",
    "options": "datetime .escape:_unicode .escape:native_str .util:basestring_type",
    "platform.asyncio": "errno select socket threading typing typing:Union",
    "platform.caresresolver": "typing",
    "platform.twisted": "sys typing twisted.python.failure .concurrent:future_set_exc_info",
    "process": "asyncio multiprocessing signal time binascii:hexlify",
    "queues": "__future__:annotations collections datetime .ioloop .concurrent:future_set_result_unless_cancelled",
    "routing": "typing:overload .escape:utf8 .util:basestring_type .util:unicode_type",
    "simple_httpclient": "base64 collections copy re urllib .:version typing:Optional typing:Type",
    "tcpclient": "datetime collections.abc:Iterator typing:Tuple",
    "tcpserver": ".util:errno_from_exception",
    "template": "datetime re typing collections.abc:Iterable io:StringIO typing:ContextManager typing:Optional typing:TextIO"
    " .util:ObjectDict .util:exec_in .util:unicode_type",
    "testing": "typing typing:Optional typing:Type typing:Union .util:basestring_type",
    "util": "array asyncio os typing inspect:getfullargspec re:Match",
    "web": "base64 binascii datetime email gzip hashlib hmac http mimetypes string inspect:isclass io:BytesIO urllib.parse:urlencode urllib"
    " .=tornado .concurrent:future_set_result_unless_cancelled .util:_websocket_mask .util:unicode_type types:TracebackType"
    " typing:Optional typing:Type typing:Union",
    "websocket": "hashlib struct zlib typing:Optional typing:Type typing:Union .=tornado .concurrent:future_add_done_callback"
    " .escape:to_unicode .util:_websocket_mask",
    "wsgi": "typing types:TracebackType .=tornado",
}
# The other way round: names of ours that a program which takes all of a module (``from tornado.web import *``) must not get in the place
# of its own. On Tornado its ``dt``, ``tasks`` or ``Empty`` stay what they were.
_NOT_TAKEN = {
    "auth": "oauth1 openid responses secrets",
    "autoreload": "WeakSet runpy",
    "concurrent": "TypeVar contextvars overload",
    "curl_httpclient": "IOLoop check_body check_method contextvars deque fspath math valid_url",
    "escape": "Iterable Iterator codecs functools overload pattern",
    "gen": "AsyncIterator TypeVar cast deque dt factory future_set_exception_unless_cancelled threading traceback",
    "http1connection": "Any BodyTooLargeInput BodyTooLong ClassicReading ClientEngine DONE Endings GzipInflater HeadTooLarge IllegalHeader"
    " InflateError InflatedTooLarge Iterable Iterator MAX_FIELDS PeerError Receiving Sending ServerEngine SingleExchange"
    " TYPE_CHECKING announce gate monotonic new_engine one_line server_session",
    "httpclient": "MutableMapping app_log copyreg deadline dt os",
    "httpserver": "Admission IOLoop WeakKeyDictionary WeakSet app_log asyncio convert_yielded copy forwarded gen_log inspect os select sys",
    "httputil": "Callable HTTPStatus Lazy MappingProperty MultipartDelegate ResponseHead StreamingMultipartFormDataParser"
    " announce contextvars dt header_fields http_date math sys",
    "ioloop": "ClassVar Coroutine TYPE_CHECKING contextvars dt factory overload schedule",
    "iostream": "ByteSource FdSource Feeding Iterator MAX_SEND Reading SocketSource TYPE_CHECKING TransportSocket TransportSource"
    " UnsendableFile WriteBuffer Writing announce cast contextlib contextvars fail kept_buffers read_buffer"
    " ssl_options_to_context time tls transport_source unsent",
    "locale": "Iterator TYPE_CHECKING dt",
    "log": "Callable",
    "netutil": "ClassVar annotations gen_log listening resolving time tls_settings",
    "options": "Concatenate ParamSpec TypeVar dt functools to_unicode",
    "platform.asyncio": "AsyncGenerator Interrupt SelectThread TYPE_CHECKING contextlib factory os transport_source",
    "platform.caresresolver": "future_set_result_unless_cancelled",
    "platform.twisted": "Any Failure future_set_exception_unless_cancelled future_set_result_unless_cancelled",
    "process": "parent threading",
    "routing": "Lazy annotations url_patterns",
    "simple_httpclient": "ClientEngine Coroutine Hashable IntEnum ResponseHead TYPE_CHECKING TypeAlias app_log asyncio cast contextlib"
    " contextvars deque math os",
    "tcpclient": "Awaitable TypeVar deque time timedelta",
    "tcpserver": "Future TYPE_CHECKING asyncio cast functools ssl_options_to_context tls_settings transport_source unsent",
    "template": "CodeType FunctionType ModuleSpec TYPE_CHECKING builtins dt whitespace",
    "testing": "Awaitable overload transport_source",
    "util": "NoReturn TYPE_CHECKING builtins inspect pattern",
    "web": "ClassVar Empty FileContent MappingProperty RequestCollector ResponseHead TYPE_CHECKING annotations announce"
    " body_complete dt end_body_early file_content file_sending file_versions kept_answers kept_files logging one_line"
    " static_files tasks tornadolike zlib",
    "websocket": "CLOSE DEFAULT_LEVEL DEFAULT_MEM_LEVEL DeflateSettings Deflater Delegate Empty InflatedTooLarge Inflater PING Receiver"
    " TYPE_CHECKING access_log announce close_payload done http_methods json_encode latest time web with_error",
    "wsgi": "Iterable TYPE_CHECKING app_log one_line tornadolike",
}
_OURS = "tornadolike"
_BUSY = ("escape", "httputil", "ioloop", "util", "web")
_unsettled: list[tuple[dict[str, Any], dict[str, tuple[str, str]]]] = []


def names(module: str) -> dict[str, tuple[str, str]]:
    """What is put into ``module`` (``"web"``): by its name there, the module that has it and its name in that one ("": itself)."""
    return dict(map(_read, _NAMES.get(module, "").split()))


def _read(entry: str) -> tuple[str, tuple[str, str]]:
    entry, _, name = entry.partition("=")
    source, _, attribute = entry.partition(":")
    name = name or attribute or source.rpartition(".")[2]
    return name, (f"{_OURS}{source}".rstrip(".") if source.startswith(".") else source, attribute)


def complete(module: dict[str, Any]) -> None:
    """Give a module the names that Tornado's has beside its own; to be called with its ``globals()`` at the end of it."""
    put_off = {}
    for name, (source, attribute) in names(module["__name__"].partition(".")[2]).items():
        if name in module:
            continue
        if source in sys.modules or source.partition(".")[0] == _OURS:
            module[name] = _get(source, attribute)
        else:
            put_off[name] = (source, attribute)
    if "__all__" not in module:
        hidden = _NOT_TAKEN.get(module["__name__"].partition(".")[2], "").split()
        module["__all__"] = sorted({name for name in (*module, *put_off) if not name.startswith("_")}.difference(hidden))
    if not put_off:
        return

    def look_up(name: str) -> Any:
        if name not in put_off:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        module[name] = value = _get(*put_off[name])
        return value

    module["__getattr__"] = look_up
    if module["__name__"].partition(".")[2] in _BUSY:
        _unsettled.append((module, put_off))


def settle() -> None:
    """Fetch what was put off, where requests look: as long as a module has a ``__getattr__``, each look-up in it is slow."""
    while _unsettled:
        _fetch(*_unsettled.pop())


def _fetch(module: dict[str, Any], put_off: dict[str, tuple[str, str]]) -> None:
    module.pop("__getattr__", None)
    for name, (source, attribute) in put_off.items():
        if name not in module:
            module[name] = _get(source, attribute)


def _get(source: str, attribute: str) -> Any:
    module = importlib.import_module(source)
    return getattr(module, attribute) if attribute else module
