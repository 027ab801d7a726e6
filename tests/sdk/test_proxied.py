"""The official clients through the running proxy, each with every provider behind it."""

import json

import anthropic
import cohere
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from conftest import MODELS, PERSON, WEATHER, check_person

ALL = list(MODELS)
HELLO = [{"role": "user", "content": "Say hello to Seoul"}]
KOREAN = "안녕하세요, 서울 날씨를 알려 주세요"
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}


@pytest.fixture
def client(proxied):
    return openai.OpenAI(base_url=proxied.url + "/v1", api_key=proxied.key, max_retries=0)


def hangul(text):
    return any("가" <= c <= "힣" for c in text)


@pytest.mark.parametrize("name", ALL)
def test_openai_plain_stream_and_usage(client, name):
    model = f"of-{name}"
    whole = client.chat.completions.create(model=model, messages=HELLO)
    assert whole.choices[0].message.content and whole.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    chunks = list(
        client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices for c in chunks].count([]) == 1 and chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


@pytest.mark.parametrize("name", ALL)
def test_openai_tools_and_their_results(client, name):
    model, messages = f"of-{name}", [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments)["city"] == "Paris"
    messages.append(first.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
    second = client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert "21 degrees" in second.choices[0].message.content


@pytest.mark.parametrize("name", ALL)
def test_openai_parallel_tools_in_a_stream(client, name):
    stream = client.chat.completions.create(
        model=f"of-{name}",
        messages=[{"role": "user", "content": "Weather in Paris and London?"}],
        tools=[TOOL],
        stream=True,
    )
    calls = {}
    for chunk in stream:
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            call = calls.setdefault(delta.index, "")
            calls[delta.index] = call + (delta.function.arguments or "")
    assert [json.loads(c)["city"] for c in calls.values()] == ["Paris", "London"]


@pytest.mark.parametrize("name", ALL)
def test_openai_structured_output(client, name):
    reply = client.chat.completions.create(
        model=f"of-{name}",
        messages=[{"role": "user", "content": "Describe Ada"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": PERSON, "strict": True},
        },
    )
    check_person(reply.choices[0].message.content)


@pytest.mark.parametrize("name", ALL)
def test_openai_korean_whatever_the_cut(client, simulated, name):
    messages = [{"role": "user", "content": KOREAN}]
    whole = client.chat.completions.create(model=f"of-{name}", messages=messages)
    simulated[name].script({"do": {"split": 1}})
    stream = client.chat.completions.create(model=f"of-{name}", messages=messages, stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == whole.choices[0].message.content and hangul(text)


@pytest.mark.parametrize("name", [n for n in ALL if n != "anthropic"])
def test_openai_embeddings(client, name):
    texts = ["a cat", "a cat sat", "stock market"]
    reply = client.embeddings.create(model=f"embeds-{name}", input=texts)
    a, b, c = (d.embedding for d in reply.data)
    dot = lambda x, y: sum(i * j for i, j in zip(x, y))
    assert dot(a, b) > dot(a, c) and reply.usage.prompt_tokens > 0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "error, kind",
    [
        ("rate_limit", openai.RateLimitError),
        ("bad_request", openai.BadRequestError),
        ("server_error", openai.InternalServerError),
        ("overloaded", openai.InternalServerError),
        ("invalid_key", openai.InternalServerError),
    ],
)
def test_openai_errors(client, simulated, name, error, kind):
    simulated[name].script({"times": "always", "do": {"error": error}})
    model = f"{error}-{name}"
    with pytest.raises(kind) as failed:
        client.chat.completions.create(model=model, messages=HELLO)
    # Each is the proxy's own to say: a caller has nothing to do with the key of a provider.
    assert failed.value.body["message"] and "sk-of-the-provider" not in str(failed.value)


def test_openai_errors_of_ours(proxied, client):
    wrong = client.with_options(api_key="sk-wrong")
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model="of-openai", messages=HELLO)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=HELLO)
    poor = client.with_options(api_key=proxied.poor)
    with pytest.raises(openai.RateLimitError) as failed:
        poor.chat.completions.create(model="of-openai", messages=HELLO)
    assert failed.value.code == "insufficient_quota"


@pytest.mark.parametrize("name", ALL)
def test_anthropic(proxied, name):
    client = anthropic.Anthropic(base_url=proxied.url, api_key=proxied.key, max_retries=0)
    ask = {"model": f"of-{name}", "max_tokens": 300}
    whole = client.messages.create(messages=[{"role": "user", "content": KOREAN}], **ask)
    assert hangul(whole.content[0].text) and whole.usage.output_tokens > 0
    with client.messages.stream(messages=[{"role": "user", "content": KOREAN}], **ask) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text
        assert stream.get_final_message().usage.output_tokens == whole.usage.output_tokens
    tool = {"name": "get_weather", "description": "Weather of a city", "input_schema": WEATHER}
    messages = [{"role": "user", "content": "Weather in Paris and London?"}]
    reply = client.messages.create(messages=messages, tools=[tool], **ask)
    assert [b.input["city"] for b in reply.content if b.type == "tool_use"] == ["Paris", "London"]
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(messages=messages, model="nobody", max_tokens=9)


@pytest.mark.parametrize("name", ALL)
def test_gemini(proxied, name):
    options = types.HttpOptions(base_url=proxied.url)
    client = genai.Client(api_key=proxied.key, http_options=options)
    model = f"of-{name}"
    whole = client.models.generate_content(model=model, contents=KOREAN)
    assert hangul(whole.text) and whole.usage_metadata.candidates_token_count > 0
    stream = client.models.generate_content_stream(model=model, contents=KOREAN)
    assert "".join(c.text or "" for c in stream) == whole.text
    with pytest.raises(genai.errors.ClientError) as failed:
        client.models.generate_content(model="nobody", contents=KOREAN)
    assert failed.value.code == 404


@pytest.mark.parametrize("name", ALL)
def test_ollama(proxied, name):
    headers = {"authorization": f"Bearer {proxied.key}"}
    client = ollama.Client(host=proxied.url, headers=headers)
    messages = [{"role": "user", "content": KOREAN}]
    whole = client.chat(model=f"of-{name}", messages=messages)
    assert hangul(whole.message.content) and whole.eval_count > 0
    stream = client.chat(model=f"of-{name}", messages=messages, stream=True)
    assert "".join(c.message.content or "" for c in stream) == whole.message.content
    with pytest.raises(ollama.ResponseError) as failed:
        client.chat(model="nobody", messages=messages)
    assert failed.value.status_code == 404


@pytest.mark.parametrize("name", ALL)
def test_cohere(proxied, name):
    client = cohere.ClientV2(api_key=proxied.key, base_url=proxied.url)
    messages = [{"role": "user", "content": KOREAN}]
    whole = client.chat(model=f"of-{name}", messages=messages)
    assert hangul(whole.message.content[0].text)
    pieces = [
        e.delta.message.content.text
        for e in client.chat_stream(model=f"of-{name}", messages=messages)
        if e.type == "content-delta"
    ]
    assert "".join(pieces) == whole.message.content[0].text
    with pytest.raises(cohere.NotFoundError):
        client.chat(model="nobody", messages=messages)
