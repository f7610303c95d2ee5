/** `npm run bench -- [section…] [--quick]`: measures, prints a table per section, and keeps the figures in `results.json`. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Section } from './section.ts';
import { table } from './table.ts';

const results = new URL('results.json', import.meta.url);

/** Every folder with a `section.ts` is a section. */
const known = readdirSync(new URL('.', import.meta.url), { recursive: true, encoding: 'utf8' })
	.flatMap((path) => /^([^/\\]+)[/\\]section\.ts$/.exec(path)?.[1] ?? [])
	.sort();

const usage = `usage: npm run bench -- [section…] [--quick]\nsections: ${known.join(', ')}`;

/** @throws {Error} what is wrong with the arguments, and the usage. */
function readArguments(): { sections: readonly string[]; isQuick: boolean } {
	try {
		const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean', default: false } }, allowPositionals: true });
		const unknown = positionals.find((name) => !known.includes(name));
		if (unknown !== undefined) throw new Error(`there is no section ${unknown}`);
		return { sections: positionals.length === 0 ? known : positionals, isQuick: values.quick };
	} catch (error) {
		throw new Error(`${(error as Error).message}\n${usage}`);
	}
}

async function run({ sections, isQuick }: ReturnType<typeof readArguments>): Promise<void> {
	const figures: Record<string, object> = {};
	for (const name of sections) {
		const section = (await import(`./${name}/section.ts`)) as Section;
		console.log(`${name}: ${section.says}`);
		const measured = await section.measure({ isQuick, say: (line) => console.error(line) });
		console.log(`\n${table(measured.rows)}\n`);
		figures[name] = measured.figures;
	}
	if (isQuick) return console.log('quick: too few calls for figures worth keeping');
	keep(figures);
	console.log(`written to ${fileURLToPath(results)}`);
}

/** Sections that did not run keep what they had. */
function keep(figures: Record<string, object>): void {
	let kept: { sections?: object } = {};
	try {
		kept = JSON.parse(readFileSync(results, 'utf8')) as typeof kept;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
	}
	const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
	const machine = { node: process.version, processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
	writeFileSync(results, `${JSON.stringify({ machine, sections: { ...kept.sections, ...figures } }, rounded, '\t')}\n`);
}

try {
	await run(readArguments());
} catch (error) {
	console.error(`bench: ${(error as Error).message}`);
	process.exitCode = 2;
}
