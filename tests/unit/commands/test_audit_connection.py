"""How a warehouse is addressed and opened, and that no part of a password is ever shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_advexport.commands.audit_connection import AuditError, open_warehouse, parse_address
from tests.support.warehouses import run_audit

if TYPE_CHECKING:
    from pathlib import Path

ADS = "host='db' dbname='ads'"


def target(text: str) -> str:
    return parse_address(text).target.removeprefix("connect_timeout='10' ")


@pytest.mark.parametrize(("text", "wanted"), [
    ("postgresql://db/ads", ADS),
    ("postgres://db/ads", ADS),
    ("postgresql+psycopg://db/ads", ADS),
    ("postgresql+psycopg2://me@db:5433/ads",
     "user='me' host='db' port='5433' dbname='ads'"),
    ("postgresql+psycopg://postgres@127.0.0.1:5432/postgres?options=-c%20timezone%3DUTC",
     "user='postgres' host='127.0.0.1' port='5432' dbname='postgres' options='-c timezone=UTC'"),
    ("postgresql://me:s3cr/et@db/ads", "user='me' password='s3cr/et' host='db' dbname='ads'"),
    ("postgresql://me:pa@ss@db/ads", "user='me' password='pa@ss' host='db' dbname='ads'"),
    ("postgresql://me:p%40s%2F's@db/ads", "user='me' password='p@s/\\'s' host='db' dbname='ads'"),
    ("postgresql://me:hunter%zz@db/ads", "user='me' password='hunter%zz' host='db' dbname='ads'"),
    ("postgresql://db/ads?user=me&password=se%26cret",
     "host='db' dbname='ads' user='me' password='se&cret'"),
    ("postgresql:///ads?host=/run/pg", "dbname='ads' host='/run/pg'"),
    ("postgresql://[::1]:5432/ads", "host='::1' port='5432' dbname='ads'"),
    ("postgresql://one:1,two:2/ads", "host='one,two' port='1,2' dbname='ads'"),
    ("postgresql://one,two:2/ads", "host='one,two' port=',2' dbname='ads'"),
    ("postgresql://one:1,two/ads", "host='one,two' port='1,' dbname='ads'"),
    ("postgresql://one,two/ads", "host='one,two' dbname='ads'"),
    ("postgresql://%2Frun%2Fpg/ads", "host='/run/pg' dbname='ads'"),
    ("host=db dbname = ads password='it\\'s a \\\\'",
     "host='db' dbname='ads' password='it\\'s a \\\\'"),
    ("service=ads", "service='ads'"),
])  # fmt: skip
def test_an_address_of_postgresql_is_read_in_each_of_its_forms(text: str, wanted: str) -> None:
    address = parse_address(text)
    assert target(text) == wanted
    assert (address.drivers, address.extra) == (("psycopg", "psycopg2"), "audit-postgres")


def test_a_timeout_of_ones_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_address("postgresql:///ads?connect_timeout=3").target == (
        "connect_timeout='3' dbname='ads'"
    )
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert parse_address("postgresql:///ads").target == "dbname='ads'"


@pytest.mark.parametrize("text", [
    "postgresql://me:s3?cret@db/ads",
    "postgresql://me:12?cret=1@db/ads",
    "postgresql://me:pa@ss?cret=1@db/ads",
    "postgresql://me:s3cret:5432/ads",
    "postgresql://db/ads?s3cret",
    "postgresql://me:s3cret@db/ads/more",
    "postgresql://me:s3cret@d b/ads",
    "host=db password=s3 cret",
    "password='s3cret",
    "password=s3'cret'",
    "mysql://me:s3cret@db/ads",
    "postgresql:/me:s3cret@db/ads",
    "sqlite:///s3cret",
])  # fmt: skip
def test_what_cannot_be_read_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(AuditError) as refused:
        parse_address(text)
    assert not any(part in str(refused.value) for part in ("s3", "cret", "pa@", "12"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8))
@example("s3cr/et=?@:#&pass")
@example("password='x y'")
def test_no_password_is_in_a_message_or_a_repr(password: str) -> None:
    for text in (
        f"postgresql://me:{password}@db/ads",
        f"postgresql+psycopg://db/ads?password={password}",
        f"host=db password={password}",
        f"mysql://me:{password}@db",
    ):
        try:
            told = repr(parse_address(text))
        except AuditError as refused:
            told = str(refused)
        if len(password.strip()) >= 8:
            assert password.strip() not in told


@pytest.mark.parametrize(("text", "wanted"), [
    ("w.duckdb", "w.duckdb"),
    ("duckdb:///w.duckdb", "w.duckdb"),
    ("duckdb:////data/w.duckdb", "/data/w.duckdb"),
    ("duckdb:///w.duckdb?access_mode=read_only", "w.duckdb"),
    ("md:ads?motherduck_token=s3cret", "md:ads?motherduck_token=s3cret"),
])  # fmt: skip
def test_an_address_of_duckdb_is_a_path(text: str, wanted: str) -> None:
    address = parse_address(text)
    assert (address.target, address.extra) == (wanted, "audit-duckdb")
    assert "s3cret" not in repr(address)


def test_a_path_that_exists_is_a_path_whatever_it_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host=db").touch()
    monkeypatch.chdir(tmp_path)
    assert parse_address("host=db").target == "host=db"


@pytest.mark.parametrize(("url", "told"), [
    ("missing.duckdb", "database does not exist"),
    ("postgresql://someone:hunter2@127.0.0.1:1/ads", "Connection refused"),
    ("postgresql://someone:hunter%zz@127.0.0.1:1/ads", "Connection refused"),
    ("postgresql://127.0.0.1:1/ads?password=hunter2&hunter=2", "invalid connection option"),
    ("host=127.0.0.1 port=1 password=hunter2", "Connection refused"),
])  # fmt: skip
def test_a_warehouse_that_cannot_be_opened_is_one_line_without_the_password(
    url: str, told: str
) -> None:
    code, printed, error = run_audit(url)
    assert (code, printed) == (2, "")
    assert told in error
    assert "hunter2" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("text", "drivers", "extra"), [
    ("w.duckdb", "duckdb", "audit-duckdb"),
    ("postgresql:///ads", "psycopg or psycopg2", "audit-postgres"),
])  # fmt: skip
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, text: str, drivers: str, extra: str
) -> None:
    for name in ("duckdb", "psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AuditError) as error, open_warehouse(text):
        pass
    assert str(error.value) == (
        f'{drivers} is needed to read this warehouse: pip install "tap-advexport[{extra}]"'
    )


def test_an_address_that_is_longer_than_any_name_of_a_file_is_read() -> None:
    assert target("host=db password=" + "0" * 500) == f"host='db' password='{'0' * 500}'"
