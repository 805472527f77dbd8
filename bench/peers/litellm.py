"""LiteLLM's proxy, as a peer: its own environment, one worker, no database, no telemetry, one model.

litellm.txt beside this file is resolved from `litellm[proxy]` for Python 3.11 and later; pip checks its hashes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import orjson

from bench.contract import progress
from bench.load import MODEL
from bench.processes import Process, Processes, free_port
from cachedistill_sidecar.local.models import cache_home

_LOCK = Path(__file__).with_name("litellm.txt")
_START_SECONDS = 120.0
_SETTINGS = {
    # Otherwise it asks GitHub for prices at every start.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    # It listens on the loopback, and looking up keys would only make it slower.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}


def start(processes: Processes, upstream_url: str) -> Process:
    """The proxy in front of an upstream, ready. Raises NotStarted, and CalledProcessError when pip fails."""
    environment = _environment()
    config = processes.folder / "litellm.yaml"
    # JSON is YAML.
    config.write_bytes(orjson.dumps(_config(upstream_url)))
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [str(environment / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    process = processes.add("litellm", command, _SETTINGS, url=url)
    deadline = time.monotonic() + _START_SECONDS
    while process.alive and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5.0):
                return process
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise process.not_started()


def _config(upstream_url: str) -> dict[str, object]:
    model = {"model": f"openai/{MODEL}", "api_base": f"{upstream_url}/v1", "api_key": "sk-bench"}
    return {
        "model_list": [{"model_name": MODEL, "litellm_params": model}],
        "litellm_settings": {"telemetry": False, "drop_params": True},
        "general_settings": {"disable_spend_logs": True, "disable_error_logs": True},
    }


def _environment() -> Path:
    """The folder of its virtual environment, made at the first call."""
    folder = cache_home() / "peers" / f"litellm-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
    ready = folder / "ready"
    if ready.is_file():
        return folder
    progress(f"installing LiteLLM into {folder}; this happens once")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(_LOCK)], check=True, stdout=sys.stderr)
    ready.touch()
    return folder
