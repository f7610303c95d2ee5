import { readFileSync } from 'node:fs';
import t from 'tap';
import { build } from '../build.ts';
import { ALLOW_ALL, rulesBundle } from '../rules-bundle.ts';
import { compare, isPassed, isSame } from './compare.ts';
import { fixtureServer } from './fixture-server.ts';
import { REVISIONS, runSuite } from './suite.ts';

interface Known {
	/** Checks that the fixture itself does not pass: of extensions that it does not have, and of what the suite does not score. */
	readonly fail: readonly string[];
	/** Checks that go otherwise through the gateway, each with the reason. */
	readonly differ: Readonly<Record<string, string>>;
}

/** By revision; both lists may only become shorter. */
const KNOWN = JSON.parse(readFileSync(new URL('known.json', import.meta.url), 'utf8')) as Record<string, Known>;

t.test('the official suite says the same of a server and of the gateway before it', { timeout: 240_000 }, async (t) => {
	for (const revision of REVISIONS) {
		await t.test(revision, { timeout: 120_000 }, async (t) => {
			// Each run begins with the lists as they were: a suite changes them.
			const alone = await fixtureServer();
			t.teardown(() => alone.close());
			const behind = await fixtureServer();
			t.teardown(() => behind.close());
			const upstreams = { fixture: { url: behind.url, serverRequests: ['elicitation', 'sampling', 'roots'] } };
			const { mcpUrl } = await build(t, { upstreams, config: { policy: { bundle: await rulesBundle(t, ALLOW_ALL) } } });
			const compared = compare(await runSuite(alone.url, revision), await runSuite(mcpUrl, revision));

			const { fail, differ } = KNOWN[revision]!;
			const different = compared.filter((one) => !isSame(one));
			const unknown = different.filter(({ check }) => !Object.hasOwn(differ, check));
			const failed = compared.filter(({ direct }) => !isPassed(direct)).map(({ check }) => check);
			t.comment(
				`${revision}: ${compared.length} checks, ${compared.length - different.length} alike, ${failed.length} not passed by the fixture itself`,
			);
			t.ok(compared.length > 60, 'the suite was run');
			t.strictSame(
				unknown.map(({ check, direct, through }) => `${check}: directly ${direct}, through the gateway ${through}`),
				[],
				'no other check differs',
			);
			t.strictSame(
				failed.filter((check) => !fail.includes(check) && !Object.hasOwn(differ, check)),
				[],
				'nothing new fails',
			);
			const over = [
				...fail.filter((check) => !failed.includes(check)),
				...Object.keys(differ).filter((check) => !different.some((one) => one.check === check)),
			];
			t.strictSame(over, [], 'what is over leaves the lists');
		});
	}
});
