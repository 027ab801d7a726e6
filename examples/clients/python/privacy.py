"""What is kept of somebody, and then nothing: python privacy.py"""

from gateway import Refused, run


def main(gateway):
    gateway.call("PUT", "/users/me/consent", {"consent": "withdrawn"})
    try:
        gateway.post("/chat/conversations", title="비밀")
    except Refused as why:
        print(f"refused: {why.code} {why.message}")

    gateway.call("PUT", "/users/me/consent", {"consent": "given"})
    talk = gateway.post("/chat/conversations", title="일기")
    gateway.post(f"/chat/conversations/{talk['id']}/messages", content="오늘은 쉬었다")

    export = gateway.get("/users/me/export")
    kept = [name for name, things in export["kept"].items() if things]
    print(f"{export['user']}: {', '.join(kept)}; in it: {'오늘은 쉬었다' in str(export)}")

    # No way back: their key is gone, and with it whatever was sealed under it.
    receipt = gateway.call("DELETE", "/users/me/data")
    removed = {what: count for what, count in receipt["removed"].items() if count}
    print(f"removed: {removed}, receipt {receipt['hash']}")
    gateway.call("PUT", "/users/me/consent", {"consent": "given"})
    print(f"conversations left: {len(gateway.get('/chat/conversations')['data'])}")


run(main)
