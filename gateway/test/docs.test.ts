import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { catalogue } from '../src/errors.ts';
import { docsFile, generatedDocs } from './generated-docs.ts';

const root = new URL('../../', import.meta.url);

t.test('pages made from the code are the committed ones', async (t) => {
	for (const [name, make] of Object.entries(generatedDocs))
		t.equal(readFileSync(docsFile(name), 'utf8'), make(), `docs/${name}: run npm run docs`);
});

t.test('each error of the catalogue carries its own name as code', async (t) => {
	for (const [key, { code, says, httpStatus }] of Object.entries(catalogue)) {
		t.equal(key, code);
		t.ok(says.length > 0 && httpStatus >= 200);
	}
});

t.test('every link between pages leads to a file, and every npm script that they name exists', async (t) => {
	const pages = [
		'README.md',
		'CONTRIBUTING.md',
		'SECURITY.md',
		...readdirSync(new URL('docs/', root))
			.filter((name) => name.endsWith('.md'))
			.map((name) => `docs/${name}`),
	];
	const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { scripts: Record<string, string> };
	for (const page of pages) {
		const text = readFileSync(new URL(page, root), 'utf8');
		for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
			if (/^https?:/.test(target!)) continue;
			t.doesNotThrow(() => readFileSync(new URL(target!, new URL(page, root))), `${page} → ${target}`);
		}
		for (const [, name] of text.matchAll(/npm run ([a-z][a-z:-]*)/g)) t.ok(name! in scripts, `${page} names npm run ${name}`);
	}
});
