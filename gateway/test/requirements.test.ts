import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { root } from './build.ts';

/** One promise. A test cites it by `[id]` in its name, or the promise names the test. */
interface Requirement {
	readonly id: string;
	/** The page that promises it. */
	readonly source: string;
	readonly says: string;
	/** File, and the beginning of the test's name. */
	readonly test?: readonly [file: string, name: string];
}

const requirements = JSON.parse(readFileSync(join(import.meta.dirname, 'requirements.json'), 'utf8')) as Requirement[];
const cited = new Set(
	globSync('{gateway,tools,policy,examples,ui}/**/*.test.ts', { cwd: root, exclude: ['**/node_modules/**'] }).flatMap((file) =>
		[...readFileSync(join(root, file), 'utf8').matchAll(/\.test\(\s*[`'"]\[([a-z0-9-]+\.[a-z0-9-]+)\] /g)].map(([, id]) => id!),
	),
);

t.test('every promise has a test', async (t) => {
	for (const { id, says, test } of requirements) {
		if (test === undefined) t.ok(cited.has(id), `${id}: no test cites it (${says})`);
		else {
			const [file, name] = test;
			t.ok(
				existsSync(join(root, file)) && readFileSync(join(root, file), 'utf8').includes(name),
				`${id}: ${file} has no test "${name}…" any more`,
			);
		}
	}
});

t.test('every test that cites a promise cites one that there is', async (t) => {
	const known = new Set(requirements.map(({ id }) => id));
	t.same(
		[...cited].filter((id) => !known.has(id)),
		[],
		'add it to gateway/test/requirements.json',
	);
});

t.test('each promise is one sentence, made once, on a page that there is', async (t) => {
	t.equal(new Set(requirements.map(({ id }) => id)).size, requirements.length);
	for (const { id, source, says } of requirements) {
		t.ok(existsSync(join(root, source)), `${id}: ${source}`);
		t.match(says, /^[A-Z].*\.$/, id);
	}
});
