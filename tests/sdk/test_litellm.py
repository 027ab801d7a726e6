"""LiteLLM's own client through the running proxy, as it talks to a proxy of its own."""

import json
import os

import pytest

from conftest import MODELS, PERSON, WEATHER, check_person

# It would fetch its table of prices otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm  # noqa: E402

ALL = list(MODELS)
KOREAN = "안녕하세요, 서울 날씨를 알려 주세요"
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}


def ask(proxied, name, content, **more):
    key = more.pop("api_key", proxied.key)
    return litellm.completion(
        model=f"litellm_proxy/of-{name}",
        api_base=proxied.url,
        api_key=key,
        messages=[{"role": "user", "content": content}],
        num_retries=0,
        **more,
    )


@pytest.mark.parametrize("name", ALL)
def test_plain_and_stream(proxied, name):
    whole = ask(proxied, name, KOREAN)
    text = whole.choices[0].message.content
    assert any("가" <= c <= "힣" for c in text) and whole.usage.completion_tokens > 0
    stream = ask(proxied, name, KOREAN, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == text


@pytest.mark.parametrize("name", ALL)
def test_tools(proxied, name):
    reply = ask(proxied, name, "Weather in Paris and London?", tools=[TOOL])
    calls = reply.choices[0].message.tool_calls
    assert [json.loads(c.function.arguments)["city"] for c in calls] == ["Paris", "London"]


@pytest.mark.parametrize("name", ALL)
def test_structured_output(proxied, name):
    schema = {"name": "person", "schema": PERSON, "strict": True}
    wanted = {"type": "json_schema", "json_schema": schema}
    reply = ask(proxied, name, "Describe Ada", response_format=wanted)
    check_person(reply.choices[0].message.content)


def test_embeddings(proxied):
    reply = litellm.embedding(
        model="litellm_proxy/embeds-openai",
        api_base=proxied.url,
        api_key=proxied.key,
        input=["a cat", "stock market"],
    )
    assert len(reply.data) == 2


def test_errors(proxied):
    with pytest.raises(litellm.AuthenticationError):
        ask(proxied, "openai", "hi", api_key="sk-wrong")
    with pytest.raises(litellm.NotFoundError):
        ask(proxied, "nobody", "hi")
    with pytest.raises(litellm.RateLimitError):
        ask(proxied, "openai", "hi", api_key=proxied.poor)
