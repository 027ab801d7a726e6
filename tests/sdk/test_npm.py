"""The clients of npm, run by node against the running proxy."""

import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import MODELS, PIXEL_TEXT

HERE = pathlib.Path(__file__).resolve().parent / "npm"
# Where scripts/test has put them.
MODULES = os.environ.get("LLM_NPM_CLIENTS")


def test_clients_of_npm(proxied, tmp_path):
    if not MODULES:
        assert not os.environ.get("LLM_TESTS_STRICT"), "LLM_NPM_CLIENTS must name their folder"
        pytest.skip("LLM_NPM_CLIENTS names no folder of theirs")
    # Beside their modules, which is where node looks for them.
    script = pathlib.Path(MODULES) / "clients.mjs"
    shutil.copy(HERE / "clients.mjs", script)
    env = os.environ | {
        "PROXY_URL": proxied.url,
        "PROXY_KEY": proxied.key,
        "PROXY_POOR": proxied.poor,
        "PROXY_PIXEL": PIXEL_TEXT,
        "PROXY_PROVIDERS": " ".join(MODELS),
    }
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=spec", str(script)],
        env=env,
        cwd=MODULES,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
