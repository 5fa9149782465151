"""Catalogs as a person saves them who wants some streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.support.paths import TESTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SNAPSHOT: Final = TESTS / "snapshots" / "catalog.json"


def selected(
    catalog: Mapping[str, Any], streams: Collection[str], *, without: Collection[str] = ()
) -> dict[str, Any]:
    """The catalog with just these streams selected, without some columns."""
    copy: dict[str, Any] = json.loads(json.dumps(catalog))
    for stream in copy["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
            elif entry["breadcrumb"][-1] in without:
                # Of its own choice, also where the tap says that it is always there.
                entry["metadata"] = {"selected": False}
    return copy


def catalog_of(streams: Collection[str], *, without: Collection[str] = ()) -> dict[str, Any]:
    """The discovered catalog, so selected."""
    return selected(json.loads(SNAPSHOT.read_text("utf-8")), streams, without=without)
