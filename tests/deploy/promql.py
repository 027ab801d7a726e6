"""Which metrics and labels an expression names, which ones the source has, and which ones a page."""

import pathlib
import re

STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^{}]*)\}")
WORD = re.compile(r"(?<![\w.])([a-zA-Z_:][a-zA-Z0-9_:]*)(?!\w)(\s*\()?")
# What binds, and is no metric.
OPERATORS = {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "offset", "inf", "nan"}
# What Prometheus itself adds.
ADDED = {"instance", "job", "le"}
OWN = {"up", "ALERTS"}


def asked(expr):
    """The metrics of an expression, each with the labels that it is asked by."""
    expr = re.sub(r"\[[^\]]*\]", " ", expr)
    text = STRING.sub('""', expr)
    grouped = set()
    for names in GROUPING.findall(text):
        grouped |= {name.strip() for name in names.split(",") if name.strip()}
    text = GROUPING.sub(" ", text)
    found = {}
    for name, inside in SELECTOR.findall(text):
        labels = {part.group(1) for part in re.finditer(r"(\w+)\s*(?:=~|!~|!=|=)", inside)}
        found.setdefault(name, set()).update(labels)
    text = SELECTOR.sub(r"\1", text)
    for name, call in WORD.findall(text):
        if not call and name.lower() not in OPERATORS:
            found.setdefault(name, set())
    return found, grouped


CONSTRUCTOR = re.compile(
    r"\b(counters|gauges|histograms|quota|Opts::new|HistogramOpts::new|IntCounter::new"
    r"|IntGauge::new|Gauge::new|Counter::new|Histogram::new)\(\s*\"((?:gw|gen_ai)_\w+)\""
)


def in_source(root):
    """Every name under which the source counts, and those of its histograms' parts."""
    names = set()
    for crate in ("llm-core", "llm-providers", "llm-store", "llm-proxy"):
        for path in sorted(pathlib.Path(root, crate, "src").rglob("*.rs")):
            if "tests" in path.parts or path.name == "tests.rs":
                continue
            for maker, name in CONSTRUCTOR.findall(path.read_text()):
                if "istogram" in maker:
                    names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
                else:
                    names.add(name)
    assert len(names) > 20, f"the source counts under more names than {sorted(names)}"
    return names


def on_page(text):
    """The series of a page of metrics: names, each with its labels."""
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name = re.match(r"[\w:]+", line).group(0)
        labels = STRING.sub('""', line[len(name):].rsplit(" ", 1)[0])
        found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    return found
