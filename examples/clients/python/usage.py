"""What a call has cost, and what is left: python usage.py [MODEL]"""

import openai

from gateway import run


def main(gateway, model="gpt-4o-mini"):
    # Models are asked as ever; what is new are the headers.
    says = [{"role": "user", "content": "한 문장으로 인사해 줘"}]
    raw = openai.OpenAI().chat.completions.with_raw_response.create(model=model, messages=says)
    answer = raw.parse()
    cost = raw.headers["x-gw-cost"]
    print(f"{answer.usage.total_tokens} tokens from {raw.headers['x-gw-provider']} for ${cost}")

    me = gateway.get("/usage/me")
    for limit in me["limits"]:
        if limit["limit"] is not None:
            print(f"{limit['scope']} {limit['rule']}: {limit['remaining']} of {limit['limit']} left")
    for alert in me["alerts"]:
        print(f"{alert['scope']} {alert['rule']}: {alert['threshold']} % is used")

    wallet = gateway.get("/credits/balance")
    print(f"{wallet['available']} credits, {wallet['held']} set aside")
    for line in gateway.get("/credits/history")["lines"]:
        print(f"{line['at']} {line['kind']}: {line['left']}")


run(main)
