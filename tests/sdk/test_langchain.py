"""langchain-openai through the running proxy."""

import openai
import pydantic
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from conftest import ERRORS, MODELS, PIXEL_TEXT, PIXEL_URL

ALL = list(MODELS)
KOREAN = "안녕하세요, 서울 날씨를 알려 주세요"


@tool
def get_weather(city: str) -> str:
    """Weather of a city"""
    return f"21 degrees in {city}"


class Person(pydantic.BaseModel):
    name: str
    age: int


def chat(proxied, name, kind="of", **more):
    return ChatOpenAI(
        model=f"{kind}-{name}",
        base_url=proxied.url + "/v1",
        api_key=more.pop("api_key", proxied.key),
        max_retries=0,
        stream_usage=True,
        **more,
    )


@pytest.mark.parametrize("name", ALL)
def test_plain_and_stream(proxied, name):
    model = chat(proxied, name)
    whole = model.invoke(KOREAN)
    assert any("가" <= c <= "힣" for c in whole.content)
    assert whole.usage_metadata["output_tokens"] > 0
    pieces = list(model.stream(KOREAN))
    joined = pieces[0]
    for piece in pieces[1:]:
        joined += piece
    assert joined.content == whole.content
    assert joined.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]


@pytest.mark.parametrize("name", ALL)
def test_tools_and_their_results(proxied, name):
    model = chat(proxied, name).bind_tools([get_weather])
    messages = [HumanMessage("What is the weather in Paris?")]
    first = model.invoke(messages)
    (call,) = first.tool_calls
    assert call["args"] == {"city": "Paris"}
    messages += [first, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
    assert "21 degrees" in model.invoke(messages).content


@pytest.mark.parametrize("name", ALL)
def test_structured_output(proxied, name):
    model = chat(proxied, name).with_structured_output(Person, method="json_schema")
    assert isinstance(model.invoke("Describe Ada"), Person)


@pytest.mark.parametrize("name", ALL)
def test_parallel_tools_in_a_stream(proxied, name):
    model = chat(proxied, name).bind_tools([get_weather])
    joined = None
    for piece in model.stream("Weather in Paris and London?"):
        joined = piece if joined is None else joined + piece
    assert [call["args"]["city"] for call in joined.tool_calls] == ["Paris", "London"]


@pytest.mark.parametrize("name", ALL)
def test_pictures(proxied, simulated, name):
    content = [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": PIXEL_URL}},
    ]
    model = chat(proxied, name, kind="thinks")
    assert model.invoke([HumanMessage(content)]).content
    assert PIXEL_TEXT in simulated[name].last()


@pytest.mark.parametrize("name", ALL)
def test_thinking(proxied, name):
    model = chat(proxied, name, kind="thinks", reasoning_effort="low")
    reply = model.invoke(KOREAN)
    assert any("가" <= c <= "힣" for c in reply.content)
    # Cohere and Ollama count thoughts with the answer.
    if name not in ("cohere", "ollama"):
        assert reply.usage_metadata["output_token_details"]["reasoning"] > 0


@pytest.mark.parametrize("name", [name for name in ALL if name != "anthropic"])
def test_embeddings(proxied, name):
    model = OpenAIEmbeddings(
        model=f"embeds-{name}",
        base_url=proxied.url + "/v1",
        api_key=proxied.key,
        # It would ask for a tokenizer's tables otherwise.
        check_embedding_ctx_length=False,
    )
    a, b, c = model.embed_documents(["a cat", "a cat sat", "stock market"])
    dot = lambda x, y: sum(i * j for i, j in zip(x, y))
    assert dot(a, b) > dot(a, c)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_errors_of_providers(proxied, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    kind = {"rate_limit": openai.RateLimitError, "bad_request": openai.BadRequestError}
    with pytest.raises(kind.get(error, openai.InternalServerError)):
        chat(proxied, name, kind=error).invoke("hi")


def test_errors(proxied):
    with pytest.raises(openai.AuthenticationError):
        chat(proxied, "openai", api_key="sk-wrong").invoke("hi")
    with pytest.raises(openai.NotFoundError):
        chat(proxied, "nobody").invoke("hi")
    with pytest.raises(openai.RateLimitError):
        chat(proxied, "openai", api_key=proxied.poor).invoke("hi")
