// Two versions of a template, tried on people: node out/templates.js
import { randomUUID } from 'node:crypto';

import { call, get, post, Refused, run } from './gateway.js';

interface Assigned {
  variant: { name: string };
}
interface Trial {
  standing: {
    variants: { name: string; good: number; outcomes: number }[];
    verdicts: { variant: string; verdict: string; says: string }[];
  };
}

await run(async () => {
  const name = `인사말-${randomUUID().slice(0, 8)}`;
  const made = await post<{ id: string }>('/templates', {
    name,
    text: '{{ name }}님, 안녕하세요.',
    variables: [{ name: 'name' }],
    labels: ['production'],
  });
  const path = `/templates/${made.id}`;
  await call('PATCH', path, { text: '{{ name }}님, 오늘도 반갑습니다!' });
  const values = { name: '지민' };
  const shown = await post<{ version: number; text: string }>(`${path}/render`, { values });
  console.log(`production is version ${shown.version}: ${shown.text}`);
  try {
    await post(`${path}/render`, { values: {} });
  } catch (why) {
    if (!(why instanceof Refused)) throw why;
    console.log(`refused: ${why.code} ${why.failure.details.reason}`);
  }

  // Versions of templates against each other: who has seen one sees it again.
  const variants = [1, 2].map((version) => ({ name: `v${version}`, template: name, version }));
  const { id } = await post<{ id: string }>('/experiments', { name, variants });
  for (let person = 0; person < 20; person += 1) {
    const subject = `person-${person}`;
    const { variant } = await post<Assigned>(`/experiments/${id}/assign`, { subject });
    const thumb = variant.name === 'v2' || person % 3 === 0 ? 'up' : 'down';
    await post('/feedback', { about: 'experiment', id, subject, thumb });
  }
  const { standing } = await get<Trial>(`/experiments/${id}`);
  for (const { name, good, outcomes } of standing.variants) {
    console.log(`${name}: ${good} of ${outcomes} liked it`);
  }
  for (const { variant, verdict, says } of standing.verdicts) {
    console.log(`${variant}: ${verdict}, ${says}`);
  }
});
