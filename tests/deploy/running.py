"""Starts the proxy with answers that are simulated, and has it do what makes series."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

START_SECONDS = 30
CALL_SECONDS = 30
APP = "sk-app-0123456789abcdef"
SMALL = "sk-small-0123456789abcdef"
# One that answers, one where nobody listens, limits in calls, tokens and money.
CONFIG = """
[providers.simulated]
kind = "simulated"
[providers.down]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
insecure = true
keys = ["env:DOWN_KEY"]
retries = 0

[models.steady]
tiers = [["simulated/gpt-4o-mini"]]
cache = { ttl = "10m" }
[models.smart]
tiers = [["down/gpt-4o-mini"], ["simulated/gpt-4o-mini"]]

[plans.pro]
limits = ["600/minute", "2M tokens/day", "$50/month"]

[[keys]]
name = "app"
key = "env:APP_KEY"
plan = "pro"
[[keys]]
name = "small"
key = "env:SMALL_KEY"
limits = ["1/day"]
"""


class Proxy:
    """A running proxy with a data folder of its own."""

    def __init__(self, binary, text=CONFIG, more=()):
        self.folder = tempfile.TemporaryDirectory(prefix="llm-proxy-")
        data = pathlib.Path(self.folder.name)
        config = data / "config.toml"
        config.write_text(text)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        # Nothing of what this machine's environment says of providers and stores.
        env = {"PATH": os.environ["PATH"], "DOWN_KEY": "sk-down", "APP_KEY": APP}
        env |= {"SMALL_KEY": SMALL, "LLM_PROXY_CONFIG": str(config), "LLM_PROXY_LOG": "warn"}
        # As the image has it.
        env |= {"HOST": "127.0.0.1", "PORT": str(self.port)} | dict(more)
        self.log = open(data / "log", "wb+")
        self.process = subprocess.Popen(
            [str(pathlib.Path(binary).resolve()), "--data", str(data / "own"), "serve"],
            env=env, cwd=data, stdout=self.log, stderr=self.log,
        )

    def __enter__(self):
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                assert self.process.poll() is None, f"it went away:\n{self.said()}"
                if self.get("/health/readiness")[0] == 200:
                    return self
            except OSError:
                pass
            except AssertionError:
                self.folder.cleanup()
                raise
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"it is not ready:\n{self.said()}")
            time.sleep(0.1)

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=50)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        said = self.said()
        self.log.close()
        self.folder.cleanup()
        if kind is None:
            assert code == 0, f"SIGTERM must end it cleanly, and it ended with {code}:\n{said}"

    def said(self):
        self.log.flush()
        return pathlib.Path(self.folder.name, "log").read_text(errors="replace")

    def get(self, path):
        return ask(urllib.request.Request(self.url + path))

    def call(self, key, model, text, stream=False):
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        return ask(urllib.request.Request(
            self.url + "/v1/chat/completions", method="POST", data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        ))

    def live(self):
        """Calls that end in each of the usual ways, and a reload; then the page of metrics."""
        asked = [
            (self.call(APP, "steady", "one"), 200),
            (self.call(APP, "steady", "one"), 200),
            (self.call(APP, "steady", "two", stream=True), 200),
            (self.call(APP, "smart", "three", stream=True), 200),
            (self.call(SMALL, "steady", "four"), 200),
            (self.call(SMALL, "steady", "five"), 429),
            (self.call(APP, "nobody", "six"), 404),
        ]
        for (status, text), wanted in asked:
            assert status == wanted, f"{status} in place of {wanted}: {text[:300]}"
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + CALL_SECONDS
        while "gw_config_reloads_total" not in (page := self.get("/metrics")[1]):
            assert time.monotonic() < end, "SIGHUP read nothing"
            time.sleep(0.1)
        return page


def ask(request):
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
