import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import type { JsonObject } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import { bundleOf } from '../policy/bundle.ts';
import { readPacked, unpackFiles } from '../policy/bundle-files.ts';
import { createEvaluator } from '../policy/evaluator.ts';
import { type Explanation, explain, linesOf } from '../policy/explain.ts';
import { completeInput } from '../policy/input.ts';
import { EvaluatorJudge } from '../policy/judge.ts';
import { namedPatterns, patternsOf } from '../policy/patterns.ts';
import { SIGNATURES_FILE } from '../policy/signatures.ts';
import { verificationOf } from '../policy/sources/policy-source.ts';
import { CommandFailure } from './command-failure.ts';
import { jsonText, paintWord, safe } from './terminal.ts';

interface DecisionOptions {
	readonly bundle?: string;
	readonly config?: string;
	readonly json?: boolean;
}

/** `eval` and `explain`: one decision at the desk, on the compiled bundle, without a gateway. */
export function decisionCommands(): Command[] {
	const decision = (name: string, says: string, show: (explanation: Explanation) => string[]): Command =>
		new Command(name)
			.description(says)
			.argument(
				'<input>',
				'a JSON file with the input, or - for standard input; what is left out of principal, agent, session and time is filled in',
			)
			.option('--bundle <path>', 'a .tar.gz or a folder (default: policy.bundle of the configuration)')
			.option('--config <file>', 'the configuration (default: toolgate.yaml)')
			.option('--json', 'as JSON')
			.action(async (file: string, options: DecisionOptions) => {
				const explanation = await decide(file, options);
				if (options.json) console.log(jsonText(explanation, 2));
				else console.log(show(explanation).map(safe).join('\n').replace(/^\S+/, paintWord));
				const { hasAccess, document, result } = explanation;
				if (!hasAccess || document.verdict === 'deny' || result?.verdict === 'deny') process.exitCode = 1;
			});
	return [
		decision('eval', 'one decision: the verdict; exit code 1 when it is deny', (explanation) => [wordOf(explanation)]),
		decision('explain', 'one decision: the verdict, the rules behind it, and what would release it', (explanation) => [
			wordOf(explanation),
			...linesOf(explanation).map((line) => `  ${line}`),
		]),
	];
}

const wordOf = ({ hasAccess, document }: Explanation): string => (hasAccess ? document.verdict : 'unknown_tool');

async function decide(file: string, options: DecisionOptions): Promise<Explanation> {
	const input = readInput(file);
	const { policy, opa } = loadConfig(options.config).config;
	if (options.bundle === undefined && Object.keys(opa.bundles).length > 0)
		throw new CommandFailure(2, 'the bundle comes from a service: name a file with --bundle');
	const files = new Map(unpackFiles(await readPacked(options.bundle ?? policy.bundle)));
	const { verification } = verificationOf(opa, policy.signing, 'policy.signing');
	// Nothing is at stake here: without a key a signature is passed over.
	if (verification === undefined) files.delete(SIGNATURES_FILE);
	const { wasm, data, revision } = bundleOf(files, verification);
	try {
		return explain(
			new EvaluatorJudge(await createEvaluator(wasm, data, { fuel: policy.fuel }), revision, patternsOf(namedPatterns(data))),
			input,
		);
	} catch (error) {
		if (!(error instanceof PolicyError)) throw error;
		throw new CommandFailure(1, `policy_error: ${error.message}`);
	}
}

function readInput(file: string): JsonObject {
	let text: string;
	try {
		text = readFileSync(file === '-' ? 0 : file, 'utf8');
	} catch (cause) {
		throw new CommandFailure(2, `${file}: can't be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
	}
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (cause) {
		throw new CommandFailure(2, `${file}: not JSON (${(cause as Error).message})`, { cause });
	}
	if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CommandFailure(2, `${file}: expected a JSON object`);
	const input = completeInput(value as JsonObject, Date.now());
	const schema = JSON.parse(readFileSync(new URL('../../../policy/schemas/input.json', import.meta.url), 'utf8')) as object;
	const ajv = new Ajv2020({ strict: false });
	if (!ajv.validate(schema, input)) {
		const { instancePath, message, params } = ajv.errors![0]!;
		const extra = (params as { additionalProperty?: string }).additionalProperty;
		throw new CommandFailure(2, `${file}: ${instancePath || 'the input'} ${message}${extra === undefined ? '' : `: ${extra}`}`);
	}
	return input;
}
