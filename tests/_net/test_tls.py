"""TLS without a socket: two sessions talk to each other in memory."""

import ssl
from pathlib import Path

import pytest

import tornadolike
from tornadolike._net.tls import Session

HERE = Path(tornadolike.__file__).parent


def make_server() -> Session:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    return Session(context, server_side=True)


def make_client(verify: bool = False, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Session:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    context.maximum_version = newest
    return Session(context, server_side=False, server_hostname="localhost")


def shake(client: Session, server: Session) -> None:
    client.start()
    for _ in range(5):
        assert server.feed(client.outgoing()) == b""
        assert client.feed(server.outgoing()) == b""
    assert client.established
    assert server.established


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_go_both_ways(newest: ssl.TLSVersion) -> None:
    client, server = make_client(newest=newest), make_server()
    shake(client, server)
    assert server.feed(client.encrypt(b"hello")) == b"hello"
    assert client.feed(server.encrypt(memoryview(b"x" * 100_000))) == b"x" * 100_000
    assert client.outgoing() == b""


def test_records_may_arrive_in_any_pieces() -> None:
    client, server = make_client(), make_server()
    shake(client, server)
    wire = client.encrypt(b"a" * 40_000)
    received = b"".join(server.feed(wire[at : at + 777]) for at in range(0, len(wire), 777))
    assert received == b"a" * 40_000


def test_data_that_comes_along_with_the_end_of_the_handshake() -> None:
    client, server = make_client(), make_server()
    client.start()
    server.feed(client.outgoing())
    client.feed(server.outgoing())
    assert client.established
    finished = client.outgoing()
    assert server.feed(finished + client.encrypt(b"at once")) == b"at once"


def test_a_farewell_is_told_from_the_data_before_it() -> None:
    client, server = make_client(), make_server()
    shake(client, server)
    wire = client.encrypt(b"last words") + client.finish()
    assert server.feed(wire) == b"last words"
    assert server.peer_closed
    assert not client.peer_closed


def test_a_refusal_leaves_an_alert_to_send() -> None:
    client, server = make_client(verify=True), make_server()
    client.start()
    server.feed(client.outgoing())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.feed(server.outgoing())
    alert = client.outgoing()
    assert alert
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        server.feed(alert)


def test_a_broken_record_is_an_error() -> None:
    client, server = make_client(), make_server()
    shake(client, server)
    wire = bytearray(client.encrypt(b"secret"))
    wire[-1] ^= 1
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record|record.layer"):  # since OpenSSL 3.5
        server.feed(bytes(wire))
    assert server.outgoing()
