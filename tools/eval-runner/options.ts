import { parseArgs } from 'node:util';
import { UsageError } from './deployment.ts';

/** What the command line asks for. */
export interface Options {
	readonly files: readonly string[];
	/** Parts of names, in lower case; empty: every case. */
	readonly names: readonly string[];
	readonly repeat: number;
	readonly parallel: number;
	readonly isCompose: boolean;
	readonly isFresh: boolean;
	/** The page's port; undefined: no page. */
	readonly servePort?: number;
	readonly junitFile?: string;
	readonly jsonFile?: string;
}

const DEFAULT_PORT = 8099;

export const USAGE = `npm run eval -- [suite.yaml …] [options]

  suite.yaml …      suites (default evalsuite/default.yaml)
  --name TEXT       only cases with TEXT in their name; may be given again
  --repeat N        everything N times
  --parallel N      up to N cases at once, where they share no state
  --compose         docker compose up, run there, and down -v; without: the stack that runs here (npm start), or one of its own
  --fresh           a stack of its own even where one runs here
  --serve           a page to run the cases of one suite by hand, with every fault as a button
  --port N          where it is served (default 8099)
  --junit FILE      a report as JUnit's XML
  --json FILE       a report as JSON
  --help            this

Exit codes: 0 as expected, 1 not, 2 usage or environment. AGENT_URL names another agent, TOOLGATE_OPERATOR_TOKEN the token for the trail.
`;

/** @returns undefined where help is asked for. @throws {UsageError} */
export function readOptions(argv: readonly string[]): Options | undefined {
	const text = { type: 'string' } as const;
	const flag = { type: 'boolean' } as const;
	const options = {
		name: { ...text, multiple: true },
		repeat: text,
		parallel: text,
		junit: text,
		port: text,
		serve: flag,
		json: text,
		compose: flag,
		fresh: flag,
		help: flag,
	} as const;
	let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
	try {
		parsed = parseArgs({ args: [...argv], allowPositionals: true, options });
	} catch (error) {
		throw new UsageError(`${(error as Error).message.split('. ')[0]}; npm run eval -- --help shows the options`);
	}
	const { values, positionals } = parsed;
	if (values.help) return undefined;
	if (values.compose && values.fresh) throw new UsageError('--compose puts up a stack of its own already; leave out --fresh');
	if (values.serve && positionals.length > 1) throw new UsageError('--serve shows one suite');
	if (values.port !== undefined && !values.serve) throw new UsageError('--port is the port of the page: add --serve');
	return {
		files: positionals.length === 0 ? ['evalsuite/default.yaml'] : positionals,
		names: (values.name ?? []).map((name) => name.toLowerCase()),
		repeat: count('--repeat', values.repeat, 1000),
		parallel: count('--parallel', values.parallel, 64),
		isCompose: values.compose ?? false,
		isFresh: values.fresh ?? false,
		...(values.serve ? { servePort: count('--port', values.port, 65_535, DEFAULT_PORT) } : {}),
		...(values.junit === undefined ? {} : { junitFile: values.junit }),
		...(values.json === undefined ? {} : { jsonFile: values.json }),
	};
}

function count(name: string, text: string | undefined, most: number, otherwise = 1): number {
	const value = Number(text ?? otherwise);
	if (!Number.isInteger(value) || value < 1 || value > most)
		throw new UsageError(`${name} is "${text}", expected a whole number from 1 to ${most}`);
	return value;
}
