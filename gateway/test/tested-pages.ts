import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Citation, citedTest } from './cited-tests.ts';

/** The pages of `docs/` that promise nothing without naming the tests that hold it. Their rows stand in JSON files beside this one. */

export interface Attack {
	readonly number: number;
	readonly attack: string;
	/** What ToolGate does. */
	readonly behaviour: string;
	readonly tests: readonly Citation[];
}

export interface Invariant {
	readonly says: string;
	readonly tests: readonly Citation[];
}

/** What one fault of one dependency comes to. */
export interface FailureMode {
	readonly dependency: string;
	readonly fault: string;
	/** What becomes of calls. */
	readonly decision: string;
	/** The word or status that whoever asks sees. */
	readonly seen: string;
	/** What stands in the trail, or else in the log. */
	readonly record: string;
	readonly recovery: string;
	readonly tests: readonly Citation[];
}

const rowsOf = <T>(name: string): readonly T[] => JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), 'utf8')) as T[];
export const attacks = rowsOf<Attack>('attacks');
export const invariants = rowsOf<Invariant>('invariants');
export const failureModes = rowsOf<FailureMode>('failure-modes');

/** The test's own name, without the id of a promise, leading to its file. */
const linked = (citation: Citation): string =>
	`[${citedTest(citation)
		.replace(/^(\[[^\]]+\]|attack \d+:) /, '')
		.replaceAll(/[[\]_*]/g, '\\$&')}](../${citation[0]})`;
const list = (tests: readonly Citation[]): string => tests.map((test) => `- ${linked(test)}`).join('\n');

export const security = (): string => `# Security

<!-- Made by \`npm run docs\` from gateway/test/attacks.json, gateway/test/invariants.json and the names of the tests. -->

**When ToolGate can't verify, decide or record, it refuses, says why in a way that an agent and an operator can act on, and nothing is lost.** There is no switch for the opposite, and no
route that may go unrecorded.

- *Can't verify*: a bundle, token, session, callback or definition that is not what it has to be is refused, and named.
- *Can't decide*: no valid bundle, a policy that throws, runs out of fuel or answers what is no decision: every call is refused as \`policy_error\`.
- *Can't record*: a call whose intent can't be made durable is not sent: \`audit_unavailable\`.
- *Can't reach*: the answer says whether the call may have run: \`upstream_error\` was provably not sent, after \`upstream_timeout\` and \`outcome_unknown\` it may have. It is not sent again.

Each row below names the tests that show it; a test fails when one of them is gone. They run with \`npm test\`. What happens when something that ToolGate needs is down stands in
[failure-modes.md](failure-modes.md); how to report a vulnerability, in [SECURITY.md](../SECURITY.md).

## Invariants

They hold on any number of replicas, and through a process that is killed.

${invariants.map(({ says, tests }, index) => `### ${index + 1}. ${says}\n\n${list(tests)}`).join('\n\n')}

## Attacks

${attacks.map(({ number, attack, behaviour, tests }) => `### ${number}. ${attack}\n\n${behaviour}\n\n${list(tests)}`).join('\n\n')}

## What is left to you

- Under \`auth.mode: none\` whoever reaches the port is whom the headers say. It is for loopback, or for a network that is published there.
- Secrets are found by the formats that are known. What is secret in another way, a rule has to mask ([policy.md](policy.md)).
- An upstream does what it does with a call that it was sent. Its credentials, and what they allow, are chosen by whoever configures it.
- The embedded database outlives the process dying, not a loss of power ([architecture.md](architecture.md)).
- Who can write to the database can cut the end off the trail. A second place for checkpoints (\`audit.checkpoints\`) finds that ([audit-format.md](audit-format.md)).
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

export function failures(): string {
	const byDependency = Map.groupBy(failureModes, ({ dependency }) => dependency);
	const sections = [...byDependency].map(
		([dependency, modes]) => `## ${dependency}

| fault | calls | seen as | record | afterwards |
|---|---|---|---|---|
${modes
	.map(({ fault, decision, seen, record, recovery }) => `| ${[fault, decision, seen, record, recovery].map(cell).join(' | ')} |`)
	.join('\n')}

${[...new Set(modes.flatMap(({ tests }) => tests).map(linked))].map((test) => `- ${test}`).join('\n')}`,
	);
	return `# Failure modes

<!-- Made by \`npm run docs\` from gateway/test/failure-modes.json and the names of the tests. -->

What becomes of calls when something that ToolGate needs fails. Only what a test shows is told here; the tests of each part are named under it. The words are those of
the trail ([architecture.md](architecture.md)), and \`/readyz\` on the people's listener says which part is not well.

${sections.join('\n\n')}
`;
}
