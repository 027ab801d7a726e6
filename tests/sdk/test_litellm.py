"""LiteLLM's own client through the running proxy, as it talks to a proxy of its own."""

import json
import os

import pytest

from conftest import ERRORS, MODELS, PERSON, PIXEL_TEXT, PIXEL_URL, WEATHER, check_person

# It would fetch its table of prices otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm  # noqa: E402

ALL = list(MODELS)
KOREAN = "안녕하세요, 서울 날씨를 알려 주세요"
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}


def ask(proxied, name, content, kind="of", **more):
    key = more.pop("api_key", proxied.key)
    return litellm.completion(
        model=f"litellm_proxy/{kind}-{name}",
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
def test_results_of_tools(proxied, name):
    asked = "What is the weather in Paris?"
    first = ask(proxied, name, asked, tools=[TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "21 degrees"}
    reply = litellm.completion(
        model=f"litellm_proxy/of-{name}",
        api_base=proxied.url,
        api_key=proxied.key,
        messages=[{"role": "user", "content": asked}, first, result],
        tools=[TOOL],
    )
    assert "21 degrees" in reply.choices[0].message.content


@pytest.mark.parametrize("name", ALL)
def test_pictures(proxied, simulated, name):
    content = [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": PIXEL_URL}},
    ]
    assert ask(proxied, name, content, kind="thinks").choices[0].message.content
    assert PIXEL_TEXT in simulated[name].last()


@pytest.mark.parametrize("name", ALL)
def test_thinking(proxied, name):
    reply = ask(proxied, name, KOREAN, kind="thinks", reasoning_effort="low")
    assert any("가" <= c <= "힣" for c in reply.choices[0].message.content)
    # Cohere and Ollama count thoughts with the answer.
    if name not in ("cohere", "ollama"):
        assert reply.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_errors_of_providers(proxied, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    kind = {"rate_limit": litellm.RateLimitError, "bad_request": litellm.BadRequestError}
    # Of the others it has classes by their numbers, and one above them all.
    with pytest.raises(kind.get(error, litellm.exceptions.openai.APIError)) as failed:
        ask(proxied, name, "hi", kind=error)
    assert kind.get(error) or failed.value.status_code >= 500


@pytest.mark.parametrize("name", ALL)
def test_structured_output(proxied, name):
    schema = {"name": "person", "schema": PERSON, "strict": True}
    wanted = {"type": "json_schema", "json_schema": schema}
    reply = ask(proxied, name, "Describe Ada", response_format=wanted)
    check_person(reply.choices[0].message.content)


@pytest.mark.parametrize("name", [name for name in ALL if name != "anthropic"])
def test_embeddings(proxied, name):
    reply = litellm.embedding(
        model=f"litellm_proxy/embeds-{name}",
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
