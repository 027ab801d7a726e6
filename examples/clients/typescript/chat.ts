// A conversation whose reply goes on while nobody listens: node out/chat.js
import { events, post, run } from './gateway.js';

interface Heard {
  reply_id: string;
  text: string;
  message: { content: string };
  usage: { total_tokens: number };
}

await run(async () => {
  const talk = await post<{ id: string }>('/chat/conversations', { title: '여행 계획' });
  const messages = `/chat/conversations/${talk.id}/messages`;
  const question = { content: '제주도에서 사흘 동안 무엇을 하면 좋을까요?', stream: true };

  // The connection is lost after a few words, as connections are.
  let reply = '';
  let last: string | undefined;
  let text = '';
  for await (const { id, name, data } of events<Heard>('POST', messages, question)) {
    last = id;
    if (name === 'start') reply = data.reply_id;
    if (name === 'delta') text += data.text;
    if (text.length > 10) break;
  }
  console.log(`lost after ${text.length} letters`);

  // The id of the last event says where we were. Nothing comes twice, and nothing is missing.
  const path = `${messages}/${reply}/events`;
  for await (const { name, data } of events<Heard>('GET', path, undefined, last)) {
    if (name === 'delta') text += data.text;
    if (name === 'error') console.log(`broke off: ${data.message}`);
    if (name === 'end') {
      console.log(`whole: ${data.message.content === text}, ${data.usage.total_tokens} tokens`);
    }
  }
  console.log(text);
});
