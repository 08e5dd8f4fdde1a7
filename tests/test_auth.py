"""auth: each step of each log-in, with a made-up handler and a made-up service."""

import base64
import hashlib
import hmac
import json
import urllib.parse
from types import SimpleNamespace
from typing import Any

import pytest

from tornadolike import auth


class Service:
    """An HTTP client that answers from a list and keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.headers: list[Any] = []

    async def fetch(self, url: str, method: str = "GET", body: str = "", headers: Any = None) -> Any:
        self.headers.append(headers)
        base, _, query = url.partition("?")
        self.asked.append((method, base, dict(urllib.parse.parse_qsl(query)), dict(urllib.parse.parse_qsl(body))))
        answer = self.answers.pop(0)
        return SimpleNamespace(body=answer if isinstance(answer, bytes) else json.dumps(answer).encode())


class Handler:
    """What the mixins use of a RequestHandler."""

    client: Any = None
    redirected: str | None = None
    finished: str | None = None

    def __init__(self, **arguments: str) -> None:
        self.given = arguments
        self.cookies: dict[str, Any] = {}
        self.settings = {"twitter_consumer_key": "ck", "twitter_consumer_secret": "cs", "google_oauth": {"key": "gk", "secret": "gs"}}
        binary = {name: [value.encode()] for name, value in arguments.items()}
        self.request = SimpleNamespace(uri="/login", host="a.example:80", arguments=binary, full_url=lambda: "http://a.example/login")

    def get_argument(self, name: str, default: Any = "") -> Any:
        return self.given.get(name, default)

    def get_cookie(self, name: str) -> Any:
        return self.cookies.get(name)

    def set_cookie(self, name: str, value: bytes) -> None:
        self.cookies[name] = value.decode()

    def clear_cookie(self, name: str) -> None:
        del self.cookies[name]

    def require_setting(self, name: str, feature: str) -> None:
        assert self.settings[name]

    def redirect(self, url: str) -> None:
        self.redirected = url

    def finish(self, text: str) -> None:
        self.finished = text

    def get_auth_http_client(self) -> Any:
        return self.client

    def redirect_query(self) -> dict[str, str]:
        assert self.redirected is not None
        return dict(urllib.parse.parse_qsl(self.redirected.partition("?")[2]))


class OpenId(Handler, auth.OpenIdMixin):
    _OPENID_ENDPOINT = "https://id.example/"


class TestOpenId:
    def test_deprecated(self) -> None:
        with pytest.warns(DeprecationWarning, match="OpenIdMixin is deprecated"):
            auth.OpenIdMixin()

    def test_redirect(self) -> None:
        handler = OpenId()
        handler.authenticate_redirect()
        assert handler.redirected is not None
        assert handler.redirected.startswith("https://id.example/?openid.ns=")
        assert handler.redirect_query()["openid.return_to"] == "http://a.example/login"
        assert handler._openid_args("/cb", oauth_scope="s")["openid.oauth.consumer"] == "a.example"

    async def test_user(self) -> None:
        handler = OpenId(**{"openid.mode": "id_res", "openid.claimed_id": "https://id.example/u"})
        handler.client = Service(b"is_valid:true\n")
        assert await handler.get_authenticated_user() == {"claimed_id": "https://id.example/u"}
        question = {"openid.mode": "check_authentication", "openid.claimed_id": "https://id.example/u"}
        assert handler.client.asked == [("POST", "https://id.example/", {}, question)]

    async def test_not_confirmed(self) -> None:
        with pytest.raises(auth.AuthError, match="Invalid OpenID response"):
            await OpenId().get_authenticated_user(Service(b"is_valid:false"))  # type: ignore[arg-type]


class OAuth(Handler, auth.OAuthMixin):
    _OAUTH_REQUEST_TOKEN_URL = "https://s.example/request"
    _OAUTH_AUTHORIZE_URL = "https://s.example/authorize"
    _OAUTH_ACCESS_TOKEN_URL = "https://s.example/access"

    user: Any = {"name": "ada"}

    def _oauth_consumer_token(self) -> dict[str, Any]:
        return {"key": "ck", "secret": "cs"}

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> Any:
        return self.user and dict(self.user)


TOKEN = b"oauth_token=tk&oauth_token_secret=ts"
COOKIE = "|".join(base64.b64encode(part).decode() for part in (b"tk", b"ts"))


class TestOAuth:
    async def test_redirect(self) -> None:
        handler = OAuth()
        service = handler.client = Service(TOKEN)
        await handler.authorize_redirect("/back", extra_params={"x": "y"})
        method, url, query, _ = service.asked[0]
        assert (method, url, query["oauth_callback"], query["x"]) == ("GET", "https://s.example/request", "http://a.example/back", "y")
        assert {"oauth_nonce", "oauth_timestamp", "oauth_signature"} <= query.keys()
        assert handler.cookies == {"_oauth_request_token": COOKIE}
        assert handler.redirect_query() == {"oauth_token": "tk", "oauth_callback": "http://a.example/back"}

    async def test_out_of_band(self) -> None:
        handler = OAuth()
        handler.client = Service(TOKEN)
        await handler.authorize_redirect("oob")
        assert handler.client.asked[0][2]["oauth_callback"] == "oob"
        assert (handler.finished, handler.redirected) == ("https://s.example/authorize?oauth_token=tk", None)

    async def test_version_1_0(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(OAuth, "_OAUTH_VERSION", "1.0", raising=False)
        handler = OAuth()
        handler.client = Service(TOKEN)
        await handler.authorize_redirect("/back")
        assert "oauth_callback" not in handler.client.asked[0][2]

    async def test_no_callbacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(OAuth, "_OAUTH_NO_CALLBACKS", True, raising=False)
        with pytest.raises(Exception, match="does not support oauth_callback"):
            await OAuth().authorize_redirect("/back")

    async def test_user(self) -> None:
        handler = OAuth(oauth_token="tk", oauth_verifier="v")
        handler.cookies["_oauth_request_token"] = COOKIE
        handler.client = Service(b"oauth_token=ak&oauth_token_secret=as&id=1")
        user = await handler.get_authenticated_user()
        assert user == {"name": "ada", "access_token": {"key": "ak", "secret": "as", "id": "1"}}
        _, url, query, _ = handler.client.asked[0]
        assert (url, query["oauth_token"], query["oauth_verifier"]) == ("https://s.example/access", "tk", "v")
        assert handler.cookies == {}

    @pytest.mark.parametrize(
        ("cookie", "user", "message"),
        [(None, {}, "Missing OAuth request token"), ("eA==|eA==", {}, "does not match cookie"), (COOKIE, None, "Error getting user")],
    )
    async def test_no_user(self, cookie: Any, user: Any, message: str) -> None:
        handler = OAuth(oauth_token="tk")
        handler.user = user
        handler.cookies["_oauth_request_token"] = cookie
        handler.client = Service(TOKEN)
        with pytest.raises(auth.AuthError, match=message):
            await handler.get_authenticated_user()

    def test_request_parameters(self) -> None:
        handler = OAuth()
        signed = handler._oauth_request_parameters("https://s.example/u", {"key": "ak", "secret": "as"}, {"a": "b"}, method="POST")
        assert "a" not in signed
        assert signed["oauth_token"] == "ak"
        signature = signed.pop("oauth_signature")
        assert signature == handler._oauth_sign("POST", "https://s.example/u", {**signed, "a": "b"}, {"secret": "as"})

    async def test_what_must_be_overridden(self) -> None:
        with pytest.raises(NotImplementedError):
            auth.OAuthMixin()._oauth_consumer_token()
        with pytest.raises(NotImplementedError):
            await auth.OAuthMixin()._oauth_get_user_future({})


class Twitter(Handler, auth.TwitterMixin):
    pass


class TestTwitter:
    async def test_redirect(self) -> None:
        handler = Twitter()
        handler.client = Service(TOKEN)
        await handler.authenticate_redirect("/back")
        assert handler.redirected == "https://api.twitter.com/oauth/authenticate?oauth_token=tk"

    async def test_request(self) -> None:
        handler = Twitter()
        handler.client = Service([1], {}, {"screen_name": "ada"})
        token = {"key": "ak", "secret": "as"}
        assert await handler.twitter_request("/a/b", token, count="2") == [1]
        await handler.twitter_request("https://other.example/x", token, post_args={"status": "s"})
        assert await handler._oauth_get_user_future(token) == {"screen_name": "ada", "username": "ada"}
        get, post, _ = handler.client.asked
        assert (get[:2], get[2]["count"], get[2]["oauth_token"]) == (("GET", "https://api.twitter.com/1.1/a/b.json"), "2", "ak")
        assert (post[:2], post[3]) == (("POST", "https://other.example/x"), {"status": "s"})


class Google(Handler, auth.GoogleOAuth2Mixin):
    pass


class TestGoogle:
    def test_redirect(self) -> None:
        handler = Google()
        handler.authorize_redirect("/back", client_id="gk", scope=["a", "b"], extra_params={"state": "s"})
        assert handler.redirect_query() == {
            "response_type": "code",
            "redirect_uri": "/back",
            "client_id": "gk",
            "scope": "a b",
            "state": "s",
        }
        with pytest.warns(DeprecationWarning, match="client_secret argument is deprecated"):
            handler.authorize_redirect(client_secret="no")

    @pytest.mark.parametrize(("given", "expected"), [({}, ("gk", "gs")), ({"client_id": "i", "client_secret": "s"}, ("i", "s"))])
    async def test_user(self, given: dict[str, str], expected: tuple[str, str]) -> None:
        handler = Google()
        handler.client = Service({"access_token": "t"})
        assert await handler.get_authenticated_user("/back", "code", **given) == {"access_token": "t"}
        method, url, _, form = handler.client.asked[0]
        assert (method, url) == ("POST", "https://www.googleapis.com/oauth2/v4/token")
        assert (form["client_id"], form["client_secret"]) == expected
        assert (form["grant_type"], form["code"], form["redirect_uri"]) == ("authorization_code", "code", "/back")
        assert handler.client.headers == [{"Content-Type": "application/x-www-form-urlencoded"}]


class Facebook(Handler, auth.FacebookGraphMixin):
    pass


class TestFacebook:
    async def test_user(self) -> None:
        handler = Facebook()
        handler.client = Service({"access_token": "t", "expires_in": 9}, {"id": "1", "name": "Ada"})
        user = await handler.get_authenticated_user("/back", "i", "secret", "code", extra_fields={"email": None})
        assert user is not None
        assert (user["id"], user["link"], user["email"]) == ("1", None, None)
        assert (user["access_token"], user["session_expires"]) == ("t", "9")
        (_, url, query, _), (_, me, my_query, _) = handler.client.asked
        assert (url, me) == ("https://graph.facebook.com/oauth/access_token", "https://graph.facebook.com/me")
        assert query == {"redirect_uri": "/back", "client_id": "i", "client_secret": "secret", "code": "code"}
        assert my_query["appsecret_proof"] == hmac.new(b"secret", b"t", hashlib.sha256).hexdigest()
        assert "email" in my_query["fields"].split(",")

    async def test_nobody(self) -> None:
        handler = Facebook()
        handler.client = Service({"access_token": "t"}, None)
        assert await handler.get_authenticated_user("/back", "i", "secret", "code") is None

    async def test_request(self) -> None:
        handler = Facebook()
        handler.client = Service(1, 2)
        assert await handler.facebook_request("/me/feed", "t", post_args={"m": "x"}, a="b") == 1
        await handler.facebook_request("/me", a="dropped without a token")
        assert handler.client.asked[0] == ("POST", "https://graph.facebook.com/me/feed", {"access_token": "t", "a": "b"}, {"m": "x"})
        assert handler.client.asked[1][2] == {}
