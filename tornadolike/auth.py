"""Log-in at third parties: OAuth 2 (Google, Facebook, your own), OAuth 1 (Twitter, your own), OpenID 2.

The classes are mixins for ``RequestHandler``. All follow one pattern: without the service's answer in the arguments, redirect to
the service; with it, ask the service who the user is::

    class SignIn(GoogleOAuth2Mixin, RequestHandler):
        async def get(self):
            here = "https://www.example.org/signin"
            code = self.get_query_argument("code", "")
            if not code:
                ours = self.get_google_oauth_settings()["key"]
                return self.authorize_redirect(here, ours, scope=["email"])
            tokens = await self.get_authenticated_user(here, code)
            person = await self.oauth2_request(self._OAUTH_USERINFO_URL, tokens["access_token"])
            self.set_signed_cookie("email", person["email"])
            self.redirect("/home")

Errors of the service are ``AuthError`` or the client's ``HTTPError``. The tests of this module are the documentation of each step.
"""

import base64
import hashlib
import hmac
import secrets
import time
import urllib.parse
import warnings
from collections.abc import Iterable
from typing import Any, cast

from tornadolike import _imported_names, escape, httpclient
from tornadolike._web import oauth1, openid
from tornadolike.httputil import url_concat
from tornadolike.web import RequestHandler

_TOKEN_COOKIE = "_oauth_request_token"


class AuthError(Exception):
    """The service did not confirm the user, or its answer does not belong to our question."""


def _absolute(mixin: object, uri: str) -> str:
    """``uri``, which may be relative to the current request, with scheme and host."""
    return urllib.parse.urljoin(cast(RequestHandler, mixin).request.full_url(), uri)


async def _call_json(client: httpclient.AsyncHTTPClient, url: str, query: dict[str, Any], post_args: dict[str, Any] | None) -> Any:
    """Fetch ``url``, by POST if there are ``post_args``, and decode the JSON that comes back."""
    if query:
        url += "?" + urllib.parse.urlencode(query)
    if post_args is None:
        response = await client.fetch(url)
    else:
        response = await client.fetch(url, method="POST", body=urllib.parse.urlencode(post_args))
    return escape.json_decode(response.body)


class OpenIdMixin:
    """OpenID 2.0. Subclasses define ``_OPENID_ENDPOINT``, the provider's URL. Deprecated: providers have moved to OAuth 2."""

    _OPENID_ENDPOINT: str

    def __init__(self) -> None:
        warnings.warn("OpenIdMixin is deprecated and will be removed in Tornado 6.7", DeprecationWarning, stacklevel=2)

    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        ax_attrs: list[str] = ["name", "email", "language", "username"],  # noqa: B006 - never changed; Tornado's default
    ) -> None:
        """Redirect to the provider, which sends the user back to ``callback_uri`` (default: the current URI).

        There, call :meth:`get_authenticated_user`. ``ax_attrs`` are what to ask about the user.
        """
        callback_uri = callback_uri or cast(RequestHandler, self).request.uri
        assert callback_uri is not None
        query = self._openid_args(callback_uri, ax_attrs=ax_attrs)
        cast(RequestHandler, self).redirect(f"{self._OPENID_ENDPOINT}?{urllib.parse.urlencode(query)}")

    async def get_authenticated_user(self, http_client: httpclient.AsyncHTTPClient | None = None) -> dict[str, Any]:
        """The user that the provider has sent back: a dictionary with what is known of ``name``, ``first_name``, ``last_name``,
        ``email``, ``locale``, ``username`` and ``claimed_id``.

        Asks the provider whether the assertion is its own; AuthError if not.
        """
        question: dict[str, str | bytes] = {name: values[-1] for name, values in cast(RequestHandler, self).request.arguments.items()}
        question["openid.mode"] = "check_authentication"
        client = self.get_auth_http_client() if http_client is None else http_client
        response = await client.fetch(self._OPENID_ENDPOINT, method="POST", body=urllib.parse.urlencode(question))
        return self._on_authentication_verified(response)

    def _openid_args(self, callback_uri: str, ax_attrs: Iterable[str] = (), oauth_scope: str | None = None) -> dict[str, str]:
        query = openid.login_query(_absolute(self, callback_uri), ax_attrs)
        if oauth_scope:
            query |= openid.scope_query(cast(RequestHandler, self).request.host.partition(":")[0], oauth_scope)
        return query

    def _on_authentication_verified(self, response: httpclient.HTTPResponse) -> dict[str, Any]:
        if not openid.is_valid(response.body):
            raise AuthError(f"Invalid OpenID response: {response.body!r}")
        handler = cast(RequestHandler, self)
        return dict(openid.user_from({name: handler.get_argument(name) for name in handler.request.arguments}))

    def get_auth_http_client(self) -> httpclient.AsyncHTTPClient:
        """The client that talks to the provider; override to use another."""
        return httpclient.AsyncHTTPClient()


class OAuthMixin:
    """OAuth 1.0 and 1.0a.

    Subclasses define ``_OAUTH_REQUEST_TOKEN_URL``, ``_OAUTH_AUTHORIZE_URL``, ``_OAUTH_ACCESS_TOKEN_URL``, override
    :meth:`_oauth_consumer_token` and :meth:`_oauth_get_user_future`, and may set ``_OAUTH_VERSION`` ("1.0" or "1.0a", the default)
    and ``_OAUTH_NO_CALLBACKS`` (the service knows the callback by itself).
    """

    _OAUTH_REQUEST_TOKEN_URL: str
    _OAUTH_AUTHORIZE_URL: str
    _OAUTH_ACCESS_TOKEN_URL: str

    def _oauth_is_1_0a(self) -> bool:
        version: str = getattr(self, "_OAUTH_VERSION", "1.0a")
        return version == "1.0a"

    async def authorize_redirect(
        self,
        callback_uri: str | None = None,
        extra_params: dict[str, Any] | None = None,
        http_client: httpclient.AsyncHTTPClient | None = None,
    ) -> None:
        """Redirect to the service, which sends the user back to ``callback_uri``; there, call :meth:`get_authenticated_user`.

        Gets a request token first, and keeps it in a cookie. ``callback_uri="oob"`` writes the service's URL as the response
        instead, for users without a browser of ours. ``extra_params`` go into the token request (1.0a only). Await it.
        """
        if callback_uri and getattr(self, "_OAUTH_NO_CALLBACKS", False):
            raise Exception("This service does not support oauth_callback")
        client = self.get_auth_http_client() if http_client is None else http_client
        wishes: dict[str, Any] = {"callback_uri": callback_uri, "extra_params": extra_params} if self._oauth_is_1_0a() else {}
        response = await client.fetch(self._oauth_request_token_url(**wishes))
        self._on_request_token(self._OAUTH_AUTHORIZE_URL, callback_uri, response)

    async def get_authenticated_user(self, http_client: httpclient.AsyncHTTPClient | None = None) -> dict[str, Any]:
        """The user that the service has sent back: what :meth:`_oauth_get_user_future` gives, plus ``access_token``.

        ``access_token`` (a dictionary with ``key`` and ``secret``) signs further requests. Raises AuthError when the answer does
        not fit the cookie that :meth:`authorize_redirect` has set, or when there is no user.
        """
        handler = cast(RequestHandler, self)
        given = escape.utf8(handler.get_argument("oauth_token"))
        verifier = handler.get_argument("oauth_verifier", None)
        cookie = handler.get_cookie(_TOKEN_COOKIE)
        if not cookie:
            raise AuthError("Missing OAuth request token cookie")
        handler.clear_cookie(_TOKEN_COOKIE)
        key, secret = map(base64.b64decode, cookie.split("|"))
        if not hmac.compare_digest(key, given):
            raise AuthError("Request token does not match cookie")
        token: dict[str, Any] = {"key": key, "secret": secret} | ({"verifier": verifier} if verifier else {})
        client = self.get_auth_http_client() if http_client is None else http_client
        access_token = oauth1.parse_token((await client.fetch(self._oauth_access_token_url(token))).body)
        user = await self._oauth_get_user_future(access_token)
        if not user:
            raise AuthError("Error getting user")
        user["access_token"] = access_token
        return user

    def _oauth_base_args(self, token: dict[str, Any] | None) -> dict[str, Any]:
        args = {
            "oauth_consumer_key": escape.to_basestring(self._oauth_consumer_token()["key"]),
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(time.time())),
            "oauth_version": "1.0",
        }
        if token is not None:
            args["oauth_token"] = escape.to_basestring(token["key"])
        return args

    def _oauth_sign(self, method: str, url: str, args: dict[str, Any], token: dict[str, Any] | None) -> str:
        own_secret, token_secret = self._oauth_consumer_token()["secret"], token["secret"] if token else ""
        return oauth1.signature(oauth1.base_string(method, url, args), own_secret, token_secret, encode_secrets=self._oauth_is_1_0a())

    def _oauth_signed_url(self, url: str, args: dict[str, Any], token: dict[str, Any] | None) -> str:
        signed = {**args, "oauth_signature": self._oauth_sign("GET", url, args, token)}
        return f"{url}?{urllib.parse.urlencode(signed)}"

    def _oauth_request_token_url(self, callback_uri: str | None = None, extra_params: dict[str, Any] | None = None) -> str:
        args = self._oauth_base_args(None)
        if self._oauth_is_1_0a():
            if callback_uri:
                args["oauth_callback"] = callback_uri if callback_uri == "oob" else _absolute(self, callback_uri)
            args |= extra_params or {}
        return self._oauth_signed_url(self._OAUTH_REQUEST_TOKEN_URL, args, None)

    def _on_request_token(self, authorize_url: str, callback_uri: str | None, response: httpclient.HTTPResponse) -> None:
        handler = cast(RequestHandler, self)
        token = oauth1.parse_token(response.body)
        handler.set_cookie(_TOKEN_COOKIE, b"|".join(base64.b64encode(escape.utf8(token[name])) for name in ("key", "secret")))
        args = {"oauth_token": token["key"]}
        if callback_uri and callback_uri != "oob":
            args["oauth_callback"] = _absolute(self, callback_uri)
        url = f"{authorize_url}?{urllib.parse.urlencode(args)}"
        if callback_uri == "oob":
            handler.finish(url)
        else:
            handler.redirect(url)

    def _oauth_access_token_url(self, request_token: dict[str, Any]) -> str:
        args = self._oauth_base_args(request_token)
        if "verifier" in request_token:
            args["oauth_verifier"] = request_token["verifier"]
        return self._oauth_signed_url(self._OAUTH_ACCESS_TOKEN_URL, args, request_token)

    def _oauth_consumer_token(self) -> dict[str, Any]:
        """Override: our own identity at the service, a dictionary with ``key`` and ``secret``."""
        raise NotImplementedError

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        """Override: ask the service who the user is, with a request signed by ``access_token``. Falsy: nobody."""
        raise NotImplementedError

    def _oauth_request_parameters(
        self,
        url: str,
        access_token: dict[str, Any],
        parameters: dict[str, Any] = {},  # noqa: B006 - never changed; Tornado's default
        method: str = "GET",
    ) -> dict[str, Any]:
        """What to add to the query of a request in the user's name: the OAuth arguments with a signature of all.

        ``parameters`` are the request's own arguments, those of the query and those of a form in the body.
        """
        args = self._oauth_base_args(access_token)
        args["oauth_signature"] = self._oauth_sign(method, url, {**args, **parameters}, access_token)
        return args

    def get_auth_http_client(self) -> httpclient.AsyncHTTPClient:
        """The client that talks to the service; override to use another."""
        return httpclient.AsyncHTTPClient()


class OAuth2Mixin:
    """OAuth 2.0 (RFC 6749). Subclasses define ``_OAUTH_AUTHORIZE_URL`` and ``_OAUTH_ACCESS_TOKEN_URL``."""

    _OAUTH_AUTHORIZE_URL: str
    _OAUTH_ACCESS_TOKEN_URL: str

    def authorize_redirect(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        extra_params: dict[str, Any] | None = None,
        scope: list[str] | None = None,
        response_type: str = "code",
    ) -> None:
        """Redirect to the service, which sends the user back to ``redirect_uri`` with a ``code``.

        ``client_id`` is our identity there, ``scope`` what we want to be allowed, ``extra_params`` what else the service takes.
        Put a random ``state`` there and compare it when the user comes back (RFC 6749 §10.12). ``client_secret`` is deprecated
        and not used.
        """
        if client_secret is not None:
            warnings.warn("client_secret argument is deprecated", DeprecationWarning, stacklevel=2)
        args = {"response_type": response_type, "redirect_uri": redirect_uri, "client_id": client_id}
        query: dict[str, Any] = {name: value for name, value in args.items() if value is not None} | (extra_params or {})
        if scope:
            query["scope"] = " ".join(scope)
        cast(RequestHandler, self).redirect(url_concat(self._OAUTH_AUTHORIZE_URL, query))

    def _oauth_request_token_url(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        code: str | None = None,
        extra_params: dict[str, Any] | None = None,
    ) -> str:
        args = {"redirect_uri": redirect_uri, "code": code, "client_id": client_id, "client_secret": client_secret}
        query = {name: value for name, value in args.items() if value is not None}
        return url_concat(self._OAUTH_ACCESS_TOKEN_URL, query | (extra_params or {}))

    async def oauth2_request(self, url: str, access_token: str | None = None, post_args: dict[str, Any] | None = None, **args: Any) -> Any:
        """Fetch ``url`` with the user's ``access_token`` and ``args`` in the query, and return the decoded JSON.

        With ``post_args`` it is a POST of that form. Without a token, ``args`` are not sent. Raises ``HTTPError`` and ValueError.
        """
        query = {"access_token": access_token, **args} if access_token else {}
        return await _call_json(self.get_auth_http_client(), url, query, post_args)

    def get_auth_http_client(self) -> httpclient.AsyncHTTPClient:
        """The client that talks to the service; override to use another."""
        return httpclient.AsyncHTTPClient()


class TwitterMixin(OAuthMixin):
    """Twitter, by OAuth 1.0a and version 1.1 of its interface, as Tornado has it.

    Our identity there is in the settings ``twitter_consumer_key`` and ``twitter_consumer_secret``; Twitter must know the callback URL.
    """

    _OAUTH_REQUEST_TOKEN_URL = "https://api.twitter.com/oauth/request_token"
    _OAUTH_ACCESS_TOKEN_URL = "https://api.twitter.com/oauth/access_token"
    _OAUTH_AUTHORIZE_URL = "https://api.twitter.com/oauth/authorize"
    _OAUTH_AUTHENTICATE_URL = "https://api.twitter.com/oauth/authenticate"
    _OAUTH_NO_CALLBACKS = False
    _TWITTER_BASE_URL = "https://api.twitter.com/1.1"

    async def authenticate_redirect(self, callback_uri: str | None = None) -> None:
        """The same as :meth:`OAuthMixin.authorize_redirect`, except that users who have agreed once are not asked again."""
        response = await self.get_auth_http_client().fetch(self._oauth_request_token_url(callback_uri=callback_uri))
        self._on_request_token(self._OAUTH_AUTHENTICATE_URL, None, response)

    async def twitter_request(self, path: str, access_token: dict[str, Any], post_args: dict[str, Any] | None = None, **args: Any) -> Any:
        """Call Twitter's interface and return the decoded JSON.

        ``path`` is such as ``/statuses/user_timeline``, or a full URL. ``args`` go into the query; with ``post_args`` it is a POST
        of that form. The request is signed with ``access_token``, as :meth:`get_authenticated_user` gives it.
        """
        url = path if path.startswith(("http:", "https:")) else f"{self._TWITTER_BASE_URL}{path}.json"
        if access_token:
            method = "GET" if post_args is None else "POST"
            args |= self._oauth_request_parameters(url, access_token, args | (post_args or {}), method=method)
        return await _call_json(self.get_auth_http_client(), url, args, post_args)

    def _oauth_consumer_token(self) -> dict[str, Any]:
        handler = cast(RequestHandler, self)
        for name in ("twitter_consumer_key", "twitter_consumer_secret"):
            handler.require_setting(name, "Twitter OAuth")
        return {"key": handler.settings["twitter_consumer_key"], "secret": handler.settings["twitter_consumer_secret"]}

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        profile: dict[str, Any] = await self.twitter_request("/account/verify_credentials", access_token)
        return profile and {**profile, "username": profile["screen_name"]}


class GoogleOAuth2Mixin(OAuth2Mixin):
    """Google, by OAuth 2. Needs the application setting ``google_oauth``: a dictionary with ``key`` and ``secret``.

    Both, and the permitted redirect URIs, come from Google's developer console. See the module for an example.
    """

    _OAUTH_AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
    _OAUTH_ACCESS_TOKEN_URL = "https://www.googleapis.com/oauth2/v4/token"
    _OAUTH_USERINFO_URL = "https://www.googleapis.com/oauth2/v1/userinfo"
    _OAUTH_NO_CALLBACKS = False
    _OAUTH_SETTINGS_KEY = "google_oauth"

    def get_google_oauth_settings(self) -> dict[str, str]:
        """Our identity at Google, from the application's settings; override to take it from elsewhere."""
        settings: dict[str, str] = cast(RequestHandler, self).settings[self._OAUTH_SETTINGS_KEY]
        return settings

    async def get_authenticated_user(
        self, redirect_uri: str, code: str, client_id: str | None = None, client_secret: str | None = None
    ) -> dict[str, Any]:
        """Change the ``code`` that came back into an access token: a dictionary with ``access_token``, ``expires_in`` and more.

        ``redirect_uri`` must be the one of :meth:`authorize_redirect`. ``client_id`` and ``client_secret`` default to the settings.
        Who the user is, ask ``_OAUTH_USERINFO_URL`` by :meth:`oauth2_request`.
        """
        if client_id is None or client_secret is None:
            settings = self.get_google_oauth_settings()
            client_id = settings["key"] if client_id is None else client_id
            client_secret = settings["secret"] if client_secret is None else client_secret
        form = {
            "redirect_uri": redirect_uri,
            "code": code,
            "client_id": client_id,
            "client_secret": client_secret,
            "grant_type": "authorization_code",
        }
        response = await self.get_auth_http_client().fetch(
            self._OAUTH_ACCESS_TOKEN_URL,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},  # a client of the program's own may have no default
            body=urllib.parse.urlencode(form),
        )
        answer: dict[str, Any] = escape.json_decode(response.body)
        return answer


class FacebookGraphMixin(OAuth2Mixin):
    """Facebook, by OAuth 2 and its Graph interface."""

    _OAUTH_ACCESS_TOKEN_URL = "https://graph.facebook.com/oauth/access_token?"
    _OAUTH_AUTHORIZE_URL = "https://www.facebook.com/dialog/oauth?"
    _OAUTH_NO_CALLBACKS = False
    _FACEBOOK_BASE_URL = "https://graph.facebook.com"

    async def get_authenticated_user(
        self, redirect_uri: str, client_id: str, client_secret: str, code: str, extra_fields: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """The user that Facebook has sent back with ``code``; None if it knows none.

        A dictionary with ``id``, ``link``, ``locale``, ``name``, ``last_name``, ``first_name``, ``picture`` and the
        ``extra_fields``, as far as the user allows (else None), and with ``access_token`` and ``session_expires`` (seconds, a str).
        """
        url = self._oauth_request_token_url(redirect_uri=redirect_uri, client_id=client_id, client_secret=client_secret, code=code)
        session = await _call_json(self.get_auth_http_client(), url, {}, None)
        access_token = session.get("access_token")
        assert access_token is not None
        fields = ["first_name", "id", "last_name", "link", "locale", "name", "picture", *(extra_fields or ())]
        proof = hmac.new(client_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()
        user = await self.facebook_request("/me", access_token=access_token, appsecret_proof=proof, fields=",".join(dict.fromkeys(fields)))
        if user is None:
            return None
        known = {field: user.get(field) for field in fields}
        return known | {"access_token": access_token, "session_expires": str(session.get("expires_in"))}

    async def facebook_request(
        self, path: str, access_token: str | None = None, post_args: dict[str, Any] | None = None, **args: Any
    ) -> Any:
        """Call Facebook's Graph interface at ``path``, such as ``/me/feed``; else as :meth:`OAuth2Mixin.oauth2_request`."""
        return await self.oauth2_request(self._FACEBOOK_BASE_URL + path, access_token, post_args, **args)


_imported_names.complete(globals())
