"""The Singer tap: settings and state in, streams out."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_advexport.config import read_environment
from tap_advexport.errors import CatalogError, ConfigError, StateError, UserError
from tap_advexport.redaction import excerpt
from tap_advexport.reports import PERIODS_STREAM, REPORTS
from tap_advexport.settings import (
    FALSE_TEXTS,
    TRUE_TEXTS,
    parse_settings,
    settings_schema,
    unknown_names,
)
from tap_advexport.singer.batch import check_batch_keys
from tap_advexport.singer.messages import MessageWriter
from tap_advexport.singer.output import SingerOutput
from tap_advexport.singer.periods import PeriodsStream
from tap_advexport.singer.sdk import load_json
from tap_advexport.singer.streams import ReportStream
from tap_advexport.sync.engine import coverage_of_bookmark
from tap_advexport.sync.run import Machine, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput

logger = logging.getLogger(__name__)

STREAM_NAMES: Final = (*(report.stream for report in REPORTS), PERIODS_STREAM)
STREAM_OF_LABEL: Final = {report.label: report.stream for report in REPORTS}
# What stands in a Singer state beside the bookmarks.
STATE_KEYS: Final = frozenset({"bookmarks", "currently_syncing"})


class TapAdvexport(Tap):
    """Advertiser reports over an asynchronous export API, exact and restatable."""

    # The line above is one line because the SDK spoils `--about --format=markdown` otherwise.

    name = "tap-advexport"
    config_jsonschema: ClassVar[dict[str, Any]] = settings_schema()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    message_writer_class = MessageWriter
    message_writer: MessageWriter

    def __init__(  # noqa: PLR0913 - what the SDK takes, and the machine
        self,
        *,
        config: Mapping[str, Any] | None = None,
        catalog: Any = None,  # noqa: ANN401 - whatever the SDK takes
        state: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        setup_mapper: bool = True,
        message_writer: MessageWriter | None = None,
        machine: Machine | None = None,
    ) -> None:
        """Check the settings, the catalog and the state.

        Raises:
            ConfigError, CatalogError, StateError: one of them is wrong; nothing was sent yet.
        """
        given = dict(config or {})
        if validate_config:
            _check_others(given.get("stream_maps"))
        if parse_env_config:
            given |= read_environment(self.complete_schema(), self.name)
        self._machine = machine or Machine()
        self._run = self._started(given, must_be_valid=validate_config)
        self.output = SingerOutput(self)
        # Whether there is something to sum up: discovery and the like bring no days.
        self.has_begun = False
        try:
            super().__init__(
                config=_for_the_sdk(given, self.config_jsonschema),
                catalog=catalog,
                state=dict(state) if state is not None else None,
                validate_config=validate_config,
                setup_mapper=setup_mapper,
                message_writer=message_writer,
            )
        except ConfigValidationError as error:
            raise ConfigError("; ".join(error.errors)) from None
        if validate_config:
            check_batch_keys(self.config.get("batch_config"))
        if self._run is not None:
            self.message_writer.end_when(self._run.grace.is_over)

    @classmethod
    def complete_schema(cls) -> dict[str, Any]:
        """The schema of all settings, the SDK's own among them."""
        cls.append_builtin_config(cls.config_jsonschema)
        return cls.config_jsonschema

    @property
    def run(self) -> Run:
        """What the streams of this run share.

        Raises:
            ConfigError: the settings are not valid, which discovery lets pass.
        """
        if self._run is None:
            msg = "the settings are not valid"
            raise ConfigError(msg)
        return self._run

    def _started(self, config: Mapping[str, Any], *, must_be_valid: bool) -> Run | None:
        self._warn_of_unknown(config)
        try:
            settings = parse_settings(config, now=self._machine.clock.now())
        except ConfigError as error:
            if must_be_valid:
                raise
            logger.warning("The settings are not valid: %s", error)
            return None
        return Run(settings, self._machine, f"{self.name}/{self.get_plugin_version()}")

    def _warn_of_unknown(self, config: Mapping[str, Any]) -> None:
        known = self.complete_schema()["properties"]
        for name, nearest in unknown_names(list(config), list(known)):
            hint = f"; did you mean {nearest}?" if nearest else ""
            logger.warning("%s is no setting of this tap%s", name, hint)

    @override
    def discover_streams(self) -> Sequence[ReportStream | PeriodsStream]:
        """The streams of the table of reports, and `report_periods`."""
        reports = (ReportStream(self, report, self._run, self.output) for report in REPORTS)
        return [*reports, PeriodsStream(self)]

    @override
    def setup_mapper(self) -> None:
        """Read the stream maps.

        Raises:
            ConfigError: one is no map, or makes no stream.
        """
        try:
            super().setup_mapper()
        except ConfigValidationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK finds in a setting of its own
            kind = "" if isinstance(error, MappingError) else f"{type(error).__name__}: "
            msg = f"stream_maps: {kind}{excerpt(str(error))}"
            raise ConfigError(msg) from None

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take the state over, when every bookmark in it makes sense.

        Raises:
            StateError: it does not; a silent full re-sync is never the answer.
        """
        checked = _checked_state(state)
        if self._run is not None:
            for stream in self.streams.values():
                if isinstance(stream, ReportStream):
                    bookmark = checked["bookmarks"].get(stream.name)
                    coverage_of_bookmark(bookmark, stream.report, self._run)
        super().load_state(checked)

    # Final for type checkers only; nothing else comes before the first STATE.
    @override  # type: ignore[misc]
    def sync_all(self) -> None:
        """Sync the selected streams, after the first STATE says what this run will overwrite.

        The SDK writes the state that it has before any stream begins: by then all are planned.
        """
        for stream in self.streams.values():
            if isinstance(stream, ReportStream) and stream.selected:
                stream.prepare()
        super().sync_all()

    def has_failures(self) -> bool:
        """Whether days failed, in a dry run too."""
        return self._run is not None and bool(self._run.failures)

    def close(self) -> None:
        """End what the run may have left behind."""
        if self._run is not None:
            self._run.close()

    # The command line.

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note the signal; it is looked at between two lines and between two requests."""
        if self._run is not None:
            self._run.interrupt(signum)

    @override
    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the config files.

        Raises:
            ConfigError: one is missing or is no JSON object.
        """
        for path in value:
            if path != "ENV":
                _check_config_file(path)
        return super().cb_config(ctx, param, value)

    @override
    @classmethod
    # Narrower than the base of taps and targets, as the SDK's own Tap.invoke is.
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Run the tap, or print what it is."""
        if about:
            cls.print_about(about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        tap = cls(
            config=config.config if config else None,
            parse_env_config=bool(config and config.parse_env),
            state=_read_json(state, StateError, "state"),
            catalog=_read_json(catalog, CatalogError, "catalog"),
        )
        tap.has_begun = True
        tap.sync_all()


def _check_config_file(path: str) -> None:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text in UTF-8"
        msg = f"config: the file {path} cannot be read: {reason}"
        raise ConfigError(msg) from None
    _json_object(text, ConfigError, f"config: the file {path}")


def _read_json(
    file: IO[str] | None, error_type: type[UserError], what: str
) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        text = file.read()
    except (OSError, UnicodeDecodeError):
        msg = f"{what}: the file cannot be read as text in UTF-8"
        raise error_type(msg) from None
    return _json_object(text, error_type, f"{what}: the file")


def _json_object(text: str, error_type: type[UserError], what: str) -> dict[str, Any]:
    try:
        value: object = load_json(text)
    except (ValueError, RecursionError) as error:
        # Where it fails, and never what stands there: it may be the token.
        place = f"line {getattr(error, 'lineno', '?')}"
        msg = f"{what} is no valid JSON ({place})"
        raise error_type(msg) from None
    if not isinstance(value, dict):
        msg = f"{what} holds no JSON object"
        raise error_type(msg)
    return value


def _checked_state(state: Mapping[str, Any]) -> dict[str, Any]:
    bookmarks = state.get("bookmarks", {})
    others = sorted(state.keys() - STATE_KEYS)
    if others and "bookmarks" not in state:
        msg = (
            f"state: has no bookmarks, but {', '.join(map(excerpt, others))}; give the Singer "
            'state alone, as in {"bookmarks": ...}'
        )
        raise StateError(msg)
    if not isinstance(bookmarks, dict):
        msg = "state: bookmarks is no JSON object"
        raise StateError(msg)
    for name, bookmark in bookmarks.items():
        is_none = bookmark is None and name not in STREAM_NAMES
        if not is_none and not isinstance(bookmark, dict):
            msg = f"state: bookmarks.{excerpt(name)} is no JSON object"
            raise StateError(msg)
    kept = {name: bookmark for name, bookmark in bookmarks.items() if bookmark}
    for name, similar in unknown_names(kept, STREAM_NAMES):
        nearest = STREAM_OF_LABEL.get(name, similar)
        # Others may keep their bookmarks here, but a slip would export everything again.
        if nearest and nearest not in kept:
            msg = f"state: bookmarks.{excerpt(name)} is of no stream; did you mean {nearest}?"
            raise StateError(msg)
    return {**state, "bookmarks": kept}


def _check_others(maps: object) -> None:
    """Refuse what the SDK's own check of `__else__` breaks on."""
    if not isinstance(maps, dict):
        return
    levels = {"": maps} | {f"{excerpt(str(name))}.": columns for name, columns in maps.items()}
    for path, level in levels.items():
        rest = level.get("__else__") if isinstance(level, dict) else None
        if rest not in (None, "__NULL__"):
            msg = f"stream_maps: {path}__else__ must be null"
            raise ConfigError(msg)


def _for_the_sdk(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The config as the SDK's own validation expects it: null and empty texts are unset."""
    kinds = schema["properties"]
    return {
        name: _of_json_type(
            _without_nulls(value) if name == "batch_config" else value,
            kinds.get(name, {}).get("type", []),
        )
        for name, value in config.items()
        if value is not None and value != ""
    }


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}


def _of_json_type(value: Any, types: Sequence[str]) -> Any:  # noqa: ANN401 - any setting
    """A value in the type that its JSON schema names; one that is none of it stays as it is."""
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    text = value.strip()
    if "boolean" in types and text.lower() in TRUE_TEXTS | FALSE_TEXTS:
        return text.lower() in TRUE_TEXTS
    if "integer" in types or "number" in types:
        with suppress(ValueError):
            number = float(text)
            if number.is_integer() or "number" in types:
                return number if "number" in types else int(number)
    return text if "string" in types else value
