// Papers are searched and asked, and every answer says where it stands: node out/documents.js
import { call, get, type Page, post, root, run } from './gateway.js';

interface Paper {
  id: string;
  name: string;
  pages: number;
}
interface Hit {
  document: string;
  page: number;
  excerpt: string;
}
interface Answer {
  id: string;
  claims: { text: string; cells: string[]; annotations: { document: string; page: number }[] }[];
}

const REPORT = '3분기 보고\f서울 지점의 매출은 12억 원으로 늘었다.\f부산 지점은 그대로다.';

await run(async () => {
  // A file as a browser sends it; a PDF goes the same way.
  const form = new FormData();
  form.append('file', new Blob([REPORT], { type: 'text/plain' }), '실적.txt');
  const paper = await post<Paper>('/documents', form);
  console.log(`${paper.name}: ${paper.pages} pages`);

  const query = { query: '서울의 매출은?', limit: 1 };
  for (const hit of (await post<Page<Hit>>('/documents/search', query)).data) {
    console.log(`found in ${hit.document}, page ${hit.page}: ${hit.excerpt}`);
  }

  const answer = await post<Answer>('/analysis', {
    question: '매출은 왜 늘었나?',
    selection: {
      cells: [{ id: 'B2', row: '서울', column: '매출', value: '12', unit: '억 원' }],
      headers: ['매출'],
    },
    documents: [paper.id],
  });
  for (const { text, cells, annotations } of answer.claims) {
    const places = annotations.map(({ document, page }) => `${document} p. ${page}`);
    console.log(`${text} [${[...cells, ...places].join(', ')}]`);
  }

  // A link needs no key, and ends by itself.
  const asked = `/analysis/${answer.id}/link?format=markdown&seconds=60`;
  const link = await get<{ url: string }>(asked);
  const file = await fetch(root + link.url);
  if (!file.ok) throw new Error(`the link leads nowhere: ${file.status}`);
  const text = await file.text();
  const inside = text.includes(paper.name);
  console.log(`downloaded ${text.length} letters with ${paper.name} in them: ${inside}`);
  await call('DELETE', `/documents/${paper.id}`);
});
