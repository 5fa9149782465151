"""Fifty lives of the soak; scripts/soak runs any number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.laws.soak import soak

if TYPE_CHECKING:
    from pathlib import Path


def test_after_faults_kills_and_lost_output_the_warehouse_holds_the_truth(tmp_path: Path) -> None:
    def one(seed: int) -> int:
        folder = tmp_path / str(seed)
        folder.mkdir()
        return soak(seed, 10, folder).total()

    with ThreadPoolExecutor() as pool:
        assert sum(pool.map(one, range(1, 6))) > 50
