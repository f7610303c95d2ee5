import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Suite } from './suite.ts';
import { readYaml, schemaOf } from './yaml-file.ts';

/** Failures that are known: a list that may only shrink. */
export interface ExpectedFailures {
	/** Why a case is known to fail; undefined where it has to hold. */
	reasonOf(suite: Suite, caseName: string): string | undefined;
}

interface Entry {
	readonly suite: string;
	readonly case: string;
	readonly because: string;
}

const NAME = 'expected-failures.yaml';
const validate = schemaOf<{ failures: Entry[] }>('expected-failures.schema.json');

/**
 * Reads the list that lies beside each suite, if there is one.
 * @throws {UsageError} an entry names a case that its suite does not have
 */
export function readExpectedFailures(suites: readonly Suite[]): ExpectedFailures {
	const reasons = new Map<string, string>();
	const keyOf = (folder: string, suite: string, name: string) => [folder, suite, name].join('\n');
	for (const folder of new Set(suites.map(({ file }) => dirname(file)))) {
		const file = join(folder, NAME);
		if (!existsSync(file)) continue;
		const { value, at } = readYaml(file, validate);
		for (const [index, entry] of value.failures.entries()) {
			const suite = suites.find((one) => dirname(one.file) === folder && basename(one.file) === entry.suite);
			if (suite !== undefined && !suite.cases.some(({ name }) => name === entry.case))
				throw at(`/failures/${index}/case`, `stale: ${entry.suite} has no case "${entry.case}"; delete this entry`);
			reasons.set(keyOf(folder, entry.suite, entry.case), entry.because);
		}
	}
	return { reasonOf: ({ file }, name) => reasons.get(keyOf(dirname(file), basename(file), name)) };
}
