"""The Singer tap: settings and state in, streams out."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_advexport.config import complete_config, hint_of_missing, redactor_of
from tap_advexport.coverage.state_envelope import parse_state_object
from tap_advexport.errors import CatalogError, ConfigError, StateError, TapAdvexportError
from tap_advexport.json_files import decode, parse_object, read_object
from tap_advexport.reports import REPORTS
from tap_advexport.settings import parse_settings, settings_schema
from tap_advexport.singer.inputs import checked_state, read_catalog, warnings_of
from tap_advexport.singer.maps import register_maps
from tap_advexport.singer.messages import MessageWriter
from tap_advexport.singer.output import SingerOutput
from tap_advexport.singer.periods import PeriodsStream
from tap_advexport.singer.sdk import ConfigInput, InterruptibleTap
from tap_advexport.singer.streams import ReportStream
from tap_advexport.sync.engine import parsed_bookmark
from tap_advexport.sync.run import Machine, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_advexport.settings import Settings

logger = logging.getLogger(__name__)

HELP = """\
Export Instal's advertiser reports as Singer messages: every day from start_date on that has not
settled is exported, verified whole, and sent with the STATE that covers it.

\b
  tap-advexport --config config.json --state state.json | target-...
  tap-advexport --config=ENV --test
"""
EPILOG = """\
\b
Settings: tap-advexport --about; TAP_ADVEXPORT_* variables and .env with --config=ENV.
Exit codes: 0 every wanted day is covered; 1 an error, or days that failed; 130 and 143
interrupted by SIGINT and SIGTERM. The last line of the log says why.
See also: tap-advexport-coverage (which days a state covers), tap-advexport-audit (does
the warehouse hold them), tap-advexport-merge-states.
API: https://docs.instal.com
"""


class TapAdvexport(InterruptibleTap):
    """Advertiser reports over an asynchronous export API, exact and restatable."""

    # The docstring stays on one line: the SDK spoils `--about --format=markdown` otherwise.

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
            ConfigError, CatalogError, StateError: one of them is wrong; nothing is emitted yet.
        """
        self._machine = machine or Machine()
        # The token may have been put into another setting, a map, the state or the catalog.
        redactor = redactor_of(config or {}, os.environ)
        try:
            complete, settings = self._read(
                config or {}, is_environment_read=parse_env_config, must_be_valid=validate_config
            )
            redactor = redactor_of(complete, os.environ)
            user_agent = f"{self.name}/{self.get_plugin_version()}"
            self._run = None if settings is None else Run(settings, self._machine, user_agent)
            self.output = SingerOutput(self)
            # Set when a sync begins: discovery and the like have nothing to summarize.
            self.has_begun = False
            super().__init__(
                config=complete,
                catalog=read_catalog(catalog) if isinstance(catalog, dict) else catalog,
                state=dict(state) if state is not None else None,
                validate_config=validate_config,
                setup_mapper=setup_mapper,
                message_writer=message_writer,
            )
        except ConfigValidationError as error:
            raise ConfigError(redactor.excerpt("; ".join(error.errors))) from None
        except TapAdvexportError as error:
            error.args = (redactor.without_secrets(str(error)),)
            raise
        if self._run is not None:
            self.message_writer.end_when(self._run.grace.is_over)

    @classmethod
    def complete_schema(cls) -> dict[str, Any]:
        """Return the schema of all settings, including the SDK's own."""
        cls.append_builtin_config(cls.config_jsonschema)
        return cls.config_jsonschema

    @property
    def run(self) -> Run:
        """The run, which all streams share.

        Raises:
            ConfigError: the settings are not valid; only discovery accepts that.
        """
        if self._run is None:
            msg = "the settings are not valid"
            raise ConfigError(msg)
        return self._run

    def _read(
        self, given: Mapping[str, Any], *, is_environment_read: bool, must_be_valid: bool
    ) -> tuple[dict[str, Any], Settings | None]:
        """Return the SDK's config and our settings, which may be invalid (None) in discovery."""
        complete: dict[str, Any] | None = None
        try:
            complete = complete_config(
                given, self.complete_schema(), is_environment_read=is_environment_read
            )
            return complete, parse_settings(complete, now=self._machine.clock.now())
        except ConfigError as error:
            config = complete if is_environment_read else given
            hint = hint_of_missing(config or {}, is_environment_read=is_environment_read)
            told = f"{error}; {hint}" if hint and config is not None else str(error)
            if must_be_valid:
                raise ConfigError(told) from None
            redactor = redactor_of(given, os.environ)
            logger.warning("The settings are not valid: %s", redactor.without_secrets(told))
            return complete or {}, None

    @override
    def discover_streams(self) -> Sequence[ReportStream | PeriodsStream]:
        """Return a stream for each report, and `report_periods`."""
        reports = (ReportStream(self, report, self._run, self.output) for report in REPORTS)
        return [*reports, PeriodsStream(self)]

    @override
    def setup_mapper(self) -> None:
        """Build the stream maps of the selected streams.

        Raises:
            ConfigError: a stream map is invalid, or does not produce a stream.
        """
        selected = {
            name: stream.schema["properties"]
            for name, stream in self.streams.items()
            if stream.selected
        }
        try:
            # The method of all plugins: the one of taps also builds the maps of unselected streams.
            super(Tap, self).setup_mapper()
            register_maps(self.mapper, self.catalog, selected)
        except (ConfigValidationError, TapAdvexportError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK finds in a setting of its own
            kind = "" if isinstance(error, MappingError) else f"{type(error).__name__}: "
            where = "stream_maps" if self.config.get("stream_maps") else "catalog"
            # Cut where the token is known.
            msg = f"{where}: {kind}{redactor_of(self.config, {}).excerpt(str(error))}"
            raise ConfigError(msg) from None

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Check every bookmark in the state, then load the state.

        Raises:
            StateError: a bookmark makes no sense; the tap never does a silent full re-sync instead.
        """
        checked = checked_state(state)
        if self._run is not None:
            for stream in self.streams.values():
                if isinstance(stream, ReportStream):
                    bookmark = checked["bookmarks"].get(stream.name)
                    # The warnings follow for those that the run syncs.
                    parsed_bookmark(bookmark, stream.report, self._run)
        super().load_state(checked)

    # `sync_all` is final for type checkers only; no other hook runs before the first STATE.
    @override  # type: ignore[misc]
    def sync_all(self) -> None:
        """Plan and sync the selected streams.

        The SDK writes a first STATE before any stream begins. All streams are planned by then, so
        that this STATE says what the run will overwrite.
        """
        for warning in warnings_of(self.streams.values(), self.state, self.run):
            logger.warning("%s", warning)
        for stream in self.streams.values():
            if isinstance(stream, ReportStream) and stream.selected:
                stream.prepare()
        super().sync_all()

    def test_result(self) -> str | None:
        """Return what a dry run has shown, or None if there was none or it failed."""
        tested = [
            stream
            for stream in self.streams.values()
            if isinstance(stream, ReportStream) and stream.has_answered is not None
        ]
        answered = [stream.report.label for stream in tested if stream.has_answered]
        if answered:
            return f"The test succeeded: the API brought the reports {', '.join(answered)}"
        if tested:
            return "The test succeeded without a request: there is no day to export yet"
        return None

    def has_failures(self) -> bool:
        """Return whether days failed, in a dry run too."""
        return self._run is not None and bool(self._run.failures)

    def close(self) -> None:
        """Stop what the run may have left running."""
        if self._run is not None:
            self._run.close()

    # The command line.

    @override
    def interrupt(self, signum: int) -> None:
        """Record a signal; the run checks for it between two lines and between two requests."""
        if self._run is not None:
            self._run.interrupt(signum)

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command with the tap's own help text and epilog."""
        command = super().get_singer_command()
        command.help, command.epilog = HELP, EPILOG
        return command

    @override
    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> ConfigInput:
        """Read the config files.

        Raises:
            ConfigError: a file is missing, or is not a JSON object.
        """
        config: dict[str, Any] = {}
        for path in value:
            if path != "ENV":
                config |= read_object(path, ConfigError, f"config: the file {path}")
        return ConfigInput(config=config, parse_env="ENV" in value)

    @override
    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run in test mode; if it fails, close the files of other options, as click does not."""
        try:
            super().cb_test(ctx, param, value)
        except BaseException:
            ctx.close()
            raise

    @override
    @classmethod
    # Narrower than in the base class of taps and targets, like the SDK's own Tap.invoke.
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: TextIO | None = None,
        catalog: TextIO | None = None,
    ) -> None:
        """Run the tap, or print information about it.

        Raises:
            StateError, CatalogError: the file is invalid.
        """
        if about:
            cls.print_about(about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        tap = cls(
            config=config.config if config else None,
            parse_env_config=bool(config and config.parse_env),
            state=None if state is None else _state_in(state),
            catalog=None if catalog is None else _catalog_in(catalog),
        )
        tap.has_begun = True
        tap.sync_all()


def _state_in(file: TextIO) -> dict[str, object]:
    return parse_state_object(decode(file.buffer.read(), StateError, "state"), "state")


def _catalog_in(file: TextIO) -> dict[str, object]:
    # Read bytes: a text file is decoded with the encoding of the machine.
    text = decode(file.buffer.read(), CatalogError, "catalog")
    return parse_object(text, CatalogError, "catalog")
