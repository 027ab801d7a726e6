// What a call has cost, and what is left: node out/usage.js [MODEL]
import OpenAI from 'openai';

import { get, run } from './gateway.js';

interface Me {
  limits: { scope: string; rule: string; limit: number | null; remaining: number | null }[];
  alerts: { scope: string; rule: string; threshold: number }[];
}
interface Wallet {
  available: string;
  held: string;
}
interface History {
  lines: { at: string; kind: string; left: string }[];
}

await run(async (model = 'gpt-4o-mini') => {
  // Models are asked as ever; what is new are the headers.
  const messages = [{ role: 'user' as const, content: '한 문장으로 인사해 줘' }];
  const asked = new OpenAI().chat.completions.create({ model, messages });
  const { data: answer, response } = await asked.withResponse();
  const from = response.headers.get('x-gw-provider');
  const cost = response.headers.get('x-gw-cost');
  console.log(`${answer.usage?.total_tokens} tokens from ${from} for $${cost}`);

  const me = await get<Me>('/usage/me');
  for (const { scope, rule, limit, remaining } of me.limits) {
    if (limit !== null) console.log(`${scope} ${rule}: ${remaining} of ${limit} left`);
  }
  for (const { scope, rule, threshold } of me.alerts) {
    console.log(`${scope} ${rule}: ${threshold} % is used`);
  }

  const wallet = await get<Wallet>('/credits/balance');
  console.log(`${wallet.available} credits, ${wallet.held} set aside`);
  for (const { at, kind, left } of (await get<History>('/credits/history')).lines) {
    console.log(`${at} ${kind}: ${left}`);
  }
});
