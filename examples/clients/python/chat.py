"""A conversation whose reply goes on while nobody listens: python chat.py"""

from gateway import run


def main(gateway):
    talk = gateway.post("/chat/conversations", title="여행 계획")
    messages = f"/chat/conversations/{talk['id']}/messages"
    question = {"content": "제주도에서 사흘 동안 무엇을 하면 좋을까요?", "stream": True}

    # The connection is lost after a few words, as connections are.
    reply, last, text = None, None, ""
    stream = gateway.events("POST", messages, question)
    for last, name, data in stream:
        if name == "start":
            reply = data["reply_id"]
        elif name == "delta":
            text += data["text"]
            if len(text) > 10:
                break
    stream.close()
    print(f"lost after {len(text)} letters")

    # The id of the last event says where we were. Nothing comes twice, and nothing is missing.
    for _, name, data in gateway.events("GET", f"{messages}/{reply}/events", last=last):
        if name == "delta":
            text += data["text"]
        elif name == "end":
            print(f"whole: {data['message']['content'] == text}, {data['usage']['total_tokens']} tokens")
        elif name == "error":
            print(f"broke off: {data['message']}")
    print(text)


run(main)
