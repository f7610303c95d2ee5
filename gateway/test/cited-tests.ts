import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './build.ts';

/** A test that holds a promise: its file, and the beginning of its name. */
export type Citation = readonly [file: string, beginning: string];

const NAMED = /\bt\.test\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;

/** The names of the tests in a file, as they are written there, subtests included; `…` where a name is put together as it runs. */
export function testNames(file: string): string[] {
	const path = join(root, file);
	if (!existsSync(path)) return [];
	return [...readFileSync(path, 'utf8').matchAll(NAMED)].map(([, , written]) =>
		written!.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1'),
	);
}

/** The whole name of the test that is meant. @throws {Error} when none, or more than one, begins so */
export function citedTest([file, beginning]: Citation): string {
	const names = testNames(file).filter((name) => name.startsWith(beginning));
	if (names.length !== 1) throw new Error(`${file} has ${names.length === 0 ? 'no test' : `${names.length} tests`} "${beginning}…"`);
	return names[0]!;
}
