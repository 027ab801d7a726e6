"""Holds what a proxy does against its own document, /openapi.json: schemathesis asks each route for what
the document says that it takes, and for much that it does not.

  check.py --bin PATH         a proxy that is started for it, in front of providers that are simulated

No answer is a fault of the server's, each status is in the document, each body is what its schema
says, what is not described is refused, and nobody is answered without a key.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "deploy"))
import running  # noqa: E402: where it stands

ADMIN = "sk-admin-0123456789abcdef0123456789abcdef"
TOP_UP = "whsec-0123456789abcdef0123456789abcdef"
# Wrong keys on purpose, many of them, from one address.
CONFIG = """
[server]
admin_key = "env:ADMIN_KEY"
wrong_keys = false
[server.admin]
wrong_keys = false
[providers.simulated]
kind = "simulated"
[models.smart]
tiers = [["simulated/gpt-4o-mini"]]
[models.vectors]
tiers = [["simulated/text-embedding-3-small"]]
[features.chat]
model = "smart"
limits = ["1000000/hour"]
[features.titles]
model = "smart"
[features.documents]
model = "vectors"
[features.analysis]
model = "smart"
[plans.pro]
limits = ["600/minute", "2M tokens/day", "$50/month"]
[credits]
low = ["100", "10"]
top_ups = ["env:TOP_UP_KEY"]
guests = { grant = "30", per_network = 3, per_device = 1, every = "month" }
[[keys]]
name = "app"
key = "env:APP_KEY"
user = "ann"
unlimited = true
"""


def made(proxy):
    """Things that are there, by the paths that speak of them."""

    def post(path, body, key=running.APP):
        request = urllib.request.Request(
            proxy.url + path, method="POST", data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        status, text = running.ask(request)
        assert status == 200, f"{path}: {status} {text}"
        told = json.loads(text)
        return told["data"] if path.startswith("/api/v1/") else told

    talks = "/api/v1/chat/conversations"
    talk = post(talks, {"title": "말"})["id"]
    reply = post(f"{talks}/{talk}/messages", {"content": "안녕"})["reply"]["id"]
    for name in ("old", "new"):
        post("/api/v1/templates", {"name": name, "text": "안녕"})
    variants = [{"name": "a", "template": "old"}, {"name": "b", "template": "new"}]
    experiment = post("/api/v1/experiments", {"name": "e", "variants": variants})["id"]
    document = post("/api/v1/documents", {"name": "d.txt", "content": "서울의 구름"})["id"]
    key = post("/key/generate", {"user_id": "bob", "key_alias": "b"}, ADMIN)["token_id"]
    post("/admin/wallets/ann/grant", {"event_id": "gift", "credits": 100}, ADMIN)
    return [
        # What is deleted is made up: all others go on with what is there.
        ("^/api/v1/chat/", ["GET", "POST", "PATCH"], {"path.id": talk, "path.mid": reply}),
        ("^/api/v1/templates/", ["GET", "POST", "PATCH"], {"path.template": "old"}),
        ("^/api/v1/experiments/", ["GET", "POST"], {"path.experiment": experiment}),
        ("^/api/v1/documents/", ["GET"], {"path.id": document}),
        ("^/api/v1/users/", ["GET", "PUT"], {"path.id": "ann"}),
        ("^/admin/(wallets|usage)/", ["GET", "POST"], {"path.user": "ann"}),
        ("^/key/info", ["GET"], {"query.key": key}),
        ("^/v1/models/", ["GET"], {"path.model": "smart"}),
        ("^/v1beta/models/", ["POST"], {"path.model": "smart"}),
    ]


def written(things):
    """The settings, with the ids of what is there."""
    text = (HERE / "schemathesis.toml").read_text()
    for path, methods, parameters in things:
        named = ", ".join(f'"{name}" = "{value}"' for name, value in parameters.items())
        text += (
            f"\n[[operations]]\ninclude-path-regex = '{path}'\n"
            f"include-method = {json.dumps(methods)}\nparameters = {{ {named} }}\n"
        )
    return text


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--bin", required=True)
    args.add_argument("rest", nargs="*", help="for schemathesis, behind --")
    args = args.parse_args()
    secrets = {"ADMIN_KEY": ADMIN, "TOP_UP_KEY": TOP_UP}
    with running.Proxy(args.bin, CONFIG, secrets) as proxy, tempfile.TemporaryDirectory() as own:
        settings = pathlib.Path(own, "schemathesis.toml")
        settings.write_text(written(made(proxy)))
        env = os.environ | {"API_APP_KEY": running.APP, "API_ADMIN_KEY": ADMIN}
        env |= {"no_proxy": "127.0.0.1"}
        program = pathlib.Path(sys.executable).with_name("st")
        done = subprocess.run(
            [program, "--no-color", "--config-file", settings, "run", proxy.url + "/openapi.json",
             "--continue-on-failure", "--no-shrink", *args.rest],
            env=env, cwd=own,
        )
        assert done.returncode == 0, "the document and the proxy say different things"
        assert proxy.process.poll() is None, f"it went away:\n{proxy.said()}"


if __name__ == "__main__":
    main()
