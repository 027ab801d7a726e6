"""The programs of examples/clients, each against a running proxy, as somebody would run them."""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.request

import pytest

from conftest import ROOT, SECRETS, providers, served

CLIENTS = ROOT / "examples" / "clients"
KEY = "sk-clients-0123456789abcdef0123456789"
# Whoever has everything erased is somebody else.
LEAVER = KEY + "leaver"
MORE = """
[[keys]]
name = "minji"
user = "minji"
key = "env:CLIENTS_KEY"
limits = ["$1000/month"]
[[keys]]
name = "leaver"
user = "leaver"
key = "env:CLIENTS_LEAVER"
limits = ["$1000/month"]
[batches]
lease = "1s"
[models.listener]
tiers = [["openai/whisper-1"]]
[features.documents]
model = "embeds-openai"
[features.captions]
model = "listener"
""" + "".join(
    f'[features.{name}]\nmodel = "of-openai"\n'
    for name in ("chat", "titles", "boost", "judge", "compare", "analysis", "translation")
)

# Each program, and what it says, line by line.
SAYS = {
    "chat": [r"lost after 1\d letters", r"whole: true, \d+ tokens", r".*[가-힣]{2}.*"],
    "prompts": [
        r"score: \d+, a \w+",
        r"- \w+: .+",
        r"rewritten by openai/gpt-4o-mini for \$0\.\d+: \d+ to \d+",
        r"- .+: .+",
        r"0: quality \d+, as streamed: true",
        r"1: quality \d+, as streamed: true",
        r"best: (none|null|\d), all for \$0\.\d+",
    ],
    "templates": [
        r"production is version 1: 지민님, 안녕하세요\.",
        r"refused: [A-Z_]+ .*name.*",
        r"v1: \d+ of \d+ liked it",
        r"v2: (\d+) of \1 liked it",
        r"v2: not_enough_data, not enough data: .+",
    ],
    "documents": [
        r"실적\.txt: 3 pages",
        r"found in 실적\.txt, page 2: .*12억.*",
        r".+ \[(B2, )*실적\.txt p\. [123].*\]",
        r"downloaded \d+ letters with 실적\.txt in them: true",
    ],
    "captions": [
        r"set aside: 20 credits",
        r"created: 0 %",
        r"progress: \d+ %",
        r"completed: 100 %",
        r"en\.srt: 3 segments",
        r"ja\.srt: 3 segments",
        r"original\.srt: 3 segments",
        r"charged: 20 credits, kept until 20\d\d-.+",
    ],
    "usage": [
        r"\d+ tokens from openai for \$0\.\d+",
        r"key:minji \$/month: \d+ of 1000000000000 left",
        r"[\d.]+ credits, 0 set aside",
        r"20\d\d-\S+ granted: 1000",
    ],
    "privacy": [
        r"refused: CONSENT_REQUIRED 내용 저장에 대한 동의가 필요합니다\.",
        r"leaver: .*conversations.*; in it: true",
        r"removed: .*conversations\W+1\b.*, receipt [0-9a-f]{64}",
        r"conversations left: 0",
    ],
}


@pytest.fixture(scope="module")
def gateway(simulated, tmp_path_factory):
    for provider in simulated.values():
        provider.reset()
    secrets = {"CLIENTS_KEY": KEY, "CLIENTS_LEAVER": LEAVER}
    with served(tmp_path_factory.mktemp("clients"), providers(simulated) + MORE, secrets) as url:
        gift = urllib.request.Request(
            url + "/admin/wallets/minji/grant",
            data=json.dumps({"event_id": "gift", "credits": 1000}).encode(),
            headers={"authorization": f"Bearer {SECRETS['SDK_ADMIN']}"},
        )
        urllib.request.urlopen(gift).close()
        yield url


def folder(name):
    """Where scripts/test has put something; without it nothing is proven."""
    found = os.environ.get(name)
    if not found:
        assert not os.environ.get("LLM_TESTS_STRICT"), f"{name} must name a folder"
        pytest.skip(f"{name} names no folder")
    return pathlib.Path(found)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The programs in TypeScript, strictly checked, as JavaScript."""
    modules = folder("LLM_NPM_CLIENTS") / "node_modules"
    here = tmp_path_factory.mktemp("typescript")
    for file in (CLIENTS / "typescript").iterdir():
        if file.is_file():
            shutil.copy(file, here)
    (here / "node_modules").symlink_to(modules)
    ran = subprocess.run(
        ["node", str(modules / "typescript" / "bin" / "tsc"), "-p", "."],
        cwd=here,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return here / "out"


@pytest.fixture(params=["python", "typescript", "rust"])
def start(request, gateway, tmp_path):
    """Runs a program of one language."""
    language = request.param
    out = request.getfixturevalue("compiled") if language == "typescript" else None

    def command(name):
        match language:
            case "python":
                return [sys.executable, str(CLIENTS / "python" / f"{name}.py")]
            case "typescript":
                return ["node", str(out / f"{name}.js")]
            case "rust":
                return [str(folder("LLM_CLIENTS_BIN") / name)]

    def run(name, *words, key=KEY):
        env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
        env |= {"OPENAI_BASE_URL": gateway + "/v1", "OPENAI_API_KEY": key}
        return subprocess.run(
            [*command(name), *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def says(ran, name):
    """All that it is to say is said, in this order."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = iter(ran.stdout.splitlines())
    for wanted in SAYS[name]:
        fits = re.compile(wanted, re.IGNORECASE)
        assert any(fits.fullmatch(line) for line in lines), f"{wanted}\n{ran.stdout}"


def test_chat(start, openai_sim):
    openai_sim.script({"times": "always", "do": {"chunk_ms": 20}})
    says(start("chat"), "chat")
    assert len(openai_sim.requests()["requests"]) == 1, "whoever comes back is not asked for again"


def test_prompts(start, openai_sim):
    says(start("prompts"), "prompts")


def test_templates(start):
    says(start("templates"), "templates")


def test_documents(start, openai_sim):
    says(start("documents"), "documents")


def test_captions(start, openai_sim, tmp_path):
    samples, rate = 30 * 1000, 1000
    head = b"RIFF" + struct.pack("<I", 36 + samples) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, rate, rate, 1, 8) + b"data" + struct.pack("<I", samples)
    (tmp_path / "film.wav").write_bytes(head + b"\x80" * samples)
    says(start("captions", "film.wav"), "captions")
    for language in ("original", "en", "ja"):
        text = (tmp_path / f"{language}.srt").read_text(encoding="utf-8")
        assert text.count(" --> ") == 3, text


def test_usage(start, openai_sim):
    # Work of the tests before is paid for a moment after it is there.
    for _ in range(20):
        ran = start("usage", "of-openai")
        if " credits, 0 set aside" in ran.stdout:
            break
        time.sleep(0.25)
    says(ran, "usage")


def test_privacy(start, openai_sim):
    says(start("privacy", key=LEAVER), "privacy")


def test_a_wrong_key_is_told_in_one_line(start):
    ran = start("templates", key="sk-wrong-0123456789abcdef")
    assert ran.returncode == 1 and ran.stdout == ""
    assert re.fullmatch(r"[A-Z_]+: API 키가 올바르지 않습니다\.\n", ran.stderr), ran.stderr


@pytest.mark.parametrize(
    "language, ending", [("python", "py"), ("typescript", "ts"), ("rust/src/bin", "rs")]
)
def test_no_program_is_left_out(language, ending):
    there = {path.stem for path in (CLIENTS / language).glob(f"*.{ending}")}
    assert there - {"gateway"} == set(SAYS)
