"""Captions of a sound in two more languages, followed until they are there: python captions.py FILE"""

import pathlib

import httpx
import openai

from gateway import run


def main(gateway, sound):
    # A file of the OpenAI routes, by its client, which reads the same two variables.
    with open(sound, "rb") as file:
        left = openai.OpenAI().files.create(file=file, purpose="user_data")
    job = gateway.post("/jobs", kind="captions", input_file_id=left.id, languages=["en", "ja"])
    path = f"/jobs/{job['id']}"
    print(f"set aside: {job['credits']['reserved']} credits")

    last = None
    while job["state"] in ("pending", "processing"):
        # Whoever is cut off goes on behind the last event, with the same process or another.
        try:
            for last, name, data in gateway.events("GET", f"{path}/events", last=last):
                print(f"{name}: {data['percent']} %")
        except httpx.TransportError as why:
            print(f"cut off: {why}")
        job = gateway.get(path)
    if job["state"] != "completed":
        print(f"{job['state']}: {job['error']}, and nothing is charged")
        return

    for artefact in job["artefacts"]:
        if artefact["name"].endswith(".srt"):
            reply = gateway.http.get(artefact["path"]).raise_for_status()
            pathlib.Path(artefact["name"]).write_bytes(reply.content)
            print(f"{artefact['name']}: {reply.text.count(' --> ')} segments")
    print(f"charged: {job['credits']['charged']} credits, kept until {job['expires_at']}")


run(main)
