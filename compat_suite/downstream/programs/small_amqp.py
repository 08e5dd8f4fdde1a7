"""As much of an AMQP 0-9-1 broker as pika's tutorial needs: queues, acknowledgements, confirms, heartbeats; frames by pika itself."""

import itertools
import socket
import threading
from collections import deque
from typing import Any

import pika.frame
from pika import spec

_HEADER = b"AMQP\x00\x00\x09\x01"


class Broker:
    """Listens on ``port`` from its making on, with a thread for each connection. What came is in ``heard``."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard: list[str] = []
        self.cut = threading.Event()  # when set, the next heartbeat ends its connection without a word
        self.queues: dict[str, deque[tuple[spec.BasicProperties, bytes]]] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=_Connection(self, connection).run, daemon=True).start()


class _Connection:
    def __init__(self, broker: Broker, connection: socket.socket) -> None:
        self._broker, self._socket = broker, connection
        self._data = b""
        self._tags = itertools.count(1)
        self._published = itertools.count(1)
        self._confirms = False
        self._consuming: dict[str, str] = {}  # queue: consumer's tag
        self._method: Any = None
        self._content: Any = None

    def run(self) -> None:
        with self._socket:
            if self._receive(len(_HEADER)) != _HEADER:
                return
            can = {"capabilities": {"publisher_confirms": True, "basic.nack": True, "consumer_cancel_notify": True}}
            self._send(0, spec.Connection.Start(server_properties=can, mechanisms="PLAIN", locales="en_US"))
            while (frame := self._frame()) is not None:
                self._take(frame)

    def _receive(self, count: int) -> bytes:
        while len(self._data) < count:
            if not (more := self._socket.recv(65536)):
                return b""
            self._data += more
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _frame(self) -> Any:
        while True:
            used, frame = pika.frame.decode_frame(self._data)
            if frame is not None:
                self._data = self._data[used:]
                return frame
            try:
                more = self._socket.recv(65536)
            except OSError:
                return None
            if not more:
                return None
            self._data += more

    def _send(self, channel: int, method: Any) -> None:
        self._socket.sendall(pika.frame.Method(channel, method).marshal())

    def _take(self, frame: Any) -> None:
        if isinstance(frame, pika.frame.Heartbeat):
            if self._broker.cut.is_set():
                self._broker.cut.clear()
                self._socket.shutdown(socket.SHUT_RDWR)
            else:
                self._socket.sendall(frame.marshal())
        elif isinstance(frame, pika.frame.Header):
            self._content = (frame.properties, frame.body_size, b"")
            self._complete(frame.channel_number)
        elif isinstance(frame, pika.frame.Body):
            properties, size, body = self._content
            self._content = (properties, size, body + frame.fragment)
            self._complete(frame.channel_number)
        else:
            self._broker.heard.append(frame.method.NAME)
            handler = getattr(self, "_" + frame.method.NAME.replace(".", "_").lower(), None)
            if handler is not None:
                handler(frame.channel_number, frame.method)

    def _complete(self, channel: int) -> None:
        properties, size, body = self._content
        if len(body) < size:
            return
        self._broker.queues[self._method.routing_key].append((properties, body))
        if self._confirms:
            self._send(channel, spec.Basic.Ack(next(self._published)))
        self._deliver(channel)

    def _deliver(self, channel: int) -> None:
        for name, tag in self._consuming.items():
            waiting = self._broker.queues[name]
            while waiting:
                properties, body = waiting.popleft()
                parts = [
                    pika.frame.Method(channel, spec.Basic.Deliver(tag, next(self._tags), False, "", name)),
                    pika.frame.Header(channel, len(body), properties),
                    *(pika.frame.Body(channel, body[start : start + 4000]) for start in range(0, len(body), 4000)),
                ]
                self._socket.sendall(b"".join(part.marshal() for part in parts))

    def _connection_startok(self, channel: int, method: Any) -> None:
        self._send(channel, spec.Connection.Tune(channel_max=10, frame_max=8192, heartbeat=2))

    def _connection_open(self, channel: int, method: Any) -> None:
        self._send(channel, spec.Connection.OpenOk())

    def _connection_close(self, channel: int, method: Any) -> None:
        self._send(channel, spec.Connection.CloseOk())

    def _channel_open(self, channel: int, method: Any) -> None:
        self._send(channel, spec.Channel.OpenOk())

    def _channel_close(self, channel: int, method: Any) -> None:
        self._send(channel, spec.Channel.CloseOk())

    def _queue_declare(self, channel: int, method: Any) -> None:
        if method.passive and method.queue not in self._broker.queues:
            self._send(channel, spec.Channel.Close(404, "NOT_FOUND", 50, 10))
            return
        waiting = self._broker.queues.setdefault(method.queue, deque())
        self._send(channel, spec.Queue.DeclareOk(method.queue, len(waiting), 0))

    def _basic_qos(self, channel: int, method: Any) -> None:
        self._send(channel, spec.Basic.QosOk())

    def _basic_consume(self, channel: int, method: Any) -> None:
        self._consuming[method.queue] = method.consumer_tag
        self._send(channel, spec.Basic.ConsumeOk(method.consumer_tag))
        self._deliver(channel)

    def _basic_cancel(self, channel: int, method: Any) -> None:
        self._consuming = {name: tag for name, tag in self._consuming.items() if tag != method.consumer_tag}
        self._send(channel, spec.Basic.CancelOk(method.consumer_tag))

    def _confirm_select(self, channel: int, method: Any) -> None:
        self._confirms = True
        self._send(channel, spec.Confirm.SelectOk())

    def _basic_publish(self, channel: int, method: Any) -> None:
        self._method = method
