"""Two versions of a template, tried on people: python templates.py"""

import secrets

from gateway import Refused, run


def main(gateway):
    name = f"인사말-{secrets.token_hex(4)}"
    draft = {"text": "{{ name }}님, 안녕하세요.", "variables": [{"name": "name"}]}
    made = gateway.post("/templates", name=name, labels=["production"], **draft)
    path = f"/templates/{made['id']}"
    gateway.call("PATCH", path, {"text": "{{ name }}님, 오늘도 반갑습니다!"})
    shown = gateway.post(f"{path}/render", values={"name": "지민"})
    print(f"production is version {shown['version']}: {shown['text']}")
    try:
        gateway.post(f"{path}/render", values={})
    except Refused as why:
        print(f"refused: {why.code} {why.details['reason']}")

    # Versions of templates against each other: who has seen one sees it again.
    variants = [{"name": f"v{n}", "template": name, "version": n} for n in (1, 2)]
    trial = gateway.post("/experiments", name=name, variants=variants)
    trial = f"/experiments/{trial['id']}"
    for person in range(20):
        first = gateway.post(f"{trial}/assign", subject=f"person-{person}")
        again = gateway.post(f"{trial}/assign", subject=f"person-{person}")
        assert first["variant"] == again["variant"]
        liked = first["variant"]["name"] == "v2" or person % 3 == 0
        about = {"about": "experiment", "id": trial.rsplit("/", 1)[1], "subject": f"person-{person}"}
        gateway.post("/feedback", thumb="up" if liked else "down", **about)
    standing = gateway.get(trial)["standing"]
    for variant in standing["variants"]:
        print(f"{variant['name']}: {variant['good']} of {variant['outcomes']} liked it")
    for verdict in standing["verdicts"]:
        print(f"{verdict['variant']}: {verdict['verdict']}, {verdict['says']}")


run(main)
