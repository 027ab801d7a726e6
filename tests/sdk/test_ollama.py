"""The official Ollama client against the simulated provider."""

import json

import ollama
import pytest

from conftest import PERSON, WEATHER, check_person

MODEL = "llama3.2"
HELLO = [{"role": "user", "content": "Say hello to Seoul"}]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}


@pytest.fixture
def client(ollama_sim):
    return ollama.Client(host=ollama_sim.url)


def test_chat(client):
    reply = client.chat(model=MODEL, messages=HELLO)
    assert reply.message.content
    assert reply.done and reply.done_reason == "stop"
    assert reply.eval_count > 0


def test_stream_says_what_the_whole_answer_says(client):
    whole = client.chat(model=MODEL, messages=HELLO)
    chunks = list(client.chat(model=MODEL, messages=HELLO, stream=True))
    assert "".join(c.message.content or "" for c in chunks) == whole.message.content
    assert [c.done for c in chunks].count(True) == 1 and chunks[-1].done
    assert chunks[-1].eval_count == whole.eval_count


def test_tools_and_their_results(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat(model=MODEL, messages=messages, tools=[TOOL])
    call = first.message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert call.function.arguments == {"city": "Paris"}
    messages.append(first.message)
    messages.append({"role": "tool", "tool_name": "get_weather", "content": "21 degrees"})
    second = client.chat(model=MODEL, messages=messages, tools=[TOOL])
    assert "21 degrees" in second.message.content


def test_streamed_tools(client):
    messages = [{"role": "user", "content": "Weather in Paris and London?"}]
    chunks = client.chat(model=MODEL, messages=messages, tools=[TOOL], stream=True)
    calls = [call for c in chunks for call in c.message.tool_calls or []]
    assert [c.function.arguments["city"] for c in calls] == ["Paris", "London"]


def test_structured_output(client):
    ask = [{"role": "user", "content": "Describe Ada"}]
    check_person(client.chat(model=MODEL, messages=ask, format=PERSON).message.content)
    json.loads(client.chat(model=MODEL, messages=ask, format="json").message.content)


def test_thinking(client):
    reply = client.chat(model=MODEL, messages=HELLO, think=True)
    assert reply.message.thinking and reply.message.content


def test_generate_embed_and_models(client):
    reply = client.generate(model=MODEL, prompt="Say hello to Seoul", system="Be brief")
    assert reply.response and reply.done
    pieces = list(client.generate(model=MODEL, prompt="Say hello to Seoul", stream=True))
    assert "".join(p.response for p in pieces)
    vectors = client.embed(model="nomic-embed-text", input=["a cat", "a dog"]).embeddings
    assert len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) > 0
    assert client.list().models


def test_errors(client, ollama_sim):
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(model="missing-model", messages=HELLO)
    assert caught.value.status_code == 404
    ollama_sim.script({"do": {"status": 500, "error": "server_error"}})
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(model=MODEL, messages=HELLO)
    assert caught.value.status_code == 500
    ollama_sim.script({"do": {"error_in_200": {"frame": 3}}})
    with pytest.raises(ollama.ResponseError):
        list(client.chat(model=MODEL, messages=HELLO, stream=True))
