"""What people set, through the command: every mistake is one line, and none is silent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from tests.support.catalogs import selected
from tests.support.paths import ROOT
from tests.support.tap_process import COMMAND, Told, run_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "not-a-real-token"
SETTINGS = {
    "auth_token": TOKEN,
    "api_url": "http://127.0.0.1:9/exports/",
    "start_date": "2024-02-01",
    "end_date": "2024-02-02",
    "request_attempts": 1,
    "export_attempts": 1,
}
VARIABLES = {f"TAP_ADVEXPORT_{name.upper()}": str(value) for name, value in SETTINGS.items()}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    with Sandbox(SandboxConfig(now=now, rows_per_day=5, token=TOKEN)) as started:
        yield started


@dataclass(frozen=True)
class Folder:
    """A working folder in which the command is run."""

    path: Path

    def write(self, name: str, data: bytes | str | dict[str, Any]) -> str:
        path = self.path / name
        text = json.dumps(data) if isinstance(data, dict) else data
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return name

    def run(self, *arguments: str, before: str = "", **variables: str) -> Told:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TAP_ADVEXPORT_")}
        environment = clean | {"TERM": "dumb"} | variables
        if not before:
            return run_in(self.path, environment, *arguments)
        done = subprocess.run(
            ["bash", "-c", f'{before} exec "$@"', "-", *COMMAND, *arguments],
            cwd=self.path,
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Told(done.returncode, done.stdout, done.stderr.decode())

    def with_config(self, *arguments: str, **settings: object) -> Told:
        config = self.write("config.json", SETTINGS | settings)
        return self.run("--config", config, *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def assert_is_one_line(told: Told, *words: str) -> None:
    assert told.code == 1, told.log
    told.assert_is_quiet()
    [error] = told.errors
    assert [word for word in words if word not in error] == []
    assert TOKEN not in told.log
    assert not told.out


def warnings(told: Told) -> list[str]:
    return [line for line in told.log.splitlines() if "| WARNING " in line]


PLACES_OF_THE_TOKEN: list[dict[str, Any]] = [
    {"stream_maps": {"report_daily": {"x": [TOKEN]}}},
    {"stream_maps": {"report_daily": [TOKEN]}},
    {"stream_maps": TOKEN},
    {"stream_maps": {"report_daily": {"x": f"{TOKEN} ("}}},
    {"stream_maps": {TOKEN: {}}},
    {"faker_config": {"seed": {"a": TOKEN}}},
    {"batch_config": {"encoding": {"format": TOKEN}, "storage": {"root": "x"}}},
    {"batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "x"}, TOKEN: 1}},
    {TOKEN: 1, "window_days": 0},
    {"timezone": TOKEN},
    {"sorting": TOKEN},
    {"account": TOKEN},
    {"api_url": f"https://127.0.0.1:9/{TOKEN}"},
]


@pytest.mark.parametrize("settings", PLACES_OF_THE_TOKEN, ids=str)
def test_the_token_is_in_no_line_wherever_it_was_put(
    folder: Folder, settings: dict[str, Any]
) -> None:
    told = folder.with_config(**{"request_attempts": 1, "export_attempts": 1} | settings)
    assert told.code == 1
    assert told.errors
    assert TOKEN not in told.log


@pytest.mark.parametrize(
    "bookmark", [{TOKEN: 1}, {"settled": TOKEN}, {"replication_key_value": TOKEN}], ids=str
)
def test_the_token_is_in_no_line_where_the_state_has_it(
    folder: Folder, bookmark: dict[str, object]
) -> None:
    state = json.dumps({"bookmarks": {"report_daily": bookmark}}).encode()
    assert_is_one_line(folder.with_config("--state", folder.write("state.json", state)), "***")


# --- Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "config.json is empty"),
        (b'{"auth_token": "not-a-real-token", ', "config.json ends in the middle (line 1)"),
        (
            b'{"auth_token": "not-a-real-token"\n, x}',
            "config.json is not valid JSON (line 2, column 3)",
        ),
        (b"[]", "config.json is not a JSON object"),
        ('{"user_agent": "é"}'.encode("latin-1"), "config.json is not text in UTF-8 (line 1)"),
    ],
)
def test_a_config_that_cannot_be_read_is_one_line(folder: Folder, data: bytes, words: str) -> None:
    told = folder.run("--config", folder.write("config.json", data))
    assert_is_one_line(told, "config: the file ", words)


def test_a_config_that_is_not_there_is_one_line(folder: Folder) -> None:
    assert_is_one_line(folder.run("--config", "none.json"), "none.json cannot be read: No such")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "state is empty: a run before was cut off while it was written"),
        (b'{"bookmarks": {"report_da', "state ends in the middle (line 1)"),
        (b'\xff\xfe{"bookmarks": {}}', "state is not text in UTF-8"),
        (b'{"bookmarks": []}', "state: bookmarks is not a JSON object"),
        (b'{"bookmarks": {"orders": {"id": "\\ud800"}}}', "state has half of a character"),
        (
            b'{"bookmarks": {"report_periods": {"partitions": [5]}}}',
            "report_periods has partitions",
        ),
    ],
)
def test_a_state_that_cannot_be_read_is_one_line(folder: Folder, data: bytes, words: str) -> None:
    assert_is_one_line(folder.with_config("--state", folder.write("state.json", data)), words)


MISSPELT = b'{"streams": [{"tap_stream_id": "report_dayly", "schema": {}, "metadata": []}]}'
OF_NUMBERS = (
    b'{"streams": [{"tap_stream_id": "report_daily", "stream": 5, "schema": {}, "metadata": []}]}'
)
ODD_TYPE = (
    b'{"streams": [{"tap_stream_id": "report_daily", "key_properties": ["row_key"], '
    b'"metadata": [], "schema": {"properties": {"row_key": {}, "cr": {"type": 5}}}}]}'
)


@pytest.mark.parametrize(
    ("catalog", "words"),
    [
        (b"", "catalog is empty"),
        (MISSPELT, "report_dayly is not a stream of this tap; did you mean"),
        (MISSPELT.replace(b'"report_dayly"', b"5"), "catalog: is not a Singer catalog"),
        (OF_NUMBERS, "catalog: 5 is not a stream of this tap"),
        (ODD_TYPE, "catalog: TypeError"),
    ],
    ids=["empty", "misspelt", "a number", "named by a number", "an odd type"],
)
def test_a_catalog_that_does_not_fit_is_one_line(
    folder: Folder, catalog: bytes, words: str
) -> None:
    assert_is_one_line(folder.with_config("--catalog", folder.write("c.json", catalog)), words)


def test_a_catalog_of_other_settings_is_refused_before_rows_replace_one_another(
    folder: Folder,
) -> None:
    """Without the label in the key, each account's rows would replace those of the other."""
    plain, labelled = [
        folder.write(f"catalog-{name}.json", folder.run("--discover", "--config", config).out)
        for name, config in (
            ("plain", folder.write("plain.json", json.dumps(SETTINGS).encode())),
            ("north", folder.write("north.json", json.dumps(SETTINGS | {"account": "n"}).encode())),
        )
    ]
    told = folder.run("--config", "north.json", "--catalog", plain)
    assert_is_one_line(
        told, "catalog: report_daily lacks account, but its key is account, row_key: run --discover"
    )
    told = folder.run("--config", "plain.json", "--catalog", labelled)
    assert_is_one_line(told, "report_daily has the key account, row_key, but its key is row_key")


def test_bookmarks_of_other_taps_are_passed_on_whatever_they_hold(
    folder: Folder, sandbox: Sandbox
) -> None:
    others = {"orders": {"partitions": None}, "users": {"partitions": ["x"], "shape": ["y"]}}
    state = folder.write("state.json", json.dumps({"bookmarks": others}).encode())
    config = folder.write("c.json", json.dumps(SETTINGS | {"api_url": sandbox.url}).encode())
    told = folder.run("--config", config, "--state", state)
    assert told.code == 0, told.log
    assert told.state["bookmarks"].items() >= others.items()


def test_files_with_a_byte_order_mark_are_taken(folder: Folder, sandbox: Sandbox) -> None:
    catalog = folder.run("--discover").out
    config = json.dumps(SETTINGS | {"api_url": sandbox.url}).encode()
    names = [
        folder.write(name, b"\xef\xbb\xbf" + data)
        for name, data in (("c", config), ("s", b'{"bookmarks": {}}'), ("catalog", catalog))
    ]
    told = folder.run("--config", names[0], "--state", names[1], "--catalog", names[2])
    assert told.code == 0, told.log
    assert told.records("report_periods")


# --- Environment ------------------------------------------------------------------------------


def test_what_is_checked_is_checked_after_the_environment(folder: Folder) -> None:
    maps = json.dumps({"report_daily": {"__else__": "x"}})
    told = folder.run("--config=ENV", **VARIABLES, TAP_ADVEXPORT_STREAM_MAPS=maps)
    assert_is_one_line(told, "stream_maps: report_daily.__else__ must be null")
    told = folder.run("--config=ENV", **VARIABLES, TAP_ADVEXPORT_BATCH_CONFIG='{"encoding": 1}')
    assert_is_one_line(told, "batch_config: lacks storage")
    told = folder.run("--config=ENV", **VARIABLES, TAP_ADVEXPORT_STREAM_MAPS="{")
    assert_is_one_line(told, "stream_maps: TAP_ADVEXPORT_STREAM_MAPS is not valid JSON")


def test_settings_that_wait_in_the_environment_are_told(folder: Folder) -> None:
    assert_is_one_line(
        folder.run(**VARIABLES),
        "auth_token: is required; start_date: is required",
        "TAP_ADVEXPORT_AUTH_TOKEN and TAP_ADVEXPORT_START_DATE are set, and read with --config=ENV",
    )


def test_where_a_setting_that_is_missing_belongs_is_told(folder: Folder) -> None:
    assert_is_one_line(
        folder.run(),
        "auth_token: is required; start_date: is required; put auth_token and start_date",
        "into the config, or set TAP_ADVEXPORT_AUTH_TOKEN and TAP_ADVEXPORT_START_DATE and give",
    )
    assert_is_one_line(
        folder.run("--config=ENV", TAP_ADVEXPORT_START_DATE="2024-01-01"),
        "auth_token: is required; set TAP_ADVEXPORT_AUTH_TOKEN",
    )


def test_a_variable_that_is_not_a_setting_is_told_with_the_nearest_one(folder: Folder) -> None:
    told = folder.run(
        "--config=ENV",
        "--discover",
        **VARIABLES,
        TAP_ADVEXPORT_LOOKBACK_DAY="3",
        TAP_ADVEXPORT_LOGLEVEL="INFO",
        TAP_ADVEXPORT__SELECT="[]",
        TAP_ADVEXPORT_BATCH_CONFIG_ENCODING_FORMAT="jsonl",
    )
    assert told.code == 0
    [warning] = warnings(told)
    assert warning.endswith(
        "TAP_ADVEXPORT_LOOKBACK_DAY is not a setting of this tap; "
        "did you mean TAP_ADVEXPORT_LOOKBACK_DAYS?"
    )


def test_variables_are_looked_at_where_a_file_is_the_config_as_under_meltano(
    folder: Folder,
) -> None:
    config = folder.write("config.json", SETTINGS)
    other = {"TAP_ADVEXPORT_ACME_AUTH_TOKEN": "x"}
    told = folder.run("--config", config, "--discover", TAP_ADVEXPORT_TIMEZON="x", **other)
    [warning] = warnings(told)
    assert "did you mean TAP_ADVEXPORT_TIMEZONE?" in warning


@pytest.mark.parametrize(
    "data",
    [
        "TAP_ADVEXPORT_USER_AGENT=é".encode("latin-1"),
        "A=1".encode("utf-16"),
        b"\x00\x01\x02",
        b"not a variable at all\n{json: 1}\n= = =\n",
    ],
    ids=["latin-1", "utf-16", "binary", "another tool's"],
)
def test_a_dotenv_of_another_kind_is_passed_over(folder: Folder, data: bytes) -> None:
    folder.write(".env", data)
    told = folder.run("--config=ENV", "--discover", **VARIABLES)
    assert told.code == 0, told.log
    told.assert_is_quiet()


def test_a_dotenv_is_read_and_loses_against_real_variables(folder: Folder) -> None:
    lines = ["\ufeffTAP_ADVEXPORT_AUTH_TOKEN=two words", "TAP_ADVEXPORT_WINDOW_DAYS=0", ""]
    folder.write(".env", "\n".join(lines))
    told = folder.run("--config=ENV", TAP_ADVEXPORT_START_DATE="x", TAP_ADVEXPORT_WINDOW_DAYS="7")
    assert_is_one_line(told, "auth_token: has a blank", "start_date: 'x' is not a date")
    assert "window_days" not in told.log


def test_a_dotenv_that_is_a_pipe_is_not_waited_for(folder: Folder) -> None:
    os.mkfifo(folder.path / ".env")
    told = folder.run("--config=ENV", "--discover", **VARIABLES)
    assert told.code == 0, told.log
    told.assert_is_quiet()


def test_a_working_folder_that_is_gone_is_no_traceback(folder: Folder) -> None:
    told = folder.run(
        "--config=ENV", "--discover", before="mkdir x; cd x; rmdir ../x;", **VARIABLES
    )
    assert told.code == 0, told.log
    told.assert_is_quiet()


def test_a_dotenv_with_a_slip_is_told(folder: Folder) -> None:
    folder.write(".env", "TAP_ADVEXPORT_AUTH_TOKE=x\n")
    [warning] = warnings(folder.run("--config=ENV"))
    assert "did you mean TAP_ADVEXPORT_AUTH_TOKEN?" in warning


# --- Logs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["LOGLEVEL", "TAP_ADVEXPORT_LOGLEVEL"])
def test_a_level_that_does_not_exist_is_one_line(folder: Folder, variable: str) -> None:
    told = folder.run(**{variable: "trace"})
    assert_is_one_line(told, f"{variable}: must be DEBUG, INFO", "(got 'trace')")


@pytest.mark.parametrize(
    "config",
    [
        "a: [",
        "version: 2",
        "just text",
        "version: 1\nhandlers: {a: {class: no.such.Handler}}\nroot: {handlers: [a]}",
        b"\xff\xfe\x00",
    ],
    ids=["not YAML", "a wrong version", "text", "no handler", "not UTF-8"],
)
def test_a_broken_log_configuration_is_one_line(folder: Folder, config: str | bytes) -> None:
    name = folder.write("logs.yml", config)
    told = folder.run(SINGER_SDK_LOG_CONFIG=name)
    assert_is_one_line(told, "SINGER_SDK_LOG_CONFIG: logs.yml is of no use: ")


def test_a_log_configuration_does_not_silence_the_tap(folder: Folder) -> None:
    folder.write(
        "logs.yml",
        "version: 1\nhandlers: {a: {class: logging.StreamHandler}}\n"
        "root: {level: WARNING, handlers: [a]}\n",
    )
    told = folder.run(SINGER_SDK_LOG_CONFIG="logs.yml")
    assert told.code == 1
    assert "auth_token: is required" in told.log


# --- Batches ----------------------------------------------------------------------------------

JSONL = {"format": "jsonl", "compression": "gzip"}


PLACE = {"root": "/x"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("very-secret", "batch_config: must be an object"),
        ({"encoding": "very-secret", "storage": PLACE}, "batch_config.encoding: must be an object"),
        ({"encoding": JSONL, "storage": ["very-secret"]}, ".storage: must be an object"),
        ({"encoding": JSONL, "storage": PLACE, "batch_size": "10"}, "at least 1 (got '10')"),
        ({"encoding": JSONL, "storage": PLACE, "batch_size": 0}, "at least 1 (got 0)"),
        ({"encoding": JSONL, "storage": {"root": "file:///tmp/a#b"}}, "must not hold # or ?"),
        ({"encoding": JSONL, "storage": {"root": 7}}, "batch_config.storage.root: must be a text"),
        (
            {"encoding": {"format": "xml"}, "storage": PLACE},
            "format: must be one of jsonl, parquet",
        ),
    ],
    ids=str,
)
def test_a_wrong_batch_config_is_one_line_without_its_secrets(
    folder: Folder, config: object, words: str
) -> None:
    told = folder.with_config(batch_config=config)
    assert_is_one_line(told, words)
    assert "very-secret" not in told.log


# --- The machine ------------------------------------------------------------------------------


def test_too_few_descriptors_are_not_told_as_a_full_disk(folder: Folder, sandbox: Sandbox) -> None:
    config = folder.write(
        "config.json",
        SETTINGS | {"api_url": sandbox.url, "window_days": 1, "start_date": "2024-01-01"},
    )
    told = folder.run("--config", config, before="ulimit -n 9;")
    assert told.code == 1
    told.assert_is_quiet()
    assert "Too many open files" in told.log
    assert "make room" not in told.log


@pytest.mark.parametrize("megabytes", [80])
def test_no_thread_that_can_be_started_is_told_in_a_line(
    folder: Folder, sandbox: Sandbox, megabytes: int
) -> None:
    config = folder.write("config.json", SETTINGS | {"api_url": sandbox.url})
    told = folder.run("--config", config, before=f"ulimit -v {megabytes * 1024};")
    told.assert_is_quiet()
    assert told.code == 1
    assert "no thread can be started; allow for more (ulimit -v, -u)" in told.errors[0]


# --- Stream maps ------------------------------------------------------------------------------

HASH = {"aff_sub_id": "md5(aff_sub_id)"}


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (
            {"report_dayly": HASH},
            "report_dayly is not a stream of this tap; did you mean report_daily?",
        ),
        ({"orders": HASH}, "orders is not a stream of this tap; there are report_daily,"),
        ({"rep*": {"__source__": "report_dayly"}}, "rep*.__source__: report_dayly is not a stream"),
        ({"x*": HASH}, "x* is not a stream of this tap"),
        ({"report_daily": {"aff_subid": "md5(aff_sub_id)"}}, "did you mean aff_sub_id?"),
        (
            {"report_daily": {"aff_sub_ids": None}},
            "has no column aff_sub_ids; did you mean aff",
        ),
        ({"*": {"nosuch": "__NULL__"}}, "*: has no column nosuch"),
        ({"mine": {"__source__": "report_daily", "contry": "'x'"}}, "did you mean country?"),
    ],
    ids=str,
)
def test_a_slip_in_a_stream_map_is_one_line(
    folder: Folder, maps: dict[str, Any], words: str
) -> None:
    assert_is_one_line(folder.with_config(stream_maps=maps), "stream_maps: ", words)


def test_a_map_of_all_streams_works_under_the_default_selection(
    folder: Folder, sandbox: Sandbox
) -> None:
    maps = {"*": {"source": "'ads'"}}
    told = folder.with_config(api_url=sandbox.url, stream_maps=maps)
    assert told.code == 0, told.log
    for stream in ("report_daily", "report_periods"):
        records = told.records(stream)
        assert records
        assert {record["source"] for record in records} == {"ads"}


def test_a_map_of_all_streams_changes_a_column_where_there_is_one(
    folder: Folder, sandbox: Sandbox
) -> None:
    hashed = {"aff_sub_id": "md5(aff_sub_id)", "row_count": "row_count"}
    plain = folder.with_config(api_url=sandbox.url)
    told = folder.with_config(api_url=sandbox.url, stream_maps={"*": hashed})
    assert told.code == 0, told.log
    ids = [{row["aff_sub_id"] for row in run.records("report_daily")} for run in (plain, told)]
    assert {hashlib.md5(each.encode()).hexdigest() for each in ids[0]} == ids[1]  # noqa: S324
    counts = [[row["row_count"] for row in run.records("report_periods")] for run in (plain, told)]
    assert counts[0] == counts[1]
    assert "aff_sub_id" not in told.records("report_periods")[0]
    assert "row_count" not in told.records("report_daily")[0]


def test_amounts_are_multiplied_as_the_error_says(folder: Folder, sandbox: Sandbox) -> None:
    told = folder.with_config(
        api_url=sandbox.url, stream_maps={"report_daily": {"cost_usd": "cost_aggr * 0.92"}}
    )
    assert told.code == 1
    told.assert_is_quiet()
    assert "write float(cost_aggr) * 0.92" in told.errors[0]
    right = folder.with_config(
        api_url=sandbox.url, stream_maps={"report_daily": {"cost_usd": "float(cost_aggr) * 0.92"}}
    )
    assert right.code == 0, right.log
    records = right.records("report_daily")
    assert records
    for record in records:
        assert abs(float(record["cost_usd"]) - float(record["cost_aggr"]) * 0.92) < 1e-9


EXAMPLES = [
    json.loads(block)
    for block in re.findall(
        r"^```json\n(.*?)^```$",
        (ROOT / "docs/reference/stream-maps.md").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
]


@pytest.mark.parametrize("settings", EXAMPLES, ids=lambda each: str(each)[:60])
def test_maps_of_the_documentation_work(
    folder: Folder, sandbox: Sandbox, settings: dict[str, Any]
) -> None:
    told = folder.with_config(api_url=sandbox.url, **settings)
    assert told.code == 0, told.log
    assert told.records("report_periods")


# --- What is allowed, and hardly wanted ---------------------------------------------------------


def catalog_in(folder: Folder, *streams: str, without: str = "") -> str:
    discovered = json.loads(folder.with_config("--discover", account="acme").out)
    return folder.write("catalog.json", selected(discovered, streams, without=[without]))


def test_nothing_selected_is_a_warning(folder: Folder) -> None:
    told = folder.with_config("--catalog", catalog_in(folder))
    assert told.code == 0
    [warning] = warnings(told)
    assert "No report is selected: nothing is exported" in warning


def test_a_start_ahead_is_a_warning(folder: Folder) -> None:
    told = folder.with_config(start_date="2999-01-01", end_date=None)
    assert told.code == 0, told.log
    [warning] = warnings(told)
    assert "start_date 2999-01-01 is after the last day to have, " in warning


def test_a_state_of_another_tap_is_a_warning(folder: Folder, sandbox: Sandbox) -> None:
    state = folder.write("state.json", {"bookmarks": {"orders": {"id": 7}}})
    told = folder.with_config("--state", state, api_url=sandbox.url)
    assert told.code == 0, told.log
    [warning] = warnings(told)
    assert (
        "The state has no bookmark of this tap, but of orders: all days from 2024-02-01" in warning
    )


def test_a_join_that_is_deselected_is_a_warning(folder: Folder, sandbox: Sandbox) -> None:
    catalog = catalog_in(folder, "report_daily", "report_periods", without="period_version")
    told = folder.with_config("--catalog", catalog, api_url=sandbox.url, account="acme")
    assert told.code == 0, told.log
    for stream, warning in zip(("report_daily", "report_periods"), warnings(told), strict=True):
        assert (
            f"{stream}: without period_version, which the catalog does not select, rows cannot"
            in warning
        )
