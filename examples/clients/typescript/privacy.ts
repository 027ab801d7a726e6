// What is kept of somebody, and then nothing: node out/privacy.js
import { call, get, type Page, post, Refused, run } from './gateway.js';

interface Export {
  user: string;
  kept: Record<string, unknown>;
}
interface Receipt {
  removed: Record<string, number>;
  hash: string;
}

await run(async () => {
  await call('PUT', '/users/me/consent', { consent: 'withdrawn' });
  try {
    await post('/chat/conversations', { title: '비밀' });
  } catch (why) {
    if (!(why instanceof Refused)) throw why;
    console.log(`refused: ${why.code} ${why.message}`);
  }

  await call('PUT', '/users/me/consent', { consent: 'given' });
  const talk = await post<{ id: string }>('/chat/conversations', { title: '일기' });
  await post(`/chat/conversations/${talk.id}/messages`, { content: '오늘은 쉬었다' });

  const all = await get<Export>('/users/me/export');
  const kept = Object.entries(all.kept).filter(([, things]) => JSON.stringify(things).length > 2);
  const names = kept.map(([name]) => name).join(', ');
  const inside = JSON.stringify(all).includes('오늘은 쉬었다');
  console.log(`${all.user}: ${names}; in it: ${inside}`);

  // No way back: their key is gone, and with it whatever was sealed under it.
  const receipt = await call<Receipt>('DELETE', '/users/me/data');
  const removed = Object.entries(receipt.removed).filter(([, count]) => count > 0);
  console.log(`removed: ${JSON.stringify(Object.fromEntries(removed))}, receipt ${receipt.hash}`);
  await call('PUT', '/users/me/consent', { consent: 'given' });
  const left = await get<Page<unknown>>('/chat/conversations');
  console.log(`conversations left: ${left.data.length}`);
});
