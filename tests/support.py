"""What several tests use: the scripts, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def script(name: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a script as a user would, from another folder, without the network."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **options.pop("env", {})}  # type: ignore[dict-item]
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=600,
        check=False,
        **options,  # type: ignore[call-overload]
    )


def online(url: str, home: Path, token: str | None = None) -> dict[str, str]:
    """The environment of a script that uses the Hub at `url`, with its cache in `home`."""
    environment = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    return {**environment, "HF_TOKEN": token or ""}
