"""Uploads of any size: forms whose files go to disk while they come. Not in Tornado.

::

    class Upload(UploadHandler):
        upload_dir = "/srv/app/incoming"
        max_file_size = 2 * 1024**3

        def post(self):
            for file in self.uploads:
                file.move_to(f"/srv/app/files/{uuid.uuid4()}")
            self.write({"title": self.get_body_argument("title"), "files": len(self.uploads)})

The method runs when the form is complete. Fields that are no files are arguments as ever. Files that were not moved are removed when the
request is over, whichever way it ends.
"""

import asyncio
import contextlib
import functools
import mmap
import os
import tempfile
from collections.abc import Awaitable, Iterable
from typing import Any

from tornadolike import httputil, web

# A write to disk may have to wait: it is done in a thread, in pieces for which that pays.
_WRITE_BYTES = 1024 * 1024


class UploadedFile:
    """A file of a form, on disk.

    ``name`` is that of the form's field, ``filename`` and ``content_type`` are what the client says, ``path`` is where the file lies (a
    name that nobody can guess, mode 0600), ``size`` is in bytes, ``headers`` are those of the part.
    """

    def __init__(self, name: str, filename: str, headers: httputil.HTTPHeaders, directory: str | None) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        self.content_type = headers.get("Content-Type", "application/octet-stream")
        self.size = 0
        self._descriptor, self.path = tempfile.mkstemp(prefix="upload-", dir=directory)

    def move_to(self, path: str) -> None:
        """Give the file another place, in the way of `os.replace`: on the same file system, and over whatever is there."""
        os.replace(self.path, path)
        self.path = path
        self._kept = True

    _kept = False

    def _write(self, content: memoryview) -> None:
        written = 0
        while written < len(content):
            written += os.write(self._descriptor, content[written:])

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)

    def _remove(self) -> None:
        self._close()
        if not self._kept:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.path)


@web.stream_request_body
class UploadHandler(web.RequestHandler):
    """Takes ``multipart/form-data`` of any size: ``self.uploads`` are the files, as `UploadedFile`, when the method runs.

    Limits are attributes of the class, in bytes: of a file, of a field that is no file, of the whole body, and the number of files. What is
    beyond is answered with 413 as soon as it is seen, a malformed form with 400, another type of body with 415, by `write_error`.
    A subclass that overrides ``prepare`` or ``on_finish`` calls ``super()``'s. ``progress`` is a hook.
    """

    upload_dir: str | None = None
    """Where files go; by default the setting ``upload_dir``, else the system's directory for temporary files."""
    max_file_size = 1024 * 1024 * 1024
    """Bytes in one file."""
    max_field_size = 1024 * 1024
    """Bytes in one field that is no file."""
    max_total_size = 10 * 1024 * 1024 * 1024
    """Bytes in the whole body."""
    max_files = 100
    """Files in one form."""

    def __init__(self, application: web.Application, request: httputil.HTTPServerRequest, **kwargs: Any) -> None:
        self.uploads: list[UploadedFile] = []
        self.received = 0
        self.__parser: httputil.StreamingMultipartFormDataParser | None = None
        self.__expected: int | None = None
        self.__done: asyncio.Future[None] | None = None
        super().__init__(application, request, **kwargs)

    def prepare(self) -> Awaitable[None] | None:
        """Begin to take the form, where the request has a body."""
        if self.request.method not in ("POST", "PUT", "PATCH"):
            return None
        length = self.request.headers.get("Content-Length")
        self.__expected = None if length is None else int(length)
        if self.__expected is not None and self.__expected > self.max_total_size:
            raise web.HTTPError(413)
        connection: Any = self.request.connection
        connection.set_max_body_size(self.max_total_size + 1)  # so that it is we who say no
        content_type = self.request.headers.get("Content-Type", "")
        if not content_type.lower().startswith("multipart/form-data"):
            raise web.HTTPError(415)
        try:
            self.__parser = httputil.StreamingMultipartFormDataParser.from_content_type(content_type, _Receiver(self))
        except httputil.HTTPInputError as error:
            raise web.HTTPError(400, "Invalid body: %s", error) from error
        return None

    def progress(self, received: int, total: int | None) -> None:
        """A hook, called for each piece: how many bytes have come, and how many there will be, where the client has said so."""

    def data_received(self, chunk: bytes) -> Awaitable[None]:
        """Take a piece of the body."""
        if self._finished or self.__parser is None:
            return self.__nothing()  # what was sent ahead of our refusal
        self.received += len(chunk)
        wanted = None
        try:
            if self.received > self.max_total_size:
                raise web.HTTPError(413)
            wanted = self.__parser.data_received(chunk)
        except (httputil.HTTPInputError, web.HTTPError) as error:
            self.__refuse(error)
        else:
            if wanted is not None:
                return self.__wait(wanted)
            self.progress(self.received, self.__expected)
        return self.__nothing()

    def __nothing(self) -> asyncio.Future[None]:
        """What can be awaited and is done: for a coroutine the connection would stop, have it run, and go on."""
        if self.__done is None:
            self.__done = asyncio.get_running_loop().create_future()
            self.__done.set_result(None)
        return self.__done

    async def __wait(self, wanted: Awaitable[None]) -> None:
        try:
            await wanted
        except (httputil.HTTPInputError, web.HTTPError) as error:
            self.__refuse(error)
        else:
            self.progress(self.received, self.__expected)

    def __refuse(self, error: httputil.HTTPInputError | web.HTTPError) -> None:
        """Answer now: the rest of the body is not waited for."""
        self.__parser = None
        try:
            raise error if isinstance(error, web.HTTPError) else web.HTTPError(400, "Invalid body: %s", error)
        except web.HTTPError as raised:
            self._handle_request_exception(raised)
        self.__clean_up()

    def _upload_complete(self) -> None:
        """The body is there: see that the form is, too."""
        if self.__parser is not None:
            try:
                self.__parser.finish()
            except httputil.HTTPInputError as error:
                raise web.HTTPError(400, "Invalid body: %s", error) from error

    def on_finish(self) -> None:
        """Remove what was not moved."""
        self.__clean_up()

    def on_connection_close(self) -> None:
        """Remove all: the form will never be complete."""
        super().on_connection_close()
        self.__clean_up()

    def __clean_up(self) -> None:
        for file in self.uploads:
            file._remove()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Have the form looked at before each method runs that a subclass defines for requests with a body."""
        super().__init_subclass__(**kwargs)
        for name in ("post", "put", "patch"):
            method = vars(cls).get(name)
            if method is not None:
                setattr(cls, name, _after_the_form(method))


def _after_the_form(method: Any) -> Any:
    @functools.wraps(method)
    def wrapper(self: UploadHandler, *args: Any, **kwargs: Any) -> Any:
        self._upload_complete()
        return method(self, *args, **kwargs)

    return wrapper


class _Receiver(httputil.MultipartDelegate):
    """Puts the parts where they belong."""

    def __init__(self, handler: UploadHandler) -> None:
        self._handler = handler
        self._name = ""
        self._file: UploadedFile | None = None
        self._size = 0  # of the part
        self._value: list[bytes] = []  # of a field
        self._room: mmap.mmap | None = None
        self._waiting = 0  # bytes of a file in the room

    def part_started(self, name: str, filename: str | None, headers: httputil.HTTPHeaders) -> None:
        handler = self._handler
        self._name, self._file, self._size, self._value = name, None, 0, []
        if filename:
            if len(handler.uploads) >= handler.max_files:
                raise web.HTTPError(413, "more than %d files", handler.max_files)
            directory = handler.upload_dir or handler.settings.get("upload_dir")
            self._file = UploadedFile(name, filename, headers, directory)
            handler.uploads.append(self._file)

    def part_data_received(self, chunk: bytes) -> Awaitable[None] | None:
        handler, file = self._handler, self._file
        self._size += len(chunk)
        if self._size > (handler.max_field_size if file is None else handler.max_file_size):
            raise web.HTTPError(413, "%s is larger than allowed", self._name)
        if file is None:
            self._value.append(chunk)
            return None
        return self._keep(file, chunk)

    def _keep(self, file: UploadedFile, chunk: bytes) -> Awaitable[None] | None:
        """Copied to where the last ones lay: to hold on to the pieces has the C library ask the system for the memory of each one anew."""
        if self._room is None:
            self._room = mmap.mmap(-1, _WRITE_BYTES)  # which takes memory where something lies there, and no more than the client has sent
        begin, end = self._waiting, self._waiting + len(chunk)
        if end > _WRITE_BYTES:
            return self._write(file, chunk)
        self._room[begin:end] = chunk
        self._waiting = end
        return None

    async def _write(self, file: UploadedFile, chunk: bytes = b"") -> None:
        """Write what is kept, and ``chunk``, for which there is no room."""
        assert self._room is not None
        kept, self._waiting = memoryview(self._room)[: self._waiting], 0
        await asyncio.get_running_loop().run_in_executor(None, _write_all, file, (kept, memoryview(chunk)))

    def part_finished(self) -> Awaitable[None] | None:
        if self._file is not None:
            self._file.size = self._size
            return self._finish_file(self._file)
        request, value = self._handler.request, b"".join(self._value)
        request.body_arguments.setdefault(self._name, []).append(value)
        request.arguments.setdefault(self._name, []).append(value)
        return None

    async def _finish_file(self, file: UploadedFile) -> None:
        if self._waiting:
            await self._write(file)
        self._room = None
        file._close()


def _write_all(file: UploadedFile, contents: Iterable[memoryview]) -> None:
    for content in contents:
        file._write(content)
