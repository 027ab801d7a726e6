"""The official Gemini client against the simulated provider."""

import pytest
from google import genai
from google.genai import errors, types

from conftest import PERSON, WEATHER, check_person

MODEL = "gemini-2.5-flash"
HELLO = "Say hello to Seoul"


def connect(sim, key="test-key"):
    options = types.HttpOptions(base_url=sim.url)
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture
def client(gemini_sim):
    return connect(gemini_sim)


def tools():
    declaration = types.FunctionDeclaration(
        name="get_weather", description="Weather of a city", parameters_json_schema=WEATHER
    )
    return types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declaration])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def test_chat(client):
    reply = client.models.generate_content(model=MODEL, contents=HELLO)
    assert reply.text
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP
    usage = reply.usage_metadata
    assert usage.total_token_count >= usage.prompt_token_count + usage.candidates_token_count


def test_stream_says_what_the_whole_answer_says(client):
    whole = client.models.generate_content(model=MODEL, contents=HELLO)
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=HELLO))
    assert "".join(c.text or "" for c in chunks) == whole.text
    assert len(chunks) > 3
    assert chunks[-1].usage_metadata.candidates_token_count


def test_tools_and_their_results(client):
    config = tools()
    ask = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
    first = client.models.generate_content(model=MODEL, contents=[ask], config=config)
    call = first.function_calls[0]
    assert call.name == "get_weather" and call.args == {"city": "Paris"}
    result = types.Part.from_function_response(name=call.name, response={"result": "21 degrees"})
    if call.id:
        result.function_response.id = call.id
    history = [ask, first.candidates[0].content, types.Content(role="user", parts=[result])]
    second = client.models.generate_content(model=MODEL, contents=history, config=config)
    assert "21 degrees" in second.text


def test_streamed_tools(client):
    chunks = client.models.generate_content_stream(
        model=MODEL, contents="Weather in Paris and London?", config=tools()
    )
    calls = [call for c in chunks for call in c.function_calls or []]
    assert [c.args["city"] for c in calls] == ["Paris", "London"]


def test_structured_output(client):
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=PERSON
    )
    reply = client.models.generate_content(model=MODEL, contents="Describe Ada", config=config)
    check_person(reply.text)


def test_structured_output_from_a_class(client):
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=Person
    )
    reply = client.models.generate_content(model=MODEL, contents="Describe Ada", config=config)
    assert isinstance(reply.parsed, Person)


def test_embeddings_tokens_and_models(client):
    reply = client.models.embed_content(
        model="gemini-embedding-001",
        contents=["a cat", "a dog"],
        config=types.EmbedContentConfig(output_dimensionality=64),
    )
    assert [len(e.values) for e in reply.embeddings] == [64, 64]
    count = client.models.count_tokens(model=MODEL, contents=HELLO)
    whole = client.models.generate_content(model=MODEL, contents=HELLO)
    assert count.total_tokens == whole.usage_metadata.prompt_token_count
    assert any(m.name for m in client.models.list())


ERRORS = [
    ({"status": 429, "error": "rate_limit", "retry_after": 2}, errors.ClientError, 429),
    ({"status": 503, "error": "overloaded"}, errors.ServerError, 503),
    ({"status": 500, "error": "server_error"}, errors.ServerError, 500),
]


@pytest.mark.parametrize(("fault", "kind", "code"), ERRORS)
def test_faults_become_the_clients_own_errors(client, gemini_sim, fault, kind, code):
    gemini_sim.script({"do": fault, "times": "always"})
    with pytest.raises(kind) as caught:
        client.models.generate_content(model=MODEL, contents=HELLO)
    assert caught.value.code == code
    assert caught.value.status


def test_refusals_that_need_no_script(client, gemini_sim):
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="missing-model", contents=HELLO)
    assert caught.value.code == 404
    with pytest.raises(errors.ClientError) as caught:
        # The client must outlive the call: it closes its connections when it is dropped.
        stranger = connect(gemini_sim, "invalid")
        stranger.models.generate_content(model=MODEL, contents=HELLO)
    assert caught.value.code == 400 and "API key not valid" in caught.value.message
