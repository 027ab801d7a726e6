"""The official Cohere client against the simulated provider."""

import json

import cohere
import pytest

from conftest import PERSON, WEATHER, check_person

MODEL = "command-a-03-2025"
HELLO = [{"role": "user", "content": "Say hello to Seoul"}]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}
ONCE = {"max_retries": 0}


@pytest.fixture
def client(cohere_sim):
    return cohere.ClientV2(api_key="co-test", base_url=cohere_sim.url)


def test_chat(client):
    reply = client.chat(model=MODEL, messages=HELLO)
    assert reply.message.content[0].text
    assert reply.finish_reason == "COMPLETE"
    assert reply.usage.tokens.output_tokens > 0


def test_stream_says_what_the_whole_answer_says(client):
    whole = client.chat(model=MODEL, messages=HELLO)
    events = list(client.chat_stream(model=MODEL, messages=HELLO))
    pieces = [e.delta.message.content.text for e in events if e.type == "content-delta"]
    assert "".join(pieces) == whole.message.content[0].text
    assert events[0].type == "message-start"
    end = next(e for e in events if e.type == "message-end")
    assert end.delta.finish_reason == "COMPLETE"
    assert end.delta.usage.tokens.output_tokens == whole.usage.tokens.output_tokens


def test_tools_and_their_results(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat(model=MODEL, messages=messages, tools=[TOOL])
    assert first.finish_reason == "TOOL_CALL"
    call = first.message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    messages.append(first.message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
    second = client.chat(model=MODEL, messages=messages, tools=[TOOL])
    assert "21 degrees" in second.message.content[0].text


def test_streamed_tools(client):
    messages = [{"role": "user", "content": "Weather in Paris and London?"}]
    calls = {}
    for event in client.chat_stream(model=MODEL, messages=messages, tools=[TOOL]):
        if event.type == "tool-call-start":
            calls[event.index] = event.delta.message.tool_calls.function.arguments or ""
        elif event.type == "tool-call-delta":
            calls[event.index] += event.delta.message.tool_calls.function.arguments
    assert [json.loads(a)["city"] for a in calls.values()] == ["Paris", "London"]


def test_structured_output(client):
    reply = client.chat(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe Ada as JSON"}],
        response_format={"type": "json_object", "json_schema": PERSON},
    )
    check_person(reply.message.content[0].text)


def test_embeddings_and_rerank(client):
    reply = client.embed(
        model="embed-v4.0",
        texts=["a cat", "a dog"],
        input_type="search_document",
        embedding_types=["float"],
        output_dimension=256,
    )
    assert [len(e) for e in reply.embeddings.float_] == [256, 256]
    documents = ["stock market news", "Seoul is the capital of Korea", "a cat"]
    ranked = client.rerank(
        model="rerank-v3.5", query="What is the capital of Korea?", documents=documents, top_n=2
    )
    assert ranked.results[0].index == 1
    assert len(ranked.results) == 2


ERRORS = [
    ({"status": 429, "error": "rate_limit"}, cohere.TooManyRequestsError),
    ({"status": 500, "error": "server_error"}, cohere.InternalServerError),
    ({"status": 503, "error": "overloaded"}, cohere.ServiceUnavailableError),
]


@pytest.mark.parametrize(("fault", "kind"), ERRORS)
def test_faults_become_the_clients_own_errors(client, cohere_sim, fault, kind):
    cohere_sim.script({"do": fault, "times": "always"})
    with pytest.raises(kind):
        client.chat(model=MODEL, messages=HELLO, request_options=ONCE)


def test_refusals_that_need_no_script(client, cohere_sim):
    with pytest.raises(cohere.NotFoundError):
        client.chat(model="missing-model", messages=HELLO)
    bad = cohere.ClientV2(api_key="invalid", base_url=cohere_sim.url)
    with pytest.raises(cohere.UnauthorizedError):
        bad.chat(model=MODEL, messages=HELLO)
