// Captions of a sound in two more languages, followed until they are there: node out/captions.js FILE
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';

import OpenAI from 'openai';

import { events, get, post, Refused, run, send } from './gateway.js';

interface Job {
  id: string;
  state: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';
  error: string | null;
  expires_at: string | null;
  credits: { reserved: string | null; charged: string | null };
  artefacts: { name: string; path: string }[] | null;
}

await run(async (sound) => {
  if (!sound) throw new Error('which file?');
  // A file of the OpenAI routes, by its client, which reads the same two variables.
  const file = createReadStream(sound);
  const left = await new OpenAI().files.create({ file, purpose: 'user_data' });
  const wanted = { kind: 'captions', input_file_id: left.id, languages: ['en', 'ja'] };
  let job = await post<Job>('/jobs', wanted);
  const path = `/jobs/${job.id}`;
  console.log(`set aside: ${job.credits.reserved} credits`);

  let last: string | undefined;
  while (job.state === 'pending' || job.state === 'processing') {
    // Whoever is cut off goes on behind the last event, with the same process or another.
    const happened = events<{ percent: number }>('GET', `${path}/events`, undefined, last);
    try {
      for await (const { id, name, data } of happened) {
        last = id;
        console.log(`${name}: ${data.percent} %`);
      }
    } catch (why) {
      if (why instanceof Refused) throw why;
      console.log(`cut off: ${why}`);
    }
    job = await get<Job>(path);
  }
  if (job.state !== 'completed') {
    console.log(`${job.state}: ${job.error}, and nothing is charged`);
    return;
  }

  for (const artefact of job.artefacts ?? []) {
    if (!artefact.name.endsWith('.srt')) continue;
    const text = await (await send('GET', artefact.path)).text();
    await writeFile(artefact.name, text);
    console.log(`${artefact.name}: ${text.split(' --> ').length - 1} segments`);
  }
  console.log(`charged: ${job.credits.charged} credits, kept until ${job.expires_at}`);
});
