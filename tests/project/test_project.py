"""What the project's files say is held to the code, and to one another."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from scripts.render_sample import sample
from scripts.render_settings import rendered, replaced_block
from tap_advexport.coverage.bookmark import parse_bookmark, render_bookmark
from tap_advexport.coverage.settling import Rules
from tap_advexport.reports import PERIODS_STREAM, REPORTS, Interval
from tap_advexport.settings import SETTINGS
from tap_advexport.tap import TapAdvexport
from tests.support.paths import ROOT

SETTING_NAMES = [setting.name for setting in SETTINGS]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted(
    path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
[EXTRACTOR] = MELTANO["plugins"]["extractors"]
LOADERS = {loader["name"]: loader for loader in MELTANO["plugins"]["loaders"]}
PLUGIN_SETTINGS = {setting["name"]: setting for setting in EXTRACTOR["settings"]}
ALL_SETTINGS = list(TapAdvexport.complete_schema()["properties"])


@pytest.mark.parametrize("name", ["meltano.yml", ".secrets.example"])
def test_files_hold_the_settings_as_the_table_describes_them(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text == replaced_block(text, rendered()[name]), "run scripts/render_settings.py"


def test_table_of_the_docs_names_every_setting_once_with_its_default() -> None:
    table = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", table, re.MULTILINE)
    shown = {name: default for name, default in rows if name in SETTING_NAMES}
    assert [name for name, _ in rows if name in SETTING_NAMES] == SETTING_NAMES
    assert [name for name, default in shown.items() if default == "required"] == required()
    assert [name for name in ALL_SETTINGS if f"`{name}`" not in table] == []


def test_meltano_plugin_has_every_setting_with_kind_and_description() -> None:
    assert {name.split(".")[0] for name in PLUGIN_SETTINGS} == set(ALL_SETTINGS)
    assert all(setting["kind"] and setting["description"] for setting in PLUGIN_SETTINGS.values())
    defaults = {name: PLUGIN_SETTINGS[name].get("value") for name in SETTING_NAMES}
    assert defaults == {setting.name: setting.default for setting in SETTINGS}


def test_meltano_plugin_hides_exactly_the_secrets_and_asks_for_exactly_what_is_required() -> None:
    sensitive = [name for name, setting in PLUGIN_SETTINGS.items() if setting.get("sensitive")]
    assert sensitive == [setting.name for setting in SETTINGS if setting.is_secret]
    assert EXTRACTOR["settings_group_validation"] == [required()]


def test_meltano_plugin_selects_what_the_tap_selects_by_itself() -> None:
    selected = [report.stream for report in REPORTS if report.selected_by_default]
    assert EXTRACTOR["select"] == [f"{stream}.*" for stream in [*selected, PERIODS_STREAM]]


def test_meltano_plugin_has_the_capabilities_of_the_tap() -> None:
    known = [capability.value for capability in TapAdvexport.capabilities]
    # The SDK's `--test` belongs to every tap and is not listed by it.
    assert sorted(EXTRACTOR["capabilities"]) == sorted([*known, "test"])


def test_meltano_plugins_need_no_hub() -> None:
    for plugin in [EXTRACTOR, *LOADERS.values()]:
        assert {"namespace", "pip_url", "executable", "settings"} <= plugin.keys()


def test_target_duckdb_gets_a_duckdb_that_loses_no_rows() -> None:
    assert "duckdb==1.2.2" in LOADERS["target-duckdb"]["pip_url"].split()


def test_secrets_example_asks_for_exactly_what_is_required() -> None:
    lines = (ROOT / ".secrets.example").read_text("utf-8").splitlines()
    asked = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert asked == [f"TAP_ADVEXPORT_{name.upper()}" for name in required()]


def test_readme_lists_the_streams_with_their_default_selection() -> None:
    rows = re.findall(r"^\| `(report_\w+)` \| (yes|no) \|", README, re.MULTILINE)
    selection = [(report.stream, report.selected_by_default) for report in REPORTS]
    expected = [*selection, (PERIODS_STREAM, True)]
    assert rows == [(stream, "yes" if selected else "no") for stream, selected in expected]


def test_restatement_query_of_the_readme_leaves_out_rows_of_older_versions() -> None:
    [query] = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    warehouse = sqlite3.connect(":memory:")
    warehouse.executescript("""
        create table report_daily (row_key, report_date, period_version);
        insert into report_daily values
            ('held', '2024-01-01', 'new'),
            ('vanished', '2024-01-01', 'old'),
            ('next day', '2024-01-02', 'other');
        create table report_periods (report, period, period_version);
        insert into report_periods values
            ('daily', '2024-01-01', 'new'),
            ('daily', '2024-01-02', 'other'),
            ('hourly', '2024-01-01', 'old');
    """)
    assert [row[0] for row in warehouse.execute(query)] == ["held", "next day"]
    warehouse.close()


def test_state_of_the_docs_is_one_that_the_tap_reads_and_writes() -> None:
    text = (ROOT / "docs/state.md").read_text("utf-8")
    [example] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    bookmark = json.loads(example)["bookmarks"]["report_daily"]
    now = datetime(2024, 4, 2, 4, tzinfo=UTC)
    rules = Rules(Interval.DAILY, ZoneInfo("UTC"), now, lookback_days=30)
    coverage = parse_bookmark(bookmark, start_date=date(2024, 1, 1), rules=rules)
    assert render_bookmark(coverage, rules) == bookmark


def test_site_leads_to_every_page_of_the_docs() -> None:
    pages = {str(document) for document in DOCUMENTS if document.parts[0] == "docs"}
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    named = set(re.findall(r": ([\w/-]+\.md)$", text, re.MULTILINE))
    assert pages <= {f"docs/{name}" for name in named}
    assert {"docs/start.md", "docs/restatement.md"} <= set(
        re.findall(r"\]\((docs/[^)#]+\.md)", README)
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_within_the_project_lead_somewhere(document: Path) -> None:
    text = (ROOT / document).read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [link for link in links if link and "://" not in link]
    assert [link for link in local if not (ROOT / document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_scripts_and_files_named_in_documents_exist(document: Path) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = re.findall(r"\b((?:scripts|tests|docs|tap_advexport|sandbox)/[\w./-]*\w)", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_no_line_of_code_is_cut_off_on_a_page(document: Path) -> None:
    """The site shows that many columns beside both of its side bars."""
    text = (ROOT / document).read_text("utf-8")
    blocks = re.findall(r"^ *```(\w+).*?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    for language, block in blocks:
        if language in {"cron", "json", "python", "text"}:
            continue  # these wrap there
        widest = 76 if language == "bash" else 80
        assert [line for line in block.splitlines() if len(line) > widest] == []


def test_commands_of_the_readme_can_be_run() -> None:
    scripts = re.findall(r"^```bash\n(scripts/\w+)\n```$", README, re.MULTILINE)
    assert scripts == ["scripts/demo", "scripts/test"]
    for script in scripts:
        assert (ROOT / script).stat().st_mode & 0o111, f"{script} is not executable"
    programs = set(re.findall(r"^(?:```bash\n|`)(tap-[\w-]+)", README, re.MULTILINE))
    assert programs <= PROJECT["project"]["scripts"].keys()
    folder = Path(sys.executable).parent
    assert all(shutil.which(program, path=folder) for program in PROJECT["project"]["scripts"])


def test_readme_is_short_and_begins_with_whose_reports_these_are() -> None:
    lines = README.splitlines()
    assert len(lines) <= 130
    assert "Instal" in "".join(lines[:10])
    assert "https://docs.instal.com" in "".join(lines[:10])
    default = next(setting.default for setting in SETTINGS if setting.name == "api_url")
    assert "dashboard.instal.com" in str(default)
    assert "dashboard.instal.com" in "".join(lines[:12])


def test_badges_of_the_readme_are_true() -> None:
    classifiers = PROJECT["project"]["classifiers"]
    versions = [c.rpartition(" ")[2] for c in classifiers if "Python :: 3." in c]
    [shown] = re.findall(r"/badge/python-([^)]*)-0f766e\)", README)
    assert shown.split("%20%7C%20") == versions
    assert f"license-{PROJECT['project']['license'].replace('-', '--')}-" in README


def test_sample_rows_of_the_readme_are_those_that_the_tap_brings() -> None:
    assert replaced_block(README, list(sample()), "sample") == README, (
        "PYTHONPATH=. python scripts/render_sample.py"
    )


def test_every_block_of_code_says_its_language() -> None:
    for document in DOCUMENTS:
        opened = re.findall(r"^ *```(.*)$", (ROOT / document).read_text("utf-8"), re.MULTILINE)[::2]
        assert [fence for fence in opened if not fence] == [], document


@pytest.mark.skipif(not (ROOT / ".venv").is_dir(), reason="set up by tox, not by the scripts")
@pytest.mark.parametrize("script", ["scripts/soak", "benchmarks/run"])
def test_scripts_that_start_a_module_find_what_it_needs(script: str) -> None:
    done = subprocess.run(
        [ROOT / script, "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage:")


def test_options_of_the_tap_named_in_the_readme_exist() -> None:
    known = {name for option in TapAdvexport.get_singer_command().params for name in option.opts}
    named = set(re.findall(r"`(--[a-z-]+)", README)) | {"--config", "--state", "--test"}
    assert named <= known


def test_lock_file_names_no_index_but_pypi() -> None:
    lock = (ROOT / "uv.lock").read_text("utf-8")
    hosts = set(re.findall(r"https?://([^/\"]+)", lock))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    assert "file://" not in lock


def required() -> list[str]:
    return [setting.name for setting in SETTINGS if setting.is_required]
