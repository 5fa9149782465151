"""Opens the warehouse that the audit reads: a DuckDB file, or PostgreSQL by URL or keywords.

PostgreSQL's drivers show parts of a URL that they cannot parse, passwords included. So the URL is
parsed here, and the driver gets its parts, each in quotes.
"""

from __future__ import annotations

import importlib
import os
import re
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, unquote

from tap_advexport.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_POSTGRES_URL: Final = re.compile(r"postgres(?:ql)?(\+\w+)?://(.*)", re.DOTALL)
_KEYWORDS: Final = re.compile(r"\s*\w+\s*=")
_KEYWORD: Final = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|\Z)")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.%-]*)(?::(\d*))?", re.ASCII)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_UNREADABLE: Final = (
    "the URL of the warehouse cannot be read: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE,"
    " with special characters of the password percent-encoded (/ as %2F, @ as %40)"
)
_CONNECT_TIMEOUT_SECONDS: Final = "10"


class AuditError(UserError):
    """The comparison cannot be made; the text is one line that says why."""


class Cursor(Protocol):
    """The part of a DB-API cursor that the audit uses."""

    def execute(self, sql: str, /) -> object:
        """Run a query."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Return all rows of the query."""


class Connection(Protocol):
    """The part of a DB-API connection that the audit uses."""

    def cursor(self) -> Cursor:
        """Return a cursor to run queries with."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a warehouse is, and how to open it.

    Attributes:
        drivers: the modules that can open it, the preferred one first.
        extra: the extra of this package that installs the driver.
        target: the argument of the driver's `connect`.
        secrets: texts that no message may show.
    """

    drivers: tuple[str, ...]
    extra: str
    target: str = field(repr=False)
    options: Mapping[str, bool] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@contextmanager
def open_warehouse(text: str) -> Iterator[Connection]:
    """Open a warehouse for reading.

    Raises:
        AuditError: the warehouse cannot be opened, or the driver refuses a query.
    """
    address = parse_address(text)
    driver = _driver(address)
    try:
        with closing(driver.connect(address.target, **address.options)) as connection:
            yield connection
    except driver.Error as error:
        raise AuditError(_message(error, address.secrets)) from None


def parse_address(text: str) -> Address:
    """Parse the path of a DuckDB file, a URL, or PostgreSQL's `keyword=value` pairs.

    Raises:
        AuditError: `text` is none of them; the message shows only its scheme, if any.
    """
    if _is_file(text):
        return _duckdb(text)
    if url := _POSTGRES_URL.fullmatch(text.strip()):
        return _postgres(_of_url(url[2]))
    if _KEYWORDS.match(text):
        return _postgres(_of_keywords(text))
    scheme = _SCHEME.match(text)
    if scheme and scheme[1] not in {"duckdb", "md"}:
        raise AuditError(
            "name a DuckDB file, or PostgreSQL as postgresql://USER@HOST:PORT/DATABASE"
            f" (got {scheme[1]}:...)"
        )
    return _duckdb(text)


def _postgres(parameters: dict[str, str]) -> Address:
    password = parameters.get("password", "")
    if "PGCONNECT_TIMEOUT" not in os.environ:
        parameters = {"connect_timeout": _CONNECT_TIMEOUT_SECONDS, **parameters}
    target = " ".join(f"{name}={_in_quotes(value)}" for name, value in parameters.items())
    secrets = (password,) if password else ()
    return Address(("psycopg", "psycopg2"), "audit-postgres", target, secrets=secrets)


def _is_file(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a file name, or with a NUL in it
        return False


def _duckdb(text: str) -> Address:
    """Return the address of a DuckDB file or of a cloud database (`md:`).

    `duckdb:///w.duckdb` is relative for some tools and absolute for others. It is taken as absolute
    if there is such a file.
    """
    path, _, query = text.partition("?")
    if path.startswith("duckdb://"):
        path = path.removeprefix("duckdb://")
        path = path if _is_file(path) else path.removeprefix("/")
    is_cloud = path.startswith("md:")
    target = text if is_cloud or _is_file(text) else path
    secrets = tuple(value for _, value in parse_qsl(query) if is_cloud)
    return Address(("duckdb",), "audit-duckdb", target, {"read_only": True}, secrets)


def _of_url(rest: str) -> dict[str, str]:
    """Return the decoded parts of a URL as parameters of the driver."""
    place, _, query = rest.partition("?")
    user_info, _, location = place.rpartition("@")
    hosts, _, database = location.partition("/")
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    # After the host, such characters may belong to a password that was not percent-encoded.
    if "@" in query or "/" in database or ":" in database or not all(found):
        raise AuditError(_UNREADABLE)
    user, _, password = user_info.partition(":")
    ports = [host[2] or "" for host in found if host]
    named = {
        "user": user,
        "password": password,
        "host": ",".join(host[1].strip("[]") for host in found if host),
        # One for each host, in order; an empty one is the default.
        "port": ",".join(ports) if any(ports) else "",
        "dbname": database,
    }
    try:
        options = dict(
            parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else ()
        )
    except ValueError:
        raise AuditError(_UNREADABLE) from None
    return {name: unquote(value) for name, value in named.items() if value} | options


def _of_keywords(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        pair = _KEYWORD.match(text, position)
        if not pair:
            raise AuditError(
                "the keywords of the warehouse cannot be read: expected host=HOST dbname=DATABASE"
                " user=USER password='PASSWORD', with a backslash before each ' and \\ of a value"
            )
        found[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2] if pair[2] is not None else pair[3])
        position = pair.end()
    return found


def _in_quotes(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _driver(address: Address) -> Any:  # noqa: ANN401  # drivers share no type
    for name in address.drivers:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise AuditError(
        f"{' or '.join(address.drivers)} is needed to read this warehouse:"
        f' pip install "tap-advexport[{address.extra}]"'
    )


def _message(error: Exception, secrets: Sequence[str]) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
