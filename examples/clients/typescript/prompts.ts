// A prompt is looked at, rewritten, and tried beside the first one: node out/prompts.js
import { events, post, run } from './gateway.js';

interface Analysis {
  score: number;
  intent: { class: string };
  suggestions: { criterion: string; text: string }[];
}
interface Boosted {
  prompt: string;
  model: string;
  cost: string;
  before: { score: number };
  after: { score: number };
  changes: { what: string; why: string }[];
}
interface Compared {
  index: number;
  text: string;
  message: string;
  results: { index: number; text: string; quality: number | null }[];
  best: number | null;
  cost: string;
}

await run(async () => {
  const prompt = '회의록을 요약해 줘';
  const found = await post<Analysis>('/prompts/analyze', { prompt });
  console.log(`score: ${found.score}, a ${found.intent.class}`);
  for (const { criterion, text } of found.suggestions) console.log(`- ${criterion}: ${text}`);

  const boosted = await post<Boosted>('/prompts/boost', { prompt });
  const scores = `${boosted.before.score} to ${boosted.after.score}`;
  console.log(`rewritten by ${boosted.model} for $${boosted.cost}: ${scores}`);
  for (const { what, why } of boosted.changes) console.log(`- ${what}: ${why}`);

  // Both at once; a judge reads each pair in both orders.
  const sides = new Map<number, string>();
  const both = { prompts: [prompt, boosted.prompt] };
  for await (const { name, data } of events<Compared>('POST', '/prompts/compare', both)) {
    if (name === 'delta') sides.set(data.index, (sides.get(data.index) ?? '') + data.text);
    if (name === 'error') console.log(`no comparison: ${data.message}`);
    if (name === 'end') {
      for (const { index, quality, text } of data.results) {
        console.log(`${index}: quality ${quality}, as streamed: ${sides.get(index) === text}`);
      }
      console.log(`best: ${data.best}, all for $${data.cost}`);
    }
  }
});
