"""One HTTP request at a time: proxies, certificates, and what is said when they are in the way."""

from __future__ import annotations

import ssl
import sys
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from tap_advexport.api.answers import Unfinished
from tap_advexport.api.framing import trusting_context
from tap_advexport.errors import ConfigError, RequestError
from tests.support.client_calls import (
    CSV,
    SIGNATURE,
    TOKEN,
    assert_no_secret,
    client_of,
    error_of,
    fetch,
    serving,
    state,
    submit,
)
from tests.support.wire import Wire, reply

if TYPE_CHECKING:
    import socket
    from pathlib import Path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_certificates_is_taken_from_the_environment(
    tls: ssl.SSLContext, bundle: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, bundle)
    with serving(state("PENDING"), tls=tls) as (server, client):
        assert client.poll("t") == Unfinished("PENDING", is_known=True)
        assert fetch(client, f"{server.origin}/f")[0]


def test_a_store_of_certificates_is_trusted_beside_those_of_the_library(
    tls: ssl.SSLContext, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with serving(state("PENDING"), tls=tls) as (server, client):
        assert client.poll("t") == Unfinished("PENDING", is_known=True)
        assert fetch(client, f"{server.origin}/f")[0]
    assert len(trusting_context().get_ca_certs()) > 50


def test_a_bundle_that_is_named_is_trusted_alone(
    tls: ssl.SSLContext, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with serving(state("PENDING"), tls=tls) as (_, client):
        assert "not trusted" in str(error_of(lambda: client.poll("t")))


def test_one_connection_serves_many_requests_over_tls(
    tls: ssl.SSLContext, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with serving(state("PENDING"), tls=tls) as (server, client):
        for _ in range(20):
            client.poll("t")
        assert server.connections == 1


def test_a_certificate_that_nobody_vouches_for_is_refused_and_told(tls: ssl.SSLContext) -> None:
    with serving(state("PENDING"), tls=tls) as (server, client):
        error = error_of(lambda: client.poll("t"))
        assert isinstance(error, RequestError)
        assert "certificate is not trusted" in error.with_advice()
        assert "SSL_CERT_FILE, or a bundle in REQUESTS_CA_BUNDLE" in error.with_advice()
        assert (error.is_setup, error.has_arrived) == (True, False)
        assert server.requests == []


def test_a_bundle_that_is_not_there_is_told(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    with serving(state("PENDING"), tls=tls) as (_, client):
        error = error_of(lambda: client.poll("t"))
        assert isinstance(error, ConfigError)
        assert "REQUESTS_CA_BUNDLE" in str(error)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_gets_the_requests(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wire(lambda _: state("PENDING")) as proxy:
        monkeypatch.setenv(variable, proxy.origin.replace("//", f"//user:{SIGNATURE}@"))
        client = client_of("http://api.invalid/exports/")
        client.poll("t")
        fetch(client, "http://files.invalid/f")
        client.close()
    api, files = proxy.requests
    assert (api.target, files.target) == ("http://api.invalid/exports/t", "http://files.invalid/f")
    assert "proxy-authorization" in api.headers
    assert "authorization" not in files.headers


def test_https_goes_through_a_tunnel_that_does_not_see_the_token(
    tls: ssl.SSLContext, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with serving(state("PENDING"), tls=tls) as (server, client), Wire(lambda _: b"") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        client.poll("t")
        client.close()
    assert [asked.method for asked in proxy.requests] == ["CONNECT"]
    assert_no_secret(str(proxy.requests))
    assert server.requests[0].headers["authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize(
    "proxy", ["::::", "http://127.0.0.1:99999", "ftp://127.0.0.1:1", "http://u:p@[::1", "http://"]
)
def test_a_proxy_that_is_no_url_is_told_by_its_variable(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    error = error_of(lambda: client_of("http://api.invalid/").poll("t"))
    assert isinstance(error, ConfigError)
    assert "the proxy's URL is malformed; check http_proxy" in str(error)


def test_hosts_that_are_to_be_reached_without_the_proxy_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(state("PENDING")) as (server, client), Wire(lambda _: b"") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        client.poll("t")
    assert len(server.requests) == 1
    assert proxy.requests == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_gone_is_told_by_its_variable_and_without_its_password(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wire(lambda _: b"") as proxy:
        gone = proxy.origin.replace("//", f"//user:{SIGNATURE}@")
    monkeypatch.setenv(variable, gone)
    began = time.monotonic()
    error = error_of(lambda: client_of("http://api.invalid/", 1).poll("t"))
    assert time.monotonic() - began < 1
    assert isinstance(error, RequestError)
    assert (error.is_setup, error.has_arrived) == (True, False)
    assert f"the proxy does not connect; check {variable}, or name" in error.with_advice()


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_tunnel_that_wants_a_password_is_told_by_its_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Refusing(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as proxy:
        monkeypatch.setenv(name, proxy.origin)
        error = error_of(lambda: client_of("https://api.invalid/", 1).poll("t"))
    assert isinstance(error, ConfigError)
    assert "the proxy wants a user name and a password (HTTP 407)" in str(error)
    assert f"set {name} to http://USER:PASSWORD@HOST:PORT" in str(error)


def test_a_proxy_that_wants_a_password_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Wire(lambda _: reply(b"<html>Who are you?</html>", code=407)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        error = error_of(lambda: submit(client_of("http://api.invalid/", 1)))
    assert isinstance(error, ConfigError)
    assert "HTTP 407: Who are you?; set http_proxy to http://USER" in str(error)


def test_a_proxy_that_blocks_a_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Refusing(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
        error = error_of(lambda: client_of("https://api.invalid/", 1).poll("t"))
    assert isinstance(error, RequestError)
    assert "check HTTPS_PROXY" in error.with_advice()


def test_a_socks_proxy_without_its_package_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1080")
    monkeypatch.setitem(sys.modules, "socks", None)
    error = error_of(lambda: client_of("https://api.invalid/", 1).poll("t"))
    assert isinstance(error, ConfigError)
    assert "a SOCKS proxy needs the package PySocks; ALL_PROXY: install" in str(error)


def test_urls_stay_literal_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Wire(lambda _: reply(CSV)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        client = client_of("http://api.invalid/exports/")
        fetch(client, "http://files.invalid/[f]?a=%7e|#part")
        client.close()
    assert proxy.requests[0].target == "http://files.invalid/[f]?a=%7e|"


class Refusing(Wire):
    """A proxy that answers each CONNECT with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(lambda _: b"")
        self._answer = answer

    def _tunnel(self, connection: socket.socket, target: str) -> None:
        del target
        connection.sendall(self._answer)
