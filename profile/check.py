"""Whether the profile is still one of this code: python3 check.py BINARY

Names of functions carry a hash of how their crate is compiled. Where [profile.release] or a version has
changed, no name is the same any more, and the compiler says nothing of it.
"""

import pathlib
import re
import subprocess
import sys

# On the way of each call, and with functions enough that a share of them says something.
CRATES = ("tokio", "llm_core", "llm_dialects", "llm_providers", "llm_proxy", "llm_store")
# Functions that are in place wherever they are called have no name of their own left.
SHARE_MIN = 0.5
MANGLED = re.compile(rb"_ZN[\w.$]+17h[0-9a-f]{16}E|_R\w{10,}")


def main():
    here = pathlib.Path(__file__).parent
    compiler = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    if compiler != (here / "compiler").read_text():
        print("skipped: the profile is of another compiler, and builds of this one are slower")
        return
    seen = set(MANGLED.findall((here / "calls.profdata").read_bytes()))
    symbols = subprocess.run(["nm", "--defined-only", sys.argv[1]], capture_output=True, check=True)
    there = {line.split()[-1] for line in symbols.stdout.splitlines()}
    for crate in CRATES:
        word = str(len(crate)).encode() + crate.encode()
        names = {name for name in seen if word in name}
        share = len(names & there) / max(1, len(names))
        print(f"{crate}: {share:.0%} of {len(names)}")
        if share < SHARE_MIN:
            raise SystemExit(f"the profile is not one of this {crate}: run profile/train")


main()
