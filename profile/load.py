"""What a proxy does all day, so that an instrumented build can be watched doing it.

python3 load.py BINARY: starts simulated providers and the proxy, twice (accounts in memory, and as
it comes), and calls every dialect through it, whole and streamed, for some seconds each. Deliberately
absent: TLS and HTTP/2, whose code is compiled for size.
"""

import asyncio
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

# Each with the path of its address, and the name under which its model is asked for here.
PROVIDERS = {
    "openai": ("/v1", "gpt", "gpt-4o-mini"),
    "anthropic": ("", "claude", "claude-sonnet-4-5"),
    "gemini": ("", "gemini", "gemini-2.5-flash"),
    "cohere": ("", "command", "command-a-03-2025"),
    "ollama": ("", "llama", "llama3.2"),
}
CALLERS = 64
SECONDS = float(os.environ.get("TRAIN_SECONDS", "40"))
KEY = "sk-training"
ADMIN = "sk-admin-training-0123456789abcdef0123456789abcdef"

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
{store}
[models."embed"]
tiers = [["openai/text-embedding-3-small"]]
[[keys]]
name = "training"
key = "env:TRAINING_KEY"
limits = ["60000000/minute", "1000000M tokens/day", "$1000000/month"]
"""
PROVIDER = """
[providers.{kind}]
kind = "{kind}"
base_url = "http://127.0.0.1:{port}{path}"
keys = ["env:TRAINING_UPSTREAM"]
[models."{name}"]
tiers = [["{kind}/{model}"]]
"""

WORDS = "The harbour of Busan is where most of the ships come in, and where they leave again. "
KOREAN = "부산항은 대부분의 배가 들어오고 다시 떠나는 곳입니다. "
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "What the weather is in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def text(bytes_wanted, words=WORDS, ask="Tell me about it in 60 words."):
    return (words * (1 + bytes_wanted // len(words.encode()))) + ask


def chat(model, content, **more):
    body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
    return "/v1/chat/completions", body


def message(model, content, **more):
    body = {"model": model, "max_tokens": 512, "messages": [{"role": "user", "content": content}], **more}
    return "/v1/messages", body


def generate(model, content, stream=False):
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": content}]}]}


def requests():
    """Each with how often it comes, of a hundred or so: what most callers do comes most."""
    short, long = text(800), text(32_000)
    korean = text(1_000, KOREAN, "60단어로 말해 주세요.")
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    streamed = {"stream": True}
    return [
        (36, chat("gpt", short, max_tokens=256)),
        (6, chat("gpt", long)),
        (4, chat("gpt", korean)),
        (3, chat("gpt", "What is the weather in Busan?", tools=[TOOL])),
        (16, chat("gpt", short, **usage)),
        (2, chat("gpt", korean, **usage)),
        (8, chat("claude", short)),
        (1, chat("claude", long)),
        (2, chat("claude", "What is the weather in Busan?", tools=[TOOL])),
        (6, chat("claude", short, **usage)),
        (3, chat("gemini", short)),
        (3, chat("gemini", short, **usage)),
        (2, chat("command", short)),
        (2, chat("command", short, **streamed)),
        (2, chat("llama", short)),
        (2, chat("llama", short, **streamed)),
        (4, message("claude", short)),
        (4, message("claude", short, **streamed)),
        (2, message("gpt", short)),
        (2, message("gpt", short, **streamed)),
        (2, generate("gemini", short)),
        (2, generate("gemini", short, stream=True)),
        (1, generate("gpt", short)),
        (1, ("/v1/responses", {"model": "gpt", "input": short})),
        (1, ("/v1/responses", {"model": "gpt", "input": short, "stream": True})),
        (2, ("/api/chat", {"model": "llama", "messages": [{"role": "user", "content": short}]})),
        (2, ("/v2/chat", {"model": "command", "messages": [{"role": "user", "content": short}]})),
        (2, ("/v1/embeddings", {"model": "embed", "input": [short, korean]})),
        # What is refused.
        (1, chat("nobody", short)),
        (1, chat("gpt", short, max_tokens=-1)),
    ]


def written(path, body):
    body = json.dumps(body, ensure_ascii=False).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\naccept: */*\r\nuser-agent: training\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader):
    """Reads an answer to its end; gives its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        length = head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
    return status


async def caller(port, turns, first, until, seen):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    at = first
    while time.monotonic() < until:
        writer.write(turns[at % len(turns)])
        status = await answer(reader)
        seen[status] = seen.get(status, 0) + 1
        # No stride that turns and callers have in common.
        at += 7
    writer.close()


async def called(port, seconds):
    turns = [written(*what) for times, what in requests() for _ in range(times)]
    seen, until = {}, time.monotonic() + seconds
    await asyncio.gather(*(caller(port, turns, 13 * n, until, seen) for n in range(CALLERS)))
    return seen


def neighbours(count):
    """A port that so many free ones follow."""
    for base in range(19000, 29000, 10):
        try:
            for port in range(base, base + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise SystemExit("no neighbouring ports are free")


def asked(port, path, body=None):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as to:
        verb, body = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
        head = f"{verb} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\nconnection: close\r\n"
        to.sendall(f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        return to.makefile("rb").read()


def wait(process, port, path):
    for _ in range(400):
        if process.poll() is not None:
            raise SystemExit(f"it ended at once: {process.args}")
        try:
            if b" 200 " in asked(port, path).split(b"\r\n", 1)[0]:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"it does not answer: {process.args}")


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code != 0:
        raise SystemExit(f"it did not end well: {process.args}")


def configured(port, store, base):
    text = CONFIG.format(port=port, store=store)
    for n, (kind, (path, name, model)) in enumerate(PROVIDERS.items()):
        text += PROVIDER.format(kind=kind, port=base + n, path=path, name=name, model=model)
    return text


def watched(binary, work, name, store, base):
    # Behind those of the providers.
    port = base + len(PROVIDERS)
    config = work / f"{name}.toml"
    config.write_text(configured(port, store, base))
    env = dict(os.environ, TRAINING_KEY=KEY, TRAINING_UPSTREAM="sk-upstream", LLM_PROXY_ADMIN_KEY=ADMIN, LLM_PROXY_LOG="error")
    proxy = subprocess.Popen([binary, "--config", config, "--data", work / name], env=env, stdout=subprocess.DEVNULL)
    try:
        wait(proxy, port, "/health/readiness")
        seen = asyncio.run(called(port, SECONDS))
        for _ in range(20):
            asked(port, "/metrics")
        print(name, dict(sorted(seen.items())))
        if seen.get(200, 0) < 0.9 * sum(seen.values()):
            raise SystemExit("most of it was refused: not what a proxy does all day")
    finally:
        end(proxy)


def main():
    binary = os.path.abspath(sys.argv[1])
    base = neighbours(len(PROVIDERS) + 1)
    # What the simulator does is nobody's day: it counts nothing.
    env = dict(os.environ, LLVM_PROFILE_FILE="/dev/null")
    simulator = subprocess.Popen([binary, "simulate", "--port-base", str(base)], env=env, stdout=subprocess.DEVNULL)
    try:
        for n in range(len(PROVIDERS)):
            wait(simulator, base + n, "/__sim/requests")
            asked(base + n, "/__sim/script", [{"match": {"stream": True}, "times": "always", "do": {"chunk_ms": 2}}])
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            watched(binary, work, "memory", '[store]\nurl = "memory:"', base)
            watched(binary, work, "sqlite", "", base)
    finally:
        end(simulator)


main()
