"""What the official clients share, through the running proxy: pictures, thinking, tools and their
results, structured answers, vectors, exact usage and every class of error, each client with every
provider behind it.

| client | plain, stream, Korean | tools | structured | pictures | thinking | vectors | usage | errors |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| openai, chat | proxied | proxied | proxied | here | here | proxied | here | proxied |
| openai, responses | here | here | here | here | here | | here | here |
| anthropic | proxied | here | here | here | here | | here | here |
| google-genai | proxied | here | here | here | here | here | here | here |
| ollama | proxied | here | here | here | here | here | here | here |
| cohere | proxied | here | here | here | here | here | here | here |
| langchain-openai | test_langchain.py has all of them | | | | | | | |
| litellm | test_litellm.py has all of them | | | | | | | |
| openai, ai with @ai-sdk/* | npm/clients.mjs has all of them | | | | | | | |

"proxied" is test_proxied.py. Vectors: Anthropic has none. Usage is exact when the prompt and the
answer say together what each provider counted, whichever client asks: see `counted`.
"""

import json

import anthropic
import cohere
import httpx
import ollama
import openai
import pydantic
import pytest
from google import genai
from google.genai import types

from conftest import ERRORS, MODELS, PERSON, PIXEL, PIXEL_TEXT, PIXEL_URL, WEATHER, check_person

ALL = list(MODELS)
EMBEDS = [name for name in ALL if name != "anthropic"]
KOREAN = "안녕하세요, 서울 날씨를 알려 주세요"
LOOK = "What is in this picture?"
PARIS = "What is the weather in Paris?"
BOTH = "Weather in Paris and London?"
ADA = "Describe Ada"
TEXTS = ["a cat", "a cat sat", "stock market"]
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}
# What a caller sees of an error of a provider, by its class. A provider's key that is refused is our
# fault and not the caller's, and nobody is asked with it again for a while.
SEEN = {
    "rate_limit": [429],
    "bad_request": [400],
    "server_error": [502],
    "overloaded": [503],
    "invalid_key": [502, 503],
}


class Person(pydantic.BaseModel):
    name: str
    age: int
    langs: list[str]


def alike(vectors):
    """Near texts are near."""
    dot = lambda x, y: sum(i * j for i, j in zip(x, y))
    a, b, c = vectors
    return dot(a, b) > dot(a, c)


def hangul(text):
    return any("가" <= c <= "힣" for c in text)


def user(text):
    return [{"role": "user", "content": text}]


def saw(simulated, name):
    """The picture came to the provider, byte for byte; Google's client writes it as addresses have it."""
    return PIXEL_TEXT in simulated[name].last().replace("-", "+").replace("_", "/")


def refused(status, error):
    """The error that was seen is one of its class."""
    return status in SEEN[error]


@pytest.fixture
def gpt(proxied):
    return openai.OpenAI(base_url=proxied.url + "/v1", api_key=proxied.key, max_retries=0)


@pytest.fixture
def claude(proxied):
    return anthropic.Anthropic(base_url=proxied.url, api_key=proxied.key, max_retries=0)


@pytest.fixture
def gemini(proxied):
    return genai.Client(api_key=proxied.key, http_options=types.HttpOptions(base_url=proxied.url))


@pytest.fixture
def llama(proxied):
    return ollama.Client(host=proxied.url, headers={"authorization": f"Bearer {proxied.key}"})


@pytest.fixture
def command(proxied):
    return cohere.ClientV2(api_key=proxied.key, base_url=proxied.url)


# --- openai, chat


@pytest.mark.parametrize("name", ALL)
def test_openai_pictures(gpt, simulated, name):
    picture = {"type": "image_url", "image_url": {"url": PIXEL_URL}}
    content = [{"type": "text", "text": LOOK}, picture]
    reply = gpt.chat.completions.create(model=f"thinks-{name}", messages=user(content))
    assert reply.choices[0].message.content and saw(simulated, name)


@pytest.mark.parametrize("name", ALL)
def test_openai_thinking(gpt, name):
    ask = {"model": f"thinks-{name}", "messages": user(KOREAN), "reasoning_effort": "low"}
    whole = gpt.chat.completions.create(**ask)
    assert hangul(whole.choices[0].message.content)
    stream = gpt.chat.completions.create(stream=True, stream_options={"include_usage": True}, **ask)
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    counted = whole.usage.completion_tokens_details, chunks[-1].usage.completion_tokens_details
    # Cohere and Ollama count thoughts with the answer.
    if name not in ("cohere", "ollama"):
        assert counted[0].reasoning_tokens == counted[1].reasoning_tokens > 0


@pytest.mark.parametrize("name", ALL)
def test_usage_is_what_was_used_whoever_asks(gpt, claude, gemini, llama, command, name):
    model = f"of-{name}"
    chat = gpt.chat.completions.create(model=model, messages=user(KOREAN)).usage
    counted = {(chat.prompt_tokens, chat.completion_tokens)}
    assert chat.total_tokens == sum(*counted)
    told = gpt.responses.create(model=model, input=KOREAN).usage
    counted.add((told.input_tokens, told.output_tokens))
    told = claude.messages.create(model=model, max_tokens=500, messages=user(KOREAN)).usage
    counted.add((told.input_tokens, told.output_tokens))
    told = gemini.models.generate_content(model=model, contents=KOREAN).usage_metadata
    counted.add((told.prompt_token_count, told.candidates_token_count))
    told = llama.chat(model=model, messages=user(KOREAN))
    counted.add((told.prompt_eval_count, told.eval_count))
    told = command.chat(model=model, messages=user(KOREAN)).usage.tokens
    counted.add((int(told.input_tokens), int(told.output_tokens)))
    assert len(counted) == 1, counted


# --- openai, responses


@pytest.mark.parametrize("name", ALL)
def test_responses_plain_stream_and_usage(gpt, simulated, name):
    ask = {"model": f"of-{name}", "input": KOREAN}
    whole = gpt.responses.create(**ask)
    assert whole.status == "completed" and hangul(whole.output_text)
    simulated[name].script({"do": {"split": 1}})
    with gpt.responses.stream(**ask) as stream:
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert final.usage.output_tokens == whole.usage.output_tokens > 0


@pytest.mark.parametrize("name", ALL)
def test_responses_tools_and_their_results(gpt, name):
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
    ask = {"model": f"of-{name}", "tools": [tool]}
    reply = gpt.responses.create(input=BOTH, **ask)
    calls = [o for o in reply.output if o.type == "function_call"]
    assert [json.loads(c.arguments)["city"] for c in calls] == ["Paris", "London"]
    results = [
        {"type": "function_call_output", "call_id": c.call_id, "output": "21 degrees"} for c in calls
    ]
    history = [*user(BOTH), *reply.output, *results]
    assert "21 degrees" in gpt.responses.create(input=history, **ask).output_text


@pytest.mark.parametrize("name", ALL)
def test_responses_structured_output(gpt, name):
    reply = gpt.responses.parse(model=f"of-{name}", input=ADA, text_format=Person)
    assert isinstance(reply.output_parsed, Person)


@pytest.mark.parametrize("name", ALL)
def test_responses_pictures(gpt, simulated, name):
    picture = {"type": "input_image", "image_url": PIXEL_URL, "detail": "auto"}
    content = [{"type": "input_text", "text": LOOK}, picture]
    assert gpt.responses.create(model=f"thinks-{name}", input=user(content)).output_text
    assert saw(simulated, name)


@pytest.mark.parametrize("name", ALL)
def test_responses_thinking(gpt, name):
    reasoning = {"effort": "low", "summary": "auto"}
    reply = gpt.responses.create(model=f"thinks-{name}", input=KOREAN, reasoning=reasoning)
    assert hangul(reply.output_text)
    # Chat completions never show what a model thinks.
    if name != "openai":
        assert [o for o in reply.output if o.type == "reasoning"]


# --- anthropic


CLAUDE_TOOL = {"name": "get_weather", "description": "Weather", "input_schema": WEATHER}


@pytest.mark.parametrize("name", ALL)
def test_anthropic_tools_and_their_results(claude, name):
    ask = {"model": f"of-{name}", "max_tokens": 300, "tools": [CLAUDE_TOOL]}
    messages = user(BOTH)
    with claude.messages.stream(messages=messages, **ask) as stream:
        final = stream.get_final_message()
    calls = [b for b in final.content if b.type == "tool_use"]
    assert [c.input["city"] for c in calls] == ["Paris", "London"]
    assert final.stop_reason == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": c.id, "content": "21 degrees"} for c in calls
    ]
    messages += [{"role": "assistant", "content": final.content}, *user(results)]
    reply = claude.messages.create(messages=messages, **ask)
    assert "21 degrees" in reply.content[-1].text


@pytest.mark.parametrize("name", ALL)
def test_anthropic_structured_output(claude, name):
    wanted = {"format": {"type": "json_schema", "schema": PERSON}}
    reply = claude.messages.create(
        model=f"of-{name}",
        max_tokens=300,
        messages=user(ADA),
        extra_body={"output_config": wanted},
    )
    check_person(reply.content[0].text)


@pytest.mark.parametrize("name", ALL)
def test_anthropic_pictures(claude, simulated, name):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL_TEXT}
    content = [{"type": "image", "source": source}, {"type": "text", "text": LOOK}]
    ask = {"model": f"thinks-{name}", "max_tokens": 300}
    assert claude.messages.create(messages=user(content), **ask).content[0].text
    assert saw(simulated, name)


@pytest.mark.parametrize("name", ALL)
def test_anthropic_thinking(claude, name):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    ask = {"model": f"thinks-{name}", "max_tokens": 3000, "thinking": thinking}
    reply = claude.messages.create(messages=user(KOREAN), **ask)
    assert hangul(reply.content[-1].text)
    with claude.messages.stream(messages=user(KOREAN), **ask) as stream:
        final = stream.get_final_message()
    assert [b.type for b in final.content] == [b.type for b in reply.content]
    # Chat completions never show what a model thinks.
    if name != "openai":
        assert reply.content[0].type == "thinking" and reply.content[0].thinking
    # What was thought goes back as it came.
    messages = [*user(KOREAN), {"role": "assistant", "content": final.content}, *user("And now?")]
    assert claude.messages.create(messages=messages, **ask).content[-1].text


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_anthropic_errors(claude, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    with pytest.raises(anthropic.APIStatusError) as failed:
        claude.messages.create(model=f"{error}-{name}", max_tokens=9, messages=user("hi"))
    assert refused(failed.value.status_code, error)
    assert failed.value.body["type"] == "error" and failed.value.body["error"]["message"]


# --- google-genai


def gemini_tool():
    said = {"name": "get_weather", "description": "Weather", "parameters_json_schema": WEATHER}
    return types.Tool(function_declarations=[types.FunctionDeclaration(**said)])


@pytest.mark.parametrize("name", ALL)
def test_gemini_tools_and_their_results(gemini, name):
    config = types.GenerateContentConfig(
        tools=[gemini_tool()],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    ask = {"model": f"of-{name}", "config": config}
    first = gemini.models.generate_content(contents=BOTH, **ask)
    assert [c.args["city"] for c in first.function_calls] == ["Paris", "London"]
    streamed = gemini.models.generate_content_stream(contents=BOTH, **ask)
    calls = [c for chunk in streamed for c in chunk.function_calls or []]
    assert [c.args["city"] for c in calls] == ["Paris", "London"]
    results = []
    for call in first.function_calls:
        part = types.Part.from_function_response(name=call.name, response={"result": "21 degrees"})
        part.function_response.id = call.id
        results.append(part)
    asked = types.Content(role="user", parts=[types.Part.from_text(text=BOTH)])
    told = types.Content(role="user", parts=results)
    history = [asked, first.candidates[0].content, told]
    assert "21 degrees" in gemini.models.generate_content(contents=history, **ask).text


@pytest.mark.parametrize("name", ALL)
def test_gemini_structured_output(gemini, name):
    config = {"response_mime_type": "application/json", "response_schema": Person}
    reply = gemini.models.generate_content(model=f"of-{name}", contents=ADA, config=config)
    assert isinstance(reply.parsed, Person)


@pytest.mark.parametrize("name", ALL)
def test_gemini_pictures(gemini, simulated, name):
    picture = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    assert gemini.models.generate_content(model=f"thinks-{name}", contents=[LOOK, picture]).text
    assert saw(simulated, name)


@pytest.mark.parametrize("name", ALL)
def test_gemini_thinking(gemini, name):
    thinking = types.ThinkingConfig(thinking_budget=1024, include_thoughts=True)
    config = types.GenerateContentConfig(thinking_config=thinking)
    reply = gemini.models.generate_content(model=f"thinks-{name}", contents=KOREAN, config=config)
    assert hangul(reply.text)
    thoughts = [part for part in reply.candidates[0].content.parts if part.thought]
    if name != "openai":
        assert thoughts


@pytest.mark.parametrize("name", EMBEDS)
def test_gemini_embeddings(gemini, name):
    # Texts alone would be parts of one content, which has one vector.
    contents = [types.Content(parts=[types.Part.from_text(text=text)]) for text in TEXTS]
    reply = gemini.models.embed_content(model=f"embeds-{name}", contents=contents)
    assert alike([e.values for e in reply.embeddings])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_gemini_errors(gemini, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    with pytest.raises(genai.errors.APIError) as failed:
        gemini.models.generate_content(model=f"{error}-{name}", contents="hi")
    assert refused(failed.value.code, error) and failed.value.status and failed.value.message


# --- ollama


@pytest.mark.parametrize("name", ALL)
def test_ollama_tools_and_their_results(llama, name):
    ask = {"model": f"of-{name}", "tools": [TOOL]}
    messages = user(BOTH)
    first = llama.chat(messages=messages, **ask)
    cities = [call.function.arguments["city"] for call in first.message.tool_calls]
    assert cities == ["Paris", "London"]
    streamed = llama.chat(messages=messages, stream=True, **ask)
    calls = [call for chunk in streamed for call in chunk.message.tool_calls or []]
    assert [call.function.arguments["city"] for call in calls] == cities
    messages.append(first.message)
    messages += [{"role": "tool", "tool_name": "get_weather", "content": "21 degrees"}] * 2
    assert "21 degrees" in llama.chat(messages=messages, **ask).message.content


@pytest.mark.parametrize("name", ALL)
def test_ollama_structured_output(llama, name):
    reply = llama.chat(model=f"of-{name}", messages=user(ADA), format=Person.model_json_schema())
    Person.model_validate_json(reply.message.content)


@pytest.mark.parametrize("name", ALL)
def test_ollama_pictures(llama, simulated, name):
    messages = [{"role": "user", "content": LOOK, "images": [PIXEL]}]
    assert llama.chat(model=f"thinks-{name}", messages=messages).message.content
    assert saw(simulated, name)


@pytest.mark.parametrize("name", ALL)
def test_ollama_thinking(llama, name):
    reply = llama.chat(model=f"thinks-{name}", messages=user(KOREAN), think=True)
    assert hangul(reply.message.content)
    if name != "openai":
        assert reply.message.thinking


@pytest.mark.parametrize("name", EMBEDS)
def test_ollama_embeddings(llama, name):
    assert alike(llama.embed(model=f"embeds-{name}", input=TEXTS).embeddings)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_ollama_errors(llama, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    with pytest.raises(ollama.ResponseError) as failed:
        llama.chat(model=f"{error}-{name}", messages=user("hi"))
    assert refused(failed.value.status_code, error) and failed.value.error


# --- cohere


@pytest.mark.parametrize("name", ALL)
def test_cohere_tools_and_their_results(command, name):
    ask = {"model": f"of-{name}", "tools": [TOOL]}
    messages = user(BOTH)
    calls = {}
    for event in command.chat_stream(messages=messages, **ask):
        if event.type == "tool-call-start":
            calls[event.index] = event.delta.message.tool_calls.function.arguments or ""
        elif event.type == "tool-call-delta":
            calls[event.index] += event.delta.message.tool_calls.function.arguments
    assert [json.loads(a)["city"] for a in calls.values()] == ["Paris", "London"]
    first = command.chat(messages=messages, **ask)
    messages.append(first.message)
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
        for call in first.message.tool_calls
    ]
    assert "21 degrees" in command.chat(messages=messages, **ask).message.content[0].text


@pytest.mark.parametrize("name", ALL)
def test_cohere_structured_output(command, name):
    wanted = {"type": "json_object", "json_schema": PERSON}
    reply = command.chat(model=f"of-{name}", messages=user(ADA + " as JSON"), response_format=wanted)
    check_person(reply.message.content[0].text)


@pytest.mark.parametrize("name", ALL)
def test_cohere_pictures(command, simulated, name):
    picture = {"type": "image_url", "image_url": {"url": PIXEL_URL}}
    content = [{"type": "text", "text": LOOK}, picture]
    reply = command.chat(model=f"thinks-{name}", messages=user(content))
    assert reply.message.content[0].text and saw(simulated, name)


@pytest.mark.parametrize("name", ALL)
def test_cohere_thinking(command, name):
    thinking = {"type": "enabled", "token_budget": 1024}
    reply = command.chat(model=f"thinks-{name}", messages=user(KOREAN), thinking=thinking)
    assert hangul(reply.message.content[-1].text)
    if name != "openai":
        assert reply.message.content[0].type == "thinking" and reply.message.content[0].thinking


@pytest.mark.parametrize("name", EMBEDS)
def test_cohere_embeddings(command, name):
    reply = command.embed(
        model=f"embeds-{name}",
        texts=TEXTS,
        input_type="search_document",
        embedding_types=["float"],
    )
    assert alike(reply.embeddings.float_)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_cohere_errors(command, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    once = {"max_retries": 0}
    with pytest.raises((cohere.core.ApiError, httpx.HTTPError)) as failed:
        command.chat(model=f"{error}-{name}", messages=user("hi"), request_options=once)
    assert refused(failed.value.status_code, error) and failed.value.body["message"]


# --- openai, responses: errors


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("error", ERRORS)
def test_responses_errors(gpt, simulated, name, error):
    simulated[name].script({"times": "always", "do": {"error": error}})
    with pytest.raises(openai.APIStatusError) as failed:
        gpt.responses.create(model=f"{error}-{name}", input="hi")
    assert refused(failed.value.status_code, error) and failed.value.body["message"]
