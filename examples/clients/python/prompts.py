"""A prompt is looked at, rewritten, and tried beside the first one: python prompts.py"""

from gateway import run


def main(gateway):
    prompt = "회의록을 요약해 줘"
    found = gateway.post("/prompts/analyze", prompt=prompt)
    print(f"score: {found['score']}, a {found['intent']['class']}")
    for suggestion in found["suggestions"]:
        print(f"- {suggestion['criterion']}: {suggestion['text']}")

    boosted = gateway.post("/prompts/boost", prompt=prompt)
    before, after = boosted["before"]["score"], boosted["after"]["score"]
    print(f"rewritten by {boosted['model']} for ${boosted['cost']}: {before} to {after}")
    for change in boosted["changes"]:
        print(f"- {change['what']}: {change['why']}")

    # Both at once; a judge reads each pair in both orders.
    sides = {}
    both = {"prompts": [prompt, boosted["prompt"]]}
    for _, name, data in gateway.events("POST", "/prompts/compare", both):
        if name == "delta":
            sides[data["index"]] = sides.get(data["index"], "") + data["text"]
        elif name == "error":
            print(f"no comparison: {data['message']}")
        elif name == "end":
            for result in data["results"]:
                same = sides.get(result["index"]) == result["text"]
                print(f"{result['index']}: quality {result['quality']}, as streamed: {same}")
            print(f"best: {data['best']}, all for ${data['cost']}")


run(main)
