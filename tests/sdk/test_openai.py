"""The official OpenAI client against the simulated provider."""

import json

import httpx
import openai
import pytest

from conftest import PERSON, WEATHER, check_person

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "Say hello to Seoul"}]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}


@pytest.fixture
def client(openai_sim):
    return openai.OpenAI(base_url=openai_sim.url + "/v1", api_key="sk-test", max_retries=0)


def test_chat(client):
    reply = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    again = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert again.choices[0].message.content == reply.choices[0].message.content


def test_stream_says_what_the_whole_answer_says(client):
    whole = client.chat.completions.create(model=MODEL, messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len(chunks) > 3, "a stream comes in pieces"


def test_korean_survives_any_cut(client, openai_sim):
    messages = [{"role": "user", "content": "안녕하세요, 서울 날씨를 알려 주세요"}]
    whole = client.chat.completions.create(model=MODEL, messages=messages)
    openai_sim.script({"do": {"split": 1}})
    stream = client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == whole.choices[0].message.content
    assert any("가" <= c <= "힣" for c in text)


def test_tools_and_their_results(client):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["city"] == "Paris"
    messages.append(first.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert second.choices[0].finish_reason == "stop"
    assert "21 degrees" in second.choices[0].message.content


def test_streamed_tools(client):
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Weather in Paris and London?"}],
        tools=[TOOL],
        stream=True,
    )
    calls = {}
    for chunk in stream:
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            call = calls.setdefault(delta.index, {"name": "", "arguments": ""})
            call["name"] += delta.function.name or ""
            call["arguments"] += delta.function.arguments or ""
    cities = [json.loads(c["arguments"])["city"] for c in calls.values()]
    assert cities == ["Paris", "London"]


def test_structured_output(client):
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Describe Ada"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": PERSON, "strict": True},
        },
    )
    check_person(reply.choices[0].message.content)


def test_the_parsing_client(client):
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    reply = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "Describe Ada"}], response_format=Person
    )
    assert isinstance(reply.choices[0].message.parsed, Person)


def test_embeddings(client):
    reply = client.embeddings.create(
        model="text-embedding-3-small", input=["a cat", "a cat sat", "stock market"], dimensions=64
    )
    a, b, c = (d.embedding for d in reply.data)
    assert len(a) == 64
    dot = lambda x, y: sum(i * j for i, j in zip(x, y))
    assert dot(a, b) > dot(a, c), "near texts are near"


def test_the_other_operations(client):
    assert any(m.id for m in client.models.list())
    assert client.models.retrieve(MODEL).id == MODEL
    verdict = client.moderations.create(model="omni-moderation-latest", input="I will kill you")
    assert verdict.results[0].flagged
    text = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF0000WAVE"))
    assert text.text
    image = client.images.generate(model="gpt-image-1", prompt="a cat")
    assert image.data[0].b64_json
    legacy = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon")
    assert legacy.choices[0].text


def test_several_answers_and_a_cap(client):
    reply = client.chat.completions.create(model=MODEL, messages=HELLO, n=2, max_tokens=3)
    assert [c.index for c in reply.choices] == [0, 1]
    assert all(c.finish_reason == "length" for c in reply.choices)


def test_responses(client):
    reply = client.responses.create(model=MODEL, input="Say hello to Seoul")
    assert reply.status == "completed"
    assert reply.output_text
    events = list(client.responses.create(model=MODEL, input="Say hello to Seoul", stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == reply.output_text
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == reply.output_text


def test_responses_tools_and_structure(client):
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
    reply = client.responses.create(model=MODEL, input="Weather in Paris?", tools=[tool])
    call = next(o for o in reply.output if o.type == "function_call")
    assert json.loads(call.arguments)["city"] == "Paris"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    history = [{"role": "user", "content": "Weather in Paris?"}, *reply.output, result]
    assert "21 degrees" in client.responses.create(model=MODEL, input=history).output_text
    reply = client.responses.create(
        model=MODEL,
        input="Describe Ada",
        text={"format": {"type": "json_schema", "name": "p", "schema": PERSON, "strict": True}},
    )
    check_person(reply.output_text)


def test_the_streaming_accumulator(client):
    with client.responses.stream(model=MODEL, input="Say hello to Seoul") as stream:
        final = stream.get_final_response()
    assert final.output_text
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content


ERRORS = [
    ({"status": 429, "error": "rate_limit", "retry_after": 2}, openai.RateLimitError),
    ({"status": 429, "error": "insufficient_quota"}, openai.RateLimitError),
    ({"status": 500, "error": "server_error"}, openai.InternalServerError),
    ({"status": 503, "error": "overloaded"}, openai.InternalServerError),
    ({"status": 400, "error": "context_length"}, openai.BadRequestError),
]


@pytest.mark.parametrize(("fault", "kind"), ERRORS)
def test_faults_become_the_clients_own_errors(client, openai_sim, fault, kind):
    openai_sim.script({"do": fault})
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO)
    if fault["error"] == "insufficient_quota":
        assert caught.value.code == "insufficient_quota"
    if fault["error"] == "rate_limit":
        assert float(caught.value.response.headers["retry-after"]) == 2


def test_refusals_that_need_no_script(client, openai_sim):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="missing-model", messages=HELLO)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[])
    with pytest.raises(openai.BadRequestError):
        orphan = [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]
        client.chat.completions.create(model=MODEL, messages=orphan)
    bad = openai.OpenAI(base_url=openai_sim.url + "/v1", api_key="invalid", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        bad.chat.completions.create(model=MODEL, messages=HELLO)


@pytest.mark.parametrize("how", ["reset", "fin"])
def test_a_cut_stream_is_not_an_end(client, openai_sim, how):
    openai_sim.script({"do": {"cut": {"after_frames": 3, "how": how}}})
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))


def test_an_error_in_a_stream(client, openai_sim):
    openai_sim.script({"do": {"error_in_200": {"frame": 3}}})
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))


def test_requests_are_recorded_without_keys(client, openai_sim):
    client.chat.completions.create(model=MODEL, messages=HELLO)
    seen = json.dumps(openai_sim.requests())
    assert "Say hello to Seoul" in seen
    assert "sk-test" not in seen
