"""Reads BASE/room with httpx-sse and tells BASE/heard what it was sent. It leaves coming back to its user."""

import sys

import httpx
from httpx_sse import connect_sse


def main(base: str) -> None:
    last = ""
    with httpx.Client(timeout=60, trust_env=False) as reading, httpx.Client(timeout=60, trust_env=False) as telling:
        while True:
            try:
                with connect_sse(reading, "GET", f"{base}/room", headers={"Last-Event-ID": last} if last else {}) as source:
                    for event in source.iter_sse():
                        if event.event == "message":
                            last = event.id
                            telling.post(f"{base}/heard", content=f"{event.id} {event.data}")
            except httpx.TransportError:
                pass


if __name__ == "__main__":
    main(sys.argv[1])
