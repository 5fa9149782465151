"""The dlt source: loads reports into a warehouse, and replaces each day whole (docs/dlt.md).

Needs the extra `dlt`; no other part of tap_advexport imports this package.
"""

from __future__ import annotations

from importlib.util import find_spec

if not (find_spec("dlt") and find_spec("pyarrow")):
    raise ImportError(
        "the dlt source needs the extra: install tap-advexport[dlt], or [dlt-postgres]"
    )

from tap_advexport.dlt.load import FailedDaysError, load
from tap_advexport.dlt.source import advexport
from tap_advexport.dlt.state import export_state, import_state

__all__ = ["FailedDaysError", "advexport", "export_state", "import_state", "load"]
