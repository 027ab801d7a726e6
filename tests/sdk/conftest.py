"""Starts `llm-proxy simulate` and gives every test a provider that has been reset."""

import base64
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROVIDERS = ("openai", "anthropic", "gemini", "cohere", "ollama")
START_SECONDS = 20


def binary():
    path = os.environ.get("LLM_PROXY_BIN")
    assert path and os.access(path, os.X_OK), "LLM_PROXY_BIN must name the built proxy"
    return path


def free_base():
    """Five neighbouring ports that nobody listens on."""
    for base in range(18000, 28000, 10):
        try:
            for offset in range(len(PROVIDERS)):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue
    raise AssertionError("no five free ports")


class Provider:
    """One simulated provider and its script."""

    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")

    def script(self, *rules):
        self.call("POST", "/__sim/script", list(rules))

    def requests(self):
        return self.call("GET", "/__sim/requests")

    def last(self):
        """The body of the last question, as it came."""
        return self.requests()["requests"][-1]["body"]

    def reset(self):
        self.call("POST", "/__sim/reset")


@pytest.fixture(scope="session")
def simulated():
    base = free_base()
    process = subprocess.Popen(
        [binary(), "simulate", "--port-base", str(base)],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    )
    providers = {
        name: Provider(f"http://127.0.0.1:{base + n}") for n, name in enumerate(PROVIDERS)
    }
    try:
        wait_for(process, providers.values())
        yield providers
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0, "SIGTERM must end it cleanly"


def wait_for(process, providers):
    end = time.monotonic() + START_SECONDS
    for provider in providers:
        while True:
            assert process.poll() is None, "the simulator went away"
            try:
                provider.requests()
                break
            except OSError:
                assert time.monotonic() < end, "the simulator did not come up"
                time.sleep(0.05)


def one(name):
    @pytest.fixture
    def provider(simulated):
        simulated[name].reset()
        return simulated[name]

    return provider


openai_sim = one("openai")
anthropic_sim = one("anthropic")
gemini_sim = one("gemini")
cohere_sim = one("cohere")
ollama_sim = one("ollama")

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
    "additionalProperties": False,
}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "langs": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "langs"],
    "additionalProperties": False,
}


def check_person(text):
    person = json.loads(text)
    assert set(person) == {"name", "age", "langs"}
    assert isinstance(person["name"], str)
    assert isinstance(person["age"], int)
    assert all(isinstance(x, str) for x in person["langs"])


APP_KEY = "sk-sdk-0123456789abcdef0123456789"
CONFIG = """
[server]
listen = "127.0.0.1:0"
admin_key = "env:SDK_ADMIN"
[store]
url = "sqlite:{folder}/sdk.db"
data = "{folder}/data"
[[keys]]
name = "sdk"
key = "env:SDK_KEY"
limits = ["$1000/month"]
[[keys]]
name = "poor"
key = "env:SDK_POOR"
limits = ["$0.000000001/month"]
"""
PROVIDER = """
[providers.{name}]
kind = "{name}"
base_url = "{url}"
keys = ["env:SDK_PROVIDER"]
retries = 0
[models.of-{name}]
tiers = [["{name}/{model}"]]
[models.embeds-{name}]
tiers = [["{name}/{embeds}"]]
[models.thinks-{name}]
tiers = [["{name}/{thinks}"]]
[prices."{name}/{thinks}"]
input = "1"
output = "2"
[prices."{name}/{model}"]
input = "1"
output = "2"
[prices."{name}/{embeds}"]
input = "1"
output = "0"
"""
# Providers of their own for what goes wrong: one that has failed is left alone for a while.
FAILING = """
[providers.{name}-{error}]
kind = "{name}"
base_url = "{url}"
keys = ["env:SDK_PROVIDER"]
retries = 0
[models.{error}-{name}]
tiers = [["{name}-{error}/m-{error}"]]
[prices."{name}-{error}/m-{error}"]
input = "1"
output = "2"
"""
ERRORS = ("rate_limit", "bad_request", "server_error", "overloaded", "invalid_key")
MODELS = {
    "openai": ("gpt-4o-mini", "text-embedding-3-small", "/v1"),
    "anthropic": ("claude-sonnet-5", "none", ""),
    "gemini": ("gemini-2.5-flash", "gemini-embedding-001", ""),
    "cohere": ("command-a-03-2025", "embed-v4.0", ""),
    "ollama": ("llama3.2", "nomic-embed-text", ""),
}
# Models that think before they answer, and look at pictures.
THINKS = {
    "openai": "gpt-5.4-mini",
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-3.8-flash",
    "cohere": "command-a-plus-05-2026",
    "ollama": "qwen3",
}
# A picture of one point, and how everybody writes it.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PIXEL_TEXT = base64.b64encode(PIXEL).decode()
PIXEL_URL = "data:image/png;base64," + PIXEL_TEXT


class Proxied:
    """The proxy in front of all simulated providers."""

    def __init__(self, url):
        self.url, self.key, self.poor = url, APP_KEY, APP_KEY + "poor"


SECRETS = {
    "SDK_ADMIN": "sk-sdk-admin-0123456789abcdef",
    "SDK_KEY": APP_KEY,
    "SDK_POOR": APP_KEY + "poor",
    "SDK_PROVIDER": "sk-of-the-provider",
}


@contextlib.contextmanager
def served(folder, more, secrets=None):
    """A proxy with this configuration behind what all have; gives its address."""
    (folder / "proxy.toml").write_text(CONFIG.format(folder=folder) + more)
    process = subprocess.Popen(
        [binary(), "--config", str(folder / "proxy.toml"), "serve"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]} | SECRETS | (secrets or {}),
    )
    try:
        first = process.stdout.readline()
        assert first.startswith("listening on "), first
        yield first.removeprefix("listening on ").strip()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0, "SIGTERM must end it cleanly"


def providers(simulated):
    """Each simulated provider, with a model that answers and one that embeds."""
    text = ""
    for name, (model, embeds, base) in MODELS.items():
        url = simulated[name].url + base
        names = {"model": model, "embeds": embeds, "thinks": THINKS[name]}
        text += PROVIDER.format(name=name, url=url, **names)
    return text


@pytest.fixture(scope="session")
def running(simulated, tmp_path_factory):
    text = providers(simulated)
    for name, (_, _, base) in MODELS.items():
        url = simulated[name].url + base
        text += "".join(FAILING.format(name=name, url=url, error=error) for error in ERRORS)
    with served(tmp_path_factory.mktemp("proxy"), text) as url:
        yield Proxied(url)


@pytest.fixture
def proxied(running, simulated):
    """With every provider behind it as it was at first."""
    for provider in simulated.values():
        provider.reset()
    return running
