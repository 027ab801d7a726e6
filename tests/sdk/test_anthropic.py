"""The official Anthropic client against the simulated provider."""

import json

import anthropic
import pytest

from conftest import PERSON, WEATHER, check_person

MODEL = "claude-sonnet-5"
HELLO = [{"role": "user", "content": "Say hello to Seoul"}]
TOOL = {"name": "get_weather", "description": "Weather of a city", "input_schema": WEATHER}


@pytest.fixture
def client(anthropic_sim):
    return anthropic.Anthropic(base_url=anthropic_sim.url, api_key="sk-ant-test", max_retries=0)


def test_chat(client):
    reply = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    assert reply.content[0].text
    assert reply.stop_reason == "end_turn"
    assert reply.usage.input_tokens > 0 and reply.usage.output_tokens > 0


def test_stream_says_what_the_whole_answer_says(client):
    whole = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    with client.messages.stream(model=MODEL, max_tokens=200, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == whole.content[0].text == final.content[0].text
    assert len(pieces) > 3
    assert final.usage.output_tokens == whole.usage.output_tokens


def test_tools_and_their_results(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.messages.create(model=MODEL, max_tokens=200, messages=messages, tools=[TOOL])
    assert first.stop_reason == "tool_use"
    call = next(b for b in first.content if b.type == "tool_use")
    assert call.input == {"city": "Paris"}
    messages.append({"role": "assistant", "content": first.content})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    messages.append({"role": "user", "content": [result]})
    second = client.messages.create(model=MODEL, max_tokens=200, messages=messages, tools=[TOOL])
    assert "21 degrees" in second.content[-1].text


def test_streamed_tools(client):
    messages = [{"role": "user", "content": "Weather in Paris and London?"}]
    with client.messages.stream(
        model=MODEL, max_tokens=300, messages=messages, tools=[TOOL]
    ) as stream:
        final = stream.get_final_message()
    cities = [b.input["city"] for b in final.content if b.type == "tool_use"]
    assert cities == ["Paris", "London"]


def test_structured_output(client):
    reply = client.messages.create(
        model=MODEL,
        max_tokens=300,
        messages=[{"role": "user", "content": "Describe Ada"}],
        extra_body={"output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
    )
    check_person(reply.content[0].text)


def test_thinking_returns_with_its_signature(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    ask = {"model": MODEL, "max_tokens": 2000, "thinking": thinking}
    reply = client.messages.create(messages=HELLO, **ask)
    block = reply.content[0]
    assert block.type == "thinking" and block.thinking and block.signature
    history = [*HELLO, {"role": "assistant", "content": reply.content}, *HELLO]
    assert client.messages.create(messages=history, **ask).content[-1].text
    with client.messages.stream(messages=HELLO, **ask) as stream:
        assert stream.get_final_message().content[0].signature == block.signature


def test_tokens_and_models(client):
    count = client.messages.count_tokens(model=MODEL, messages=HELLO)
    reply = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    assert count.input_tokens == reply.usage.input_tokens
    assert any(m.id for m in client.models.list())


ERRORS = [
    ({"status": 429, "error": "rate_limit", "retry_after": 2}, anthropic.RateLimitError),
    ({"status": 529, "error": "overloaded"}, anthropic.APIStatusError),
    ({"status": 500, "error": "server_error"}, anthropic.InternalServerError),
]


@pytest.mark.parametrize(("fault", "kind"), ERRORS)
def test_faults_become_the_clients_own_errors(client, anthropic_sim, fault, kind):
    anthropic_sim.script({"do": fault})
    with pytest.raises(kind) as caught:
        client.messages.create(model=MODEL, max_tokens=20, messages=HELLO)
    assert caught.value.status_code == fault["status"]
    assert caught.value.body["type"] == "error"


def test_refusals_that_need_no_script(client, anthropic_sim):
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.post("/v1/messages", body={"model": MODEL, "messages": HELLO}, cast_to=object)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="missing-model", max_tokens=20, messages=HELLO)
    bad = anthropic.Anthropic(base_url=anthropic_sim.url, api_key="invalid", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        bad.messages.create(model=MODEL, max_tokens=20, messages=HELLO)


def test_an_error_in_a_stream(client, anthropic_sim):
    anthropic_sim.script({"do": {"error_in_200": {"frame": 4}}})
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model=MODEL, max_tokens=200, messages=HELLO) as stream:
            stream.get_final_message()


def test_what_arrived_is_what_was_sent(client, anthropic_sim):
    client.messages.create(model=MODEL, max_tokens=20, messages=HELLO, system="Be brief")
    last = anthropic_sim.requests()["requests"][-1]
    assert json.loads(last["body"])["system"] == "Be brief"
