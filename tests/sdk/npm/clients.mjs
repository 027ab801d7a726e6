// The clients of npm through the running proxy, with every provider behind it.
import assert from 'node:assert/strict';
import test from 'node:test';

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';

const url = process.env.PROXY_URL;
const key = process.env.PROXY_KEY;
const providers = process.env.PROXY_PROVIDERS.split(' ');
const pixel = process.env.PROXY_PIXEL;
const korean = '안녕하세요, 서울 날씨를 알려 주세요';
const hangul = /[가-힣]/;
const hello = [{ role: 'user', content: korean }];
const weather = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const openai = (apiKey = key) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

for (const name of providers) {
  const model = `of-${name}`;

  test(`openai: ${name}: plain, stream, usage`, async () => {
    const whole = await openai().chat.completions.create({ model, messages: hello });
    const text = whole.choices[0].message.content;
    assert.match(text, hangul);
    const stream = await openai().chat.completions.create({
      model, messages: hello, stream: true, stream_options: { include_usage: true },
    });
    let joined = '';
    let usage;
    for await (const chunk of stream) {
      joined += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(joined, text);
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  });

  test(`openai: ${name}: tools, structured output`, async () => {
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: weather } }];
    const messages = [{ role: 'user', content: 'What is the weather in Paris?' }];
    const first = await openai().chat.completions.create({ model, messages, tools });
    const [call] = first.choices[0].message.tool_calls;
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
    messages.push(first.choices[0].message);
    messages.push({ role: 'tool', tool_call_id: call.id, content: '21 degrees' });
    const second = await openai().chat.completions.create({ model, messages, tools });
    assert.match(second.choices[0].message.content, /21 degrees/);
    const reply = await openai().chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Weather where?' }],
      response_format: {
        type: 'json_schema', json_schema: { name: 'place', schema: weather, strict: true },
      },
    });
    assert.equal(typeof JSON.parse(reply.choices[0].message.content).city, 'string');
  });

  test(`openai: ${name}: parallel tools in a stream, a picture, thinking`, async () => {
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: weather } }];
    const asked = [{ role: 'user', content: 'Weather in Paris and London?' }];
    const stream = await openai().chat.completions.create({ model, messages: asked, tools, stream: true });
    const calls = [];
    for await (const chunk of stream) {
      for (const call of chunk.choices[0]?.delta.tool_calls ?? []) {
        calls[call.index] = (calls[call.index] ?? '') + (call.function?.arguments ?? '');
      }
    }
    assert.deepEqual(calls.map((call) => JSON.parse(call).city), ['Paris', 'London']);
    const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } };
    const content = [{ type: 'text', text: 'What is in this picture?' }, picture];
    const looks = `thinks-${name}`;
    const looked = await openai().chat.completions.create({
      model: looks, messages: [{ role: 'user', content }],
    });
    assert.ok(looked.choices[0].message.content);
    const thought = await openai().chat.completions.create({
      model: looks, messages: hello, reasoning_effort: 'low',
    });
    assert.match(thought.choices[0].message.content, hangul);
  });

  const thinkers = {
    '@ai-sdk/openai': createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(`thinks-${name}`),
    '@ai-sdk/openai responses': createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(`thinks-${name}`),
    '@ai-sdk/anthropic': createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(`thinks-${name}`),
  };
  for (const [sdk, of] of Object.entries(thinkers)) {
    test(`ai with ${sdk}: ${name}: a picture, thinking, parallel tools`, async () => {
      const image = Buffer.from(pixel, 'base64');
      const content = [{ type: 'text', text: 'What is in this picture?' }, { type: 'image', image }];
      const looked = await generateText({ model: of, messages: [{ role: 'user', content }], maxRetries: 0 });
      assert.ok(looked.text);
      const providerOptions = {
        openai: { reasoningEffort: 'low' },
        anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } },
      };
      const thought = await generateText({ model: of, prompt: korean, providerOptions, maxRetries: 0 });
      assert.match(thought.text, hangul);
      const cities = [];
      const get_weather = tool({
        description: 'Weather of a city',
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => { cities.push(city); return '21 degrees'; },
      });
      const streamed = streamText({
        model: of, prompt: 'Weather in Paris and London?', tools: { get_weather }, maxRetries: 0,
      });
      await streamed.consumeStream();
      assert.deepEqual(cities.sort(), ['London', 'Paris']);
    });
  }

  const sdks = {
    '@ai-sdk/openai': createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
    '@ai-sdk/openai responses': createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model),
    '@ai-sdk/anthropic': createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  };
  for (const [sdk, of] of Object.entries(sdks)) {
    test(`ai with ${sdk}: ${name}`, async () => {
      const whole = await generateText({ model: of, prompt: korean, maxRetries: 0 });
      assert.match(whole.text, hangul);
      assert.ok(whole.usage.outputTokens > 0);
      const streamed = streamText({ model: of, prompt: korean, maxRetries: 0 });
      let joined = '';
      for await (const piece of streamed.textStream) joined += piece;
      assert.equal(joined, whole.text);
      const asked = [];
      const get_weather = tool({
        description: 'Weather of a city',
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => { asked.push(city); return '21 degrees'; },
      });
      const told = await generateText({
        model: of,
        prompt: 'What is the weather in Paris?',
        tools: { get_weather },
        stopWhen: stepCountIs(3),
        maxRetries: 0,
      });
      assert.deepEqual(asked, ['Paris']);
      assert.match(told.text, /21 degrees/);
      // This client asks for an object by forcing a tool, which Ollama cannot be told.
      if (sdk === '@ai-sdk/anthropic' && name === 'ollama') return;
      const schema = z.object({ name: z.string(), age: z.number() });
      const made = await generateObject({ model: of, prompt: 'Describe Ada', schema, maxRetries: 0 });
      assert.equal(typeof made.object.name, 'string');
    });
  }
}

test('embeddings', async () => {
  const model = createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).textEmbeddingModel('embeds-openai');
  const { embeddings } = await embedMany({ model, values: ['a cat', 'a cat sat', 'stock market'] });
  const dot = (x, y) => x.reduce((sum, value, at) => sum + value * y[at], 0);
  const [a, b, c] = embeddings;
  assert.ok(dot(a, b) > dot(a, c));
  const reply = await openai().embeddings.create({ model: 'embeds-openai', input: ['a cat'] });
  assert.equal(reply.data.length, 1);
});

test('errors', async () => {
  const ask = (apiKey, model) => openai(apiKey).chat.completions.create({ model, messages: hello });
  await assert.rejects(ask('sk-wrong', 'of-openai'), OpenAI.AuthenticationError);
  await assert.rejects(ask(key, 'nobody'), OpenAI.NotFoundError);
  await assert.rejects(ask(process.env.PROXY_POOR, 'of-openai'), OpenAI.RateLimitError);
  const wrong = createAnthropic({ baseURL: `${url}/v1`, apiKey: 'sk-wrong' })('of-anthropic');
  const failed = generateText({ model: wrong, prompt: 'hi', maxRetries: 0 });
  await assert.rejects(failed, (error) => error.statusCode === 401);
});
