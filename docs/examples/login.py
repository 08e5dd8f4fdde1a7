"""Login with a form: who it is stands in a signed cookie, and every form carries a token against forgery.

The one user is "ada" with the password "lovelace". Passwords are kept as scrypt hashes; checking one takes a while, so it is done
on another thread. Start it with a secret of your own (`--secret`), the same in every process; it must survive restarts.
"""

import asyncio
import hashlib
import hmac
import os
import secrets

from tornado.options import define, options, parse_command_line
from tornado.template import DictLoader
from tornado.web import Application, RequestHandler, authenticated

define("port", default=8888, help="TCP port to listen on")
define("secret", default=os.environ.get("COOKIE_SECRET", ""), help="what cookies are signed with")
define("secure", default=False, help="cookies only over https")

PAGES = DictLoader(
    {
        "frame.html": """<!DOCTYPE html>
            <html lang=en>
            <meta name=viewport content="width=device-width">
            <title>{% block title %}{% end %}</title>
            <main>{% block main %}{% end %}</main>""",
        "home.html": """{% extends "frame.html" %}{% block title %}Home{% end %}{% block main %}
            <p>Hello, {{ current_user }}!</p>
            <form method=post action="{{ reverse_url("logout") }}">{% module xsrf_form_html() %}<button>Log out</button></form>
            {% end %}""",
        "login.html": """{% extends "frame.html" %}{% block title %}Log in{% end %}{% block main %}
            {% if failed %}<p role=alert>Name or password is wrong.</p>{% end %}
            <form method=post>
            {% module xsrf_form_html() %}
            <input type=hidden name=next value="{{ next_page }}">
            <label>Name <input name=name required autofocus autocomplete=username></label>
            <label>Password <input name=password type=password required autocomplete=current-password></label>
            <button>Log in</button></form>{% end %}""",
    }
)


def hash_password(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def make_users():
    salt = secrets.token_bytes(16)
    return {"ada": (salt, hash_password("lovelace", salt))}


class PageHandler(RequestHandler):
    def get_current_user(self):
        name = self.get_signed_cookie("user", max_age_days=7)
        return name.decode() if name is not None and name.decode() in self.settings["users"] else None

    def set_default_headers(self):
        self.set_header("Content-Security-Policy", "default-src 'self'")
        self.set_header("Cache-Control", "no-store")


class HomeHandler(PageHandler):
    @authenticated
    def get(self):
        self.render("home.html")


class LoginHandler(PageHandler):
    def get(self):
        self.render("login.html", failed=False, next_page=self.get_query_argument("next", "/"))

    async def post(self):
        name, password = self.get_body_argument("name"), self.get_body_argument("password", strip=False)
        next_page = self.get_body_argument("next", "/")
        # An unknown name takes as long as a wrong password.
        salt, expected = self.settings["users"].get(name, (b"none", b""))
        found = await asyncio.get_running_loop().run_in_executor(None, hash_password, password, salt)
        if not hmac.compare_digest(found, expected):
            self.set_status(403)
            self.render("login.html", failed=True, next_page=next_page)
            return
        self.set_signed_cookie("user", name, expires_days=7, httponly=True, samesite="Lax", secure=options.secure)
        local = next_page.startswith("/") and not next_page.startswith(("//", "/\\"))
        self.redirect(next_page if local else "/", status=303)


class LogoutHandler(PageHandler):
    def post(self):
        self.clear_cookie("user")
        self.redirect(self.reverse_url("login"), status=303)


def make_app(secret):
    return Application(
        [
            (r"/", HomeHandler),
            (r"/login", LoginHandler, None, "login"),
            (r"/logout", LogoutHandler, None, "logout"),
        ],
        cookie_secret=secret,
        login_url="/login",
        template_loader=PAGES,
        users=make_users(),
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"httponly": True, "samesite": "Lax"},
    )


async def main():
    parse_command_line()
    make_app(options.secret or secrets.token_hex(32)).listen(options.port)
    print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
