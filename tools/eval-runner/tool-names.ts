import { setTimeout as wait } from 'node:timers/promises';
import type { Stack } from './stack.ts';
import type { Suite } from './suite.ts';

/** A gateway that has just started still asks its upstreams what they offer. */
const LIST_TIMEOUT_MS = 20_000;
const LIST_INTERVAL_MS = 100;

/**
 * Holds the tools that suites expect against those that the gateway knows, hidden ones too: a name with a slip in it would hold for ever as
 * `mustNotInclude`, and never as anything else. What an attack calls, and what is expected to be unknown, may have any name.
 * @throws {UsageError} `file:line:column: case "…": no tool …`
 */
export async function demandKnownTools(suites: readonly Suite[], stack: Pick<Stack, 'tools'>, signal: AbortSignal): Promise<void> {
	const deadline = Date.now() + LIST_TIMEOUT_MS;
	for (;;) {
		signal.throwIfAborted();
		const known = await stack.tools();
		const unknown = suites
			.flatMap((suite) => namedIn(suite).map((named) => ({ suite, ...named })))
			.find(({ tool }) => !known.includes(tool));
		if (unknown === undefined) return;
		const { suite, tool, pointer, caseName } = unknown;
		if (known.length > 0 || Date.now() > deadline)
			throw suite.at(
				pointer,
				`case "${caseName}": no tool ${tool}; the gateway knows ${known.join(', ') || 'none: its upstream has not answered yet'}`,
			);
		await wait(LIST_INTERVAL_MS);
	}
}

/** Each tool that a case expects something of, and where it stands. */
function namedIn({ cases }: Suite): { tool: string; pointer: string; caseName: string }[] {
	return cases.flatMap(({ name, mustInclude = [], mustNotInclude = [], trace = [] }, index) =>
		[
			...mustInclude.map((tool, place) => ({ tool, pointer: `mustInclude/${place}` })),
			...mustNotInclude.map((tool, place) => ({ tool, pointer: `mustNotInclude/${place}` })),
			...trace.flatMap(({ tool, decision }, place) => (decision === 'unknown_tool' ? [] : [{ tool, pointer: `trace/${place}/tool` }])),
		].map(({ tool, pointer }) => ({ tool, pointer: `/cases/${index}/${pointer}`, caseName: name })),
	);
}
