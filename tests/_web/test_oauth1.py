"""OAuth 1 signatures against published ones."""

import pytest

from tornadolike._web import oauth1

# From Twitter's page "Creating a signature".
PARAMETERS = {
    "status": "Hello Ladies + Gentlemen, a signed OAuth request!",
    "include_entities": "true",
    "oauth_consumer_key": "xvz1evFS4wEEPTGEFPHBog",
    "oauth_nonce": "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "1318622958",
    "oauth_token": "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
    "oauth_version": "1.0",
}
SECRETS = ("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE")


def test_published_signature() -> None:
    text = oauth1.base_string("post", "HTTPS://API.twitter.com/1.1/statuses/update.json?ignored", PARAMETERS)
    assert text.startswith("POST&https%3A%2F%2Fapi.twitter.com%2F1.1%2Fstatuses%2Fupdate.json&include_entities%3Dtrue%26")
    assert oauth1.signature(text, *SECRETS, encode_secrets=True) == "hCtSmYh+iHYCEqBWrE7C7hYmtUk="


@pytest.mark.parametrize(("encode", "same"), [(True, False), (False, True)])
def test_the_versions_differ_in_the_key(encode: bool, same: bool) -> None:
    plain = oauth1.signature("text", "a/b", "", encode_secrets=False)
    assert (oauth1.signature("text", "a/b", "", encode_secrets=encode) == plain) is same
    assert oauth1.signature("text", "ab", b"cd", encode_secrets=encode) == oauth1.signature("text", b"ab", "cd", encode_secrets=False)


def test_names_are_encoded_too() -> None:
    assert oauth1.base_string("GET", "http://h/", {"a b": "c&d", "a": b"\xc3\xa9"}).endswith("&a%3D%25C3%25A9%26a%2520b%3Dc%2526d")


def test_tokens() -> None:
    assert oauth1.parse_token(b"oauth_token=k&oauth_token_secret=s%2F&name=n") == {"key": "k", "secret": "s/", "name": "n"}
    with pytest.raises(KeyError, match="oauth_token"):
        oauth1.parse_token(b"error=denied")
