"""As much of a MongoDB server as an example asks of one: documents in memory, cursors, change streams, over the real wire protocol."""

import itertools
import operator
import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import bson

_QUERY, _REPLY, _MESSAGE = 2004, 1, 2013
_COMPARISONS = {"$eq": operator.eq, "$lt": operator.lt, "$gte": operator.ge}
Document = dict[str, Any]


def start() -> int:
    """Serve in threads of this process, which end with it. Returns the port."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Connection)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


class _Database:
    """What all connections share."""

    def __init__(self) -> None:
        self.collections: dict[str, list[Document]] = {}
        self.changes: list[Document] = []
        self.changed = threading.Condition()
        self.cursors: dict[int, Iterator[list[Document]]] = {}
        self.numbers = itertools.count(1)


_DATABASE = _Database()


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while head := self._read(16):
            length, number, _, kind = struct.unpack("<iiii", head)
            body = self._read(length - 16)
            if kind == _QUERY:  # the first question of a connection, from before there were messages
                document = bson.decode(body[body.index(b"\0", 4) + 1 + 8 :])
                answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(_answer(document))
                self._send(number, _REPLY, answer)
            else:
                self._send(number, _MESSAGE, b"\0\0\0\0\0" + bson.encode(_answer(_read_message(body))))

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.request.recv(count - len(data))
            if not more:
                return b""
            data += more
        return data

    def _send(self, answered: int, kind: int, body: bytes) -> None:
        self.request.sendall(struct.pack("<iiii", 16 + len(body), 0, answered, kind) + body)


def _read_message(body: bytes) -> Document:
    """The command, with the sequences of documents that stand beside it put in."""
    command: Document = {}
    position = 4
    while position < len(body):
        kind = body[position]
        (size,) = struct.unpack_from("<i", body, position + 1)
        section = body[position + 1 : position + 1 + size]
        if kind == 0:
            command = bson.decode(section) | command
        else:
            name, _, documents = section[4:].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
        position += 1 + size
    return command


def _answer(command: Document) -> Document:
    name = next(one for one in command if one in _COMMANDS or not one.startswith("$"))
    answer = _COMMANDS.get(name, lambda command: {})(command)
    return {"ok": 1.0, **answer}


def _hello(command: Document) -> Document:
    limits = {"maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 1 << 25, "maxWriteBatchSize": 1000}
    return {"ismaster": True, "helloOk": True, "minWireVersion": 0, "maxWireVersion": 21, **limits}


def _collection(command: Document, name: str) -> list[Document]:
    return _DATABASE.collections.setdefault(f"{command['$db']}.{command[name]}", [])


def _insert(command: Document) -> Document:
    documents = command["documents"]
    with _DATABASE.changed:
        _collection(command, "insert").extend(documents)
        for one in documents:
            number = next(_DATABASE.numbers)
            namespace = {"db": command["$db"], "coll": command["insert"]}
            _DATABASE.changes.append({"_id": {"_data": f"{number:08x}"}, "operationType": "insert", "ns": namespace, "fullDocument": one})
        _DATABASE.changed.notify_all()
    return {"n": len(documents)}


def _find(command: Document) -> Document:
    wanted = command.get("filter", {})
    found = [one for one in _collection(command, "find") if all(_matches(one.get(name), value) for name, value in wanted.items())]
    for name, direction in reversed(command.get("sort", {}).items()):
        found.sort(key=lambda one: one[name], reverse=direction < 0)
    found = found[command.get("skip", 0) :][: abs(command.get("limit", 0)) or None]
    return _open(command, command["find"], _in_batches(found, command.get("batchSize", 101)))


def _matches(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return all(_COMPARISONS[name](value, bound) for name, bound in wanted.items())


def _in_batches(documents: list[Document], size: int) -> Iterator[list[Document]]:
    for start in range(0, max(len(documents), 1), size):
        yield documents[start : start + size]


def _aggregate(command: Document) -> Document:
    """A change stream: there is nothing else that an example asks for."""
    cursor = _open(command, command["aggregate"], itertools.chain([[]], _new_changes(command)))
    return {"operationTime": bson.Timestamp(1, 1), **cursor}


def _new_changes(command: Document) -> Iterator[list[Document]]:
    seen = len(_DATABASE.changes)
    while True:
        with _DATABASE.changed:
            if len(_DATABASE.changes) == seen:
                _DATABASE.changed.wait(timeout=0.5)
            new = _DATABASE.changes[seen:]
            seen += len(new)
        yield [one for one in new if one["ns"] == {"db": command["$db"], "coll": command["aggregate"]}]


def _open(command: Document, collection: str, batches: Iterator[list[Document]]) -> Document:
    number = next(_DATABASE.numbers)
    first = next(batches)
    following = next(batches, None) if "aggregate" not in command else []
    if following is None:
        number = 0
    else:
        _DATABASE.cursors[number] = itertools.chain([following], batches) if following else batches
    return {"cursor": {"id": bson.Int64(number), "ns": f"{command['$db']}.{collection}", "firstBatch": first}}


def _get_more(command: Document) -> Document:
    number = command["getMore"]
    batch = next(_DATABASE.cursors[number], None)
    return {
        "cursor": {
            "id": bson.Int64(number if batch is not None else 0),
            "ns": f"{command['$db']}.{command['collection']}",
            "nextBatch": batch or [],
        }
    }


def _delete(command: Document) -> Document:
    documents = _collection(command, "delete")
    before = len(documents)
    for wanted in command["deletes"]:
        documents[:] = [one for one in documents if not all(one.get(name) == value for name, value in wanted["q"].items())]
    return {"n": before - len(documents)}


_COMMANDS = {
    "hello": _hello,
    "isMaster": _hello,
    "ismaster": _hello,
    "insert": _insert,
    "find": _find,
    "aggregate": _aggregate,
    "getMore": _get_more,
    "delete": _delete,
    "listIndexes": lambda command: _open(command, command["listIndexes"], iter([[]])),
}
