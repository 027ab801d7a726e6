"""Papers are searched and asked, and every answer says where it stands: python documents.py"""

import httpx

from gateway import ROOT, run

REPORT = "3분기 보고\f서울 지점의 매출은 12억 원으로 늘었다.\f부산 지점은 그대로다."


def main(gateway):
    # A file as a browser sends it; a PDF goes the same way.
    file = {"file": ("실적.txt", REPORT.encode(), "text/plain")}
    paper = gateway.call("POST", "/documents", files=file)
    print(f"{paper['name']}: {paper['pages']} pages")

    found = gateway.post("/documents/search", query="서울의 매출은?", limit=1)
    for hit in found["data"]:
        print(f"found in {hit['document']}, page {hit['page']}: {hit['excerpt']}")

    cells = [{"id": "B2", "row": "서울", "column": "매출", "value": "12", "unit": "억 원"}]
    answer = gateway.post(
        "/analysis",
        question="매출은 왜 늘었나?",
        selection={"cells": cells, "headers": ["매출"]},
        documents=[paper["id"]],
    )
    for claim in answer["claims"]:
        places = [f"{a['document']} p. {a['page']}" for a in claim["annotations"]]
        print(f"{claim['text']} [{', '.join(claim['cells'] + places)}]")

    # A link needs no key, and ends by itself.
    link = gateway.get(f"/analysis/{answer['id']}/link", format="markdown", seconds=60)
    text = httpx.get(ROOT + link["url"]).raise_for_status().text
    print(f"downloaded {len(text)} letters with {paper['name']} in them: {paper['name'] in text}")
    gateway.call("DELETE", f"/documents/{paper['id']}")


run(main)
