"""The gateway's application routes as a Python program asks for them: one envelope, one stream.

`OPENAI_BASE_URL` and `OPENAI_API_KEY` are what OpenAI's own client reads, too: one key opens both.
"""

import json
import os
import sys

import httpx

V1 = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:4000/v1").rstrip("/")
ROOT = V1.removesuffix("/v1")
# Reading has no limit here: a stream says something at least every 15 seconds, and jobs take long.
TIMEOUT = httpx.Timeout(30, read=120)


class Refused(Exception):
    """What the envelope says when something is not done."""

    def __init__(self, status, error):
        super().__init__(error["message"])
        self.status = status
        self.code = error["code"]  # for programs
        self.message = error["message"]  # for people, in their language
        self.details = error.get("details", {})  # `reason` is for whoever writes the program


class Gateway:
    def __init__(self):
        headers = {
            "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
            "accept-language": os.environ.get("GATEWAY_LANGUAGE", "ko"),
        }
        self.http = httpx.Client(base_url=ROOT, headers=headers, timeout=TIMEOUT)

    def call(self, method, path, body=None, **more):
        """The data of a call under /api/v1."""
        reply = self.http.request(method, "/api/v1" + path, json=body, **more)
        told = reply.json()
        if not told["success"]:
            raise Refused(reply.status_code, told["error"])
        return told["data"]

    def get(self, path, **params):
        return self.call("GET", path, params=params)

    def post(self, path, **body):
        return self.call("POST", path, body)

    def events(self, method, path, body=None, last=None):
        """Server-sent events as (id, name, data), behind the last one that was seen."""
        headers = {"last-event-id": last} if last else {}
        with self.http.stream(method, "/api/v1" + path, json=body, headers=headers) as reply:
            if reply.is_error:
                reply.read()
                raise Refused(reply.status_code, reply.json()["error"])
            event = {}
            for line in reply.iter_lines():
                if line and not line.startswith(":"):
                    field, _, value = line.partition(": ")
                    event[field] = value
                elif event:
                    yield event.get("id"), event["event"], json.loads(event["data"])
                    event = {}


def run(main):
    """Runs a program; what is refused is told in one line."""
    try:
        main(Gateway(), *sys.argv[1:])
    except Refused as why:
        wait = why.details.get("retry_after")
        print(f"{why.code}: {why.message}" + (f" ({wait} s)" if wait else ""), file=sys.stderr)
        sys.exit(1)
