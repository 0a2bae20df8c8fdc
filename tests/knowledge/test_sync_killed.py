"""``kill -9`` at random moments of a folder's sync; `python -m tests.benchmarks.bench_sync --kills 200` for more."""

from pathlib import Path

from tests.knowledge.kills import Kills

KILLS = 12


def test_a_killed_sync_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    kills = Kills(tmp_path, seed=3)
    for _ in range(KILLS):
        kills.round()
    found = kills.found
    assert (found.lost, found.half, found.orphans, found.untrue) == (0, 0, 0, 0), found
    assert found.hits >= KILLS // 4 and found.acknowledged, found
