// The gateway's application routes as a TypeScript program asks for them: one envelope, one stream.
//
// OPENAI_BASE_URL and OPENAI_API_KEY are what OpenAI's own client reads, too: one key opens both.

const v1 = (process.env.OPENAI_BASE_URL ?? 'http://127.0.0.1:4000/v1').replace(/\/$/, '');
export const root = v1.replace(/\/v1$/, '');
const headers = {
  authorization: `Bearer ${process.env.OPENAI_API_KEY}`,
  'accept-language': process.env.GATEWAY_LANGUAGE ?? 'ko',
};

interface Failure {
  code: string;
  message: string;
  details: { reason: string; param?: string | null; retry_after?: number | null };
}
type Envelope<T> =
  | { success: true; data: T; message: string; timestamp: string }
  | { success: false; error: Failure; timestamp: string };

export interface Page<T> {
  data: T[];
  next: string | null;
}

/** What the envelope says when something is not done. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly failure: Failure,
  ) {
    super(failure.message); // for people, in their language
  }
  /** For programs. */
  get code(): string {
    return this.failure.code;
  }
}

/** Bytes of a path under /api/v1, for what is no JSON. */
export async function send(method: string, path: string, body?: unknown, more = {}): Promise<Response> {
  const form = body instanceof FormData;
  return fetch(root + path, {
    method,
    body: form ? body : body === undefined ? null : JSON.stringify(body),
    // A form brings a type of its own, with its boundary.
    headers: { ...headers, ...(form ? {} : { 'content-type': 'application/json' }), ...more },
  });
}

/** The data of a call under /api/v1. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const reply = await send(method, `/api/v1${path}`, body);
  const told = (await reply.json()) as Envelope<T>;
  if (!told.success) throw new Refused(reply.status, told.error);
  return told.data;
}

export const get = <T>(path: string): Promise<T> => call<T>('GET', path);
export const post = <T>(path: string, body: unknown): Promise<T> => call<T>('POST', path, body);

export interface Told<T> {
  id: string | undefined;
  name: string;
  data: T;
}

/** Server-sent events, behind the last one that was seen. Who leaves the loop hangs up. */
export async function* events<T>(
  method: string,
  path: string,
  body?: unknown,
  last?: string,
): AsyncGenerator<Told<T>> {
  const more = last ? { 'last-event-id': last } : {};
  const reply = await send(method, `/api/v1${path}`, body, more);
  if (!reply.ok || !reply.body) {
    throw new Refused(reply.status, ((await reply.json()) as { error: Failure }).error);
  }
  let read = '';
  const decoder = new TextDecoder();
  for await (const bytes of reply.body) {
    read += decoder.decode(bytes, { stream: true });
    for (let end = read.indexOf('\n\n'); end >= 0; end = read.indexOf('\n\n')) {
      const lines = read.slice(0, end).split('\n');
      read = read.slice(end + 2);
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data !== undefined) {
        yield { id: field('id'), name: field('event') ?? '', data: JSON.parse(data) as T };
      }
    }
  }
}

/** Runs a program; what is refused is told in one line. */
export async function run(main: (...words: string[]) => Promise<void>): Promise<void> {
  try {
    await main(...process.argv.slice(2));
  } catch (why) {
    if (!(why instanceof Refused)) throw why;
    const wait = why.failure.details.retry_after;
    console.error(`${why.code}: ${why.message}${wait ? ` (${wait} s)` : ''}`);
    process.exitCode = 1;
  }
}
