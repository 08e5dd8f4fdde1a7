"""Is it prime? Send an integer to the WebSocket /prime, in decimal; `prime_client.py` does, and so does the page at /.

    17      ->  {"number": "17", "prime": true}
    nine    ->  {"error": "..."}

One answer for each question, in order. The arithmetic runs in threads, because the numbers may be large.
"""

import asyncio
import random

from tornado.options import define, options, parse_command_line
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

define("port", default=8888, help="TCP port to listen on")

MOST_DIGITS = 600

PAGE = """<!DOCTYPE html>
<html lang=en>
<meta name=viewport content="width=device-width">
<title>Prime?</title>
<h1>Prime?</h1>
<form><label>An integer <input name=number autofocus autocomplete=off size=60></label> <button>Is it prime?</button></form>
<ul></ul>
<script>
const form = document.querySelector("form"), list = document.querySelector("ul");
const socket = new WebSocket(`${location.protocol == "https:" ? "wss" : "ws"}://${location.host}/prime`);
socket.onmessage = event => {
    const {number, prime, error} = JSON.parse(event.data);
    list.appendChild(document.createElement("li")).textContent = error || `${number} is ${prime ? "" : "not "}prime`;
};
form.onsubmit = event => {
    event.preventDefault();
    socket.send(new FormData(form).get("number"));
    form.reset();
};
</script>
"""

SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
# Below this number the small primes are all the witnesses that are needed (Sorenson and Webster, 2015).
PROVEN_BELOW = 3_317_044_064_679_887_385_961_981


def is_prime(number):
    """Miller and Rabin's test: certain for numbers below 3.3e24; beyond, wrong with a probability below 4**-40."""
    if number < 2:
        return False
    for prime in SMALL_PRIMES:
        if number % prime == 0:
            return number == prime
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    witnesses = SMALL_PRIMES if number < PROVEN_BELOW else [random.randrange(2, number - 1) for _ in range(40)]
    return not any(proves_composite(witness, number, odd, twos) for witness in witnesses)


def proves_composite(witness, number, odd, twos):
    power = pow(witness, odd, number)
    if power in (1, number - 1):
        return False
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return False
    return True


def parse(text):
    """The integer in ``text``; ValueError says what is wrong."""
    digits = text.strip().removeprefix("-")
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"more than {MOST_DIGITS} digits")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("not an integer")
    return int(text)


class PrimeHandler(WebSocketHandler):
    async def on_message(self, message):
        # While this waits, nothing more is read from this client: it cannot occupy more than one thread.
        try:
            number = parse(message if isinstance(message, str) else "")
        except ValueError as error:
            await self.write_message({"error": str(error)})
            return
        prime = await asyncio.get_running_loop().run_in_executor(None, is_prime, number)
        await self.write_message({"number": str(number), "prime": prime})


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_app():
    return Application([(r"/", PageHandler), (r"/prime", PrimeHandler)], websocket_max_message_size=4096)


async def main():
    parse_command_line()
    make_app().listen(options.port)
    print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
