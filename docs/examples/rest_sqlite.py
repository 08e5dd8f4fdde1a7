"""A REST interface to notes in a SQLite file.

    GET    /notes            all notes
    POST   /notes            a new one from {"text": "..."}; its address comes in Location
    GET    /notes/1          one
    PUT    /notes/1          replace its text
    DELETE /notes/1          delete it

SQLite blocks, so all of its work is done on one thread of an executor, and the event loop stays free.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from tornado.escape import json_decode
from tornado.options import define, options, parse_command_line
from tornado.web import Application, HTTPError, RequestHandler, url

define("port", default=8888, help="TCP port to listen on")
define("file", default="notes.sqlite", help="the database")


class Notes:
    """The table of notes. Every method is a coroutine that runs its SQL on the one thread which owns the connection."""

    def __init__(self, file):
        self._thread = ThreadPoolExecutor(1)
        self._file = file
        self._database = None

    async def _run(self, sql, *values):
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._execute, sql, values)

    def _execute(self, sql, values):
        if self._database is None:
            self._database = sqlite3.connect(self._file)
            self._database.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        with self._database:  # one transaction
            cursor = self._database.execute(sql, values)
            return cursor.fetchall(), cursor.lastrowid, cursor.rowcount

    async def all(self):
        rows, _, _ = await self._run("SELECT id, text FROM note ORDER BY id")
        return [{"id": number, "text": text} for number, text in rows]

    async def get(self, number):
        rows, _, _ = await self._run("SELECT id, text FROM note WHERE id = ?", number)
        return {"id": rows[0][0], "text": rows[0][1]} if rows else None

    async def add(self, text):
        _, number, _ = await self._run("INSERT INTO note (text) VALUES (?)", text)
        return number

    async def replace(self, number, text):
        return (await self._run("UPDATE note SET text = ? WHERE id = ?", text, number))[2] == 1

    async def delete(self, number):
        return (await self._run("DELETE FROM note WHERE id = ?", number))[2] == 1


class JsonHandler(RequestHandler):
    """What both resources share: the table, JSON in, JSON out, errors as JSON too."""

    def initialize(self, notes):
        self.notes = notes

    def text_from_body(self):
        try:
            text = json_decode(self.request.body)["text"]
        except (ValueError, KeyError, TypeError):
            raise HTTPError(400, reason="Body must be JSON with a text") from None
        if not isinstance(text, str) or not text.strip():
            raise HTTPError(422, reason="Text must not be empty")
        return text

    def write_error(self, status_code, **kwargs):
        self.finish({"error": self._reason})


class NotesHandler(JsonHandler):
    async def get(self):
        self.write({"notes": await self.notes.all()})

    async def post(self):
        number = await self.notes.add(self.text_from_body())
        self.set_status(201)
        self.set_header("Location", self.reverse_url("note", number))
        self.write({"id": number})


class NoteHandler(JsonHandler):
    async def get(self, number):
        note = await self.notes.get(int(number))
        if note is None:
            raise HTTPError(404)
        self.write(note)

    async def put(self, number):
        if not await self.notes.replace(int(number), self.text_from_body()):
            raise HTTPError(404)
        self.set_status(204)

    async def delete(self, number):
        if not await self.notes.delete(int(number)):
            raise HTTPError(404)
        self.set_status(204)


def make_app(file):
    resources = {"notes": Notes(file)}
    return Application(
        [
            url(r"/notes", NotesHandler, resources),
            url(r"/notes/([0-9]{1,18})", NoteHandler, resources, name="note"),
        ]
    )


async def main():
    parse_command_line()
    make_app(options.file).listen(options.port)
    print(f"http://127.0.0.1:{options.port}/notes answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
