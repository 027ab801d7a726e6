"""Holds deploy/ against what it is for: every file is read, what its parts say of each other agrees,
and no rule and no panel names a metric that nobody counts.

  check.py                    files and the source
  check.py --bin PATH         besides that, a proxy that is started for it
  check.py --metrics URL      besides that, a proxy that runs
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib
import urllib.request

import yaml

import promql
import running

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
K8S = DEPLOY / "kubernetes"
STRICT = os.environ.get("LLM_TESTS_STRICT") == "1"
# What the store may take when a process ends (CLOSE_MAX in the proxy).
CLOSE_SECONDS = 10
DRAIN_SECONDS = 30
# Series that a quiet hour does not have, and why they are missed on a running proxy's page.
RARE = {
    "gw_anomalies_total": "nobody behaves unlike themselves",
    "gw_content_rules_total": "no rule of content is configured",
    "gw_ledger_alarms_total": "nothing cost more than was held",
}


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def read_all():
    """Every file in the format that its name says."""
    count = 0
    for path in sorted(DEPLOY.rglob("*")):
        if path.suffix in (".yaml", ".yml"):
            docs = list(yaml.safe_load_all(path.read_text()))
            assert docs and all(isinstance(d, dict) for d in docs), f"{path} is empty in parts"
            count += 1
        elif path.suffix == ".json":
            json.loads(path.read_text())
            count += 1
    return count


def load(path):
    return yaml.safe_load((DEPLOY / path).read_text())


def image():
    text = (DEPLOY / "Dockerfile").read_text()
    wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    rust = re.search(r"^ARG RUST=(\S+)", text, re.M).group(1)
    assert rust == wanted["package"]["rust-version"], f"the image builds with Rust {rust}"
    last = text[text.rindex("\nFROM "):]
    for needed in ("USER 10001:10001", "HEALTHCHECK", "ENTRYPOINT", "VOLUME", "STOPSIGNAL"):
        assert needed in last, f"the image has no {needed}"
    assert "--release --locked" in text
    left_out = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for member in wanted["members"]:
        assert not {member, f"/{member}", f"/{member}/"} & set(left_out), f"{member} is left out"
    assert "**/.env" in left_out and ".git" in left_out and "**/target" in left_out
    return json.loads(re.search(r"CMD (\[.*\])", last[last.index("HEALTHCHECK"):]).group(1))


def compose():
    text, said = (DEPLOY / "compose.yaml").read_text(), load("compose.yaml")
    services = said["services"]
    assert set(services) == {"proxy", "postgres", "redis", "prometheus", "grafana"}
    known = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(), re.M))
    used = set(re.findall(r"\$\{(\w+)", text))
    used |= {secret["environment"] for secret in said["secrets"].values()}
    assert used == known, f".env.example and compose.yaml differ in {used ^ known}"
    for name, service in services.items():
        assert "healthcheck" in service or name == "proxy", f"{name} has no healthcheck"
        for other, when in service.get("depends_on", {}).items():
            assert other in services and when["condition"] == "service_healthy"
        for secret in service.get("secrets", []):
            assert secret in said["secrets"], f"{name} has an unknown secret {secret}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            here = source.startswith(".") and (DEPLOY / source).is_dir()
            assert here or source in said["volumes"], f"{name} mounts {source}"
        assert all(p.startswith("127.0.0.1:") for p in service.get("ports", [])), name
        assert ":" in service["image"] or name == "proxy", f"{name} has no version"
    grace = seconds(services["proxy"]["stop_grace_period"])
    assert grace > DRAIN_SECONDS + CLOSE_SECONDS, "calls are cut off when it ends"


def kubernetes():
    """What the manifests say of each other; gives back the configuration."""
    docs = {}
    for path in sorted(K8S.rglob("*.yaml")):
        for doc in yaml.safe_load_all(path.read_text()):
            assert doc.get("apiVersion") and doc.get("kind"), f"{path} is no manifest"
            if doc["kind"] != "Kustomization":
                key = (doc["kind"], doc["metadata"]["name"])
                assert key not in docs, f"{key} is there twice"
                docs[key] = doc
    for path in load("kubernetes/kustomization.yaml")["resources"]:
        assert (K8S / path).is_file(), f"kustomization.yaml names {path}"
    name = "llm-proxy"
    deployment = docs["Deployment", name]["spec"]
    pod = deployment["template"]
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    container = spec["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    service = docs["Service", name]["spec"]
    for who in (
        deployment["selector"]["matchLabels"], service["selector"],
        docs["PodDisruptionBudget", name]["spec"]["selector"]["matchLabels"],
    ):
        assert who.items() <= labels.items(), f"{who} selects no pod"
    watched = docs["ServiceMonitor", name]["spec"]["selector"]["matchLabels"]
    assert watched.items() <= docs["Service", name]["metadata"]["labels"].items()
    assert all(port["targetPort"] in ports for port in service["ports"])
    served = {port["name"] for port in service["ports"]}
    assert all(e["port"] in served for e in docs["ServiceMonitor", name]["spec"]["endpoints"])
    wanted = {"livenessProbe": "/health/liveness", "readinessProbe": "/health/readiness"}
    for probe, path in wanted.items():
        assert container[probe]["httpGet"]["path"] == path
        assert container[probe]["httpGet"]["port"] in ports
    assert {"requests", "limits"} <= set(container["resources"])
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"]["readOnlyRootFilesystem"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}, "a volume is missing"
    said = docs["ConfigMap", name]["data"]["config.toml"]
    config = tomllib.loads(said)
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = pause + seconds(config["server"]["drain"]) + CLOSE_SECONDS
    grace = spec["terminationGracePeriodSeconds"]
    assert grace > needed, f"{grace} seconds of grace, and {needed} are needed"
    scaler = docs["HorizontalPodAutoscaler", name]["spec"]
    assert scaler["scaleTargetRef"]["name"] == name and "replicas" not in deployment
    assert scaler["maxReplicas"] == config["store"]["replicas"], "two words for how many there are"
    assert int(config["server"]["listen"].rsplit(":")[-1]) == ports["http"]
    known = set(docs["Secret", name]["stringData"])
    used = set(re.findall(r'"env:(\w+)"', said))
    assert used == known, f"the configuration and its Secret differ in {used ^ known}"
    roots = set(docs["Secret", "llm-proxy-roots"]["stringData"])
    files = set(re.findall(r'"file:/run/secrets/llm-proxy/([\w-]+)"', said))
    keys = {m["subPath"] for m in container["volumeMounts"] if "subPath" in m}
    assert files | keys == roots, f"the configuration and the roots differ in {files | keys ^ roots}"
    return said, used, files


def systemd():
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = {}
        for line in path.read_text().splitlines():
            if line and line[0] not in "#[":
                key, value = line.split("=", 1)
                unit.setdefault(key, []).append(value)
        for key, value in {
            "DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes",
            "Restart": "on-failure", "CapabilityBoundingSet": "",
        }.items():
            assert unit.get(key) == [value], f"{path.name}: {key} is {unit.get(key)}"
        assert unit["StateDirectory"] and "${STATE_DIRECTORY}" in unit["ExecStart"][0]
        assert unit["ExecReload"][-1].endswith("-HUP $MAINPID")
        assert int(unit["TimeoutStopSec"][0]) > DRAIN_SECONDS + CLOSE_SECONDS
        assert "llm-proxy check" in unit["ExecReload"][0].replace("/usr/local/bin/", "")
        instance = path.name.endswith("@.service")
        # Two that take turns share a folder, and so a user; all others have one of their own.
        turns = path.name == "llm-proxy-turn@.service"
        assert unit.get("User") == (["llm-proxy"] if turns else None), path.name
        own = "%i" in unit["StateDirectory"][0]
        assert own == (instance and not turns), "two processes in one folder"


def expressions():
    """Every expression of the rules, of their tests and of the dashboard, and where it stands."""
    names = set()
    for group in load("prometheus/alerts.yml")["groups"]:
        for rule in group["rules"]:
            where = f"alert {rule['alert']}"
            assert rule["alert"] not in names, f"{where} is there twice"
            names.add(rule["alert"])
            assert rule["labels"]["severity"] in ("page", "ticket"), where
            assert {"summary", "description"} <= set(rule["annotations"]), where
            yield where, rule["expr"]
    for test in load("prometheus/alerts.test.yml")["tests"]:
        for series in test["input_series"]:
            yield f"test {test['name']}", series["series"]
    board = json.loads((DEPLOY / "grafana/dashboards/llm-gateway.json").read_text())
    assert board["uid"] and board["title"] and board["schemaVersion"] >= 36
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    wanted = ["Traffic", "Latency", "Tokens and spend", "Quotas", "Providers", "Ledger and store"]
    assert rows == wanted, rows
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)), "two panels have one id"
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24, panel["title"]
        assert panel["type"] == "row" or panel["targets"], f"{panel['title']} shows nothing"
        for target in panel.get("targets", []):
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables, f"{panel['title']} uses {used - variables}"
            expr = target["expr"].replace("$__rate_interval", "5m")
            yield f"panel {panel['title']}", expr


def asked_of(expr):
    """A variable's query is no expression, but names a metric and a label all the same."""
    query = re.fullmatch(r"label_values\((\w+), (\w+)\)", expr)
    return ({query[1]: {query[2]}}, set()) if query else promql.asked(expr)


def metrics(known):
    """No expression names what the source does not count; gives back what each asks for."""
    every = []
    for where, expr in expressions():
        found, grouped = asked_of(expr)
        assert found, f"{where} asks for nothing: {expr}"
        missing = set(found) - known - promql.OWN
        assert not missing, f"{where} names what nobody counts: {sorted(missing)}"
        every.append((where, found, grouped))
    return every


def live(every, page):
    """A running proxy has the series, under these labels."""
    series = promql.on_page(page)
    for where, found, grouped in every:
        mine = {name: labels for name, labels in found.items() if name not in promql.OWN}
        missing = set(mine) - set(series) - set(RARE)
        assert not missing, f"{where}: a running proxy does not show {sorted(missing)}"
        if not set(mine) <= set(series):
            continue
        for name, labels in mine.items():
            odd = labels - series[name] - promql.ADDED
            assert not odd, f"{where}: {name} has no label {sorted(odd)}"
        all_labels = set().union(*(series[name] for name in mine)) if mine else grouped
        odd = grouped - all_labels - promql.ADDED
        assert not odd, f"{where} groups by {sorted(odd)}, which nothing of it has"


def rules_by_promtool():
    tool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not tool:
        assert not STRICT, "promtool is missing"
        print("skipped: no promtool, so that rules are not run")
        return
    folder = DEPLOY / "prometheus"
    run([tool, "check", "rules", "alerts.yml"], cwd=folder)
    run([tool, "test", "rules", "alerts.test.yml"], cwd=folder)
    with tempfile.TemporaryDirectory() as beside:
        text = (folder / "prometheus.yml").read_text().replace("/etc/prometheus", str(folder))
        path = pathlib.Path(beside, "prometheus.yml")
        path.write_text(text)
        run([tool, "check", "config", str(path)])
        # The dashboard's expressions as rules, since that is what the tool can read.
        record = [
            {"record": f"panel:{n}", "expr": re.sub(r"\$\w+", "x", expr)}
            for n, (where, expr) in enumerate(expressions()) if where.startswith("panel")
        ]
        path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": record}]}))
        run([tool, "check", "rules", str(path)])


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def checked_config(binary, config, variables, files):
    """The configuration of the manifests is one that the proxy serves."""
    with tempfile.TemporaryDirectory() as beside:
        for name in files:
            pathlib.Path(beside, name).write_text("A" * 43 + "=\n")
        path = pathlib.Path(beside, "config.toml")
        path.write_text(config.replace("/run/secrets/llm-proxy", beside))
        env = {name: f"sk-{name.lower()}-0123456789abcdef" for name in variables}
        env |= {"DATABASE_URL": "postgres://a:b@127.0.0.1/c", "REDIS_URL": "redis://127.0.0.1"}
        run([str(pathlib.Path(binary).resolve()), "check", "--config", str(path)], env=env)


def healthcheck(command, binary, port):
    """What the image asks of itself says yes where somebody answers, and no where nobody does."""
    beside = pathlib.Path(binary).resolve().parent
    with_port = {"PATH": f"{beside}:{os.environ['PATH']}", "PORT": str(port)}
    # By its path: it is not in the path of whoever starts it.
    command = [str(beside / command[0]), *command[1:]]
    run(command, env=with_port)
    nobody = subprocess.run(command, env={**with_port, "PORT": "9"}, capture_output=True, timeout=30)
    assert nobody.returncode != 0, "the image's healthcheck is content with nobody"


def main():
    wanted = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wanted.add_argument("--bin", help="a proxy to start")
    wanted.add_argument("--metrics", help="the address of a running proxy's page of metrics")
    wanted = wanted.parse_args()
    print(f"files read: {read_all()}")
    health = image()
    compose()
    config, variables, files = kubernetes()
    systemd()
    known = promql.in_source(ROOT)
    every = metrics(known)
    shown = set().union(*(found for _, found, _ in every))
    print(f"expressions: {len(every)}, metrics: {len(shown)}")
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    unseen = {n for n in known if re.sub(r"_(bucket|sum|count)$", "", n) not in whole}
    if unseen:
        print(f"counted, and shown nowhere: {', '.join(sorted(unseen))}")
    rules_by_promtool()
    if wanted.metrics:
        with urllib.request.urlopen(wanted.metrics, timeout=10) as page:
            live(every, page.read().decode())
    if wanted.bin:
        checked_config(wanted.bin, config, variables, files)
        with running.Proxy(wanted.bin) as proxy:
            live(every, proxy.live())
            healthcheck(health, wanted.bin, proxy.port)
    print("deploy/ holds")


if __name__ == "__main__":
    main()
