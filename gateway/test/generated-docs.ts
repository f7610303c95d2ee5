import { readFileSync, writeFileSync } from 'node:fs';
import { schema } from '../src/config.ts';
import type { Schema } from '../src/config-schema.ts';
import { catalogue } from '../src/errors.ts';
import { failures, security } from './tested-pages.ts';

/** Pages of `docs/` that are made from the code: `npm run docs` writes them, a test compares. */

interface Row {
	readonly path: string;
	readonly says: string;
	readonly expected: string;
	readonly fallback: string;
	readonly env: string;
}

function rowsOf(at: Schema, path: readonly string[] = []): Row[] {
	switch (at.node) {
		case 'group':
			return Object.entries(at.shape as Record<string, Schema>).flatMap(([key, each]) => rowsOf(each, [...path, key]));
		case 'named':
			return rowsOf(at.each as Schema, [...path, '<name>']);
		case 'leaf': {
			const { says, expected, fallback, env, isSecret } = at;
			const value =
				fallback === undefined || fallback === ''
					? ''
					: typeof fallback === 'object' && 'port' in fallback
						? `${fallback.host}:${fallback.port}`
						: JSON.stringify(fallback);
			return [{ path: path.join('.'), says: isSecret === true ? `${says} A secret.` : says, expected, fallback: value, env: env ?? '' }];
		}
	}
}

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
const cell = (text: string): string => text.replaceAll('|', '\\|');

function configuration(): string {
	const rows = rowsOf(schema as Schema).map(
		({ path, says, expected, fallback, env }) => `| \`${path}\` | ${cell(says)} | ${cell(expected)} | ${code(fallback)} | ${code(env)} |`,
	);
	return `# Configuration

<!-- Made by \`npm run docs\` from gateway/src/config.ts. -->

\`toolgate.yaml\` in the working folder, or \`--config file\`. Every key is optional; an unknown one is an error with its line. An environment variable wins
over the file. \`\${NAME}\` in a text takes an environment variable, \`\${NAME:-text}\` with a default. \`toolgate config print\` shows every value and where it
came from; \`toolgate config check\` says whether a file is valid. Paths are relative to the file.

| key | meaning | expected | default | environment |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

function errors(): string {
	const rows = Object.values(catalogue).map(
		({ code: name, says, httpStatus, isRetryable, ...entry }) =>
			`| \`${name}\` | ${cell(says)} | ${httpStatus} | ${'rpcCode' in entry ? entry.rpcCode : ''} | ${isRetryable ? 'yes' : ''} |`,
	);
	return `# Errors

<!-- Made by \`npm run docs\` from gateway/src/errors.ts. -->

How a call ends is said in words of the trail ([architecture.md](architecture.md)), inside a result that agents read. This is the other family: what is wrong with
a request, a configuration or a start. On \`/api\` the body is \`{"error": {"code", "message"}}\`, on \`/mcp\` a JSON-RPC error.

| code | meaning | HTTP | JSON-RPC | again? |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

export const generatedDocs: Readonly<Record<string, () => string>> = {
	'configuration.md': configuration,
	'errors.md': errors,
	'security.md': security,
	'failure-modes.md': failures,
};

export const docsFile = (name: string): URL => new URL(`../../docs/${name}`, import.meta.url);

if (import.meta.main) {
	for (const [name, make] of Object.entries(generatedDocs)) {
		const text = make();
		const isNew = text !== (readFileSync(docsFile(name), { encoding: 'utf8', flag: 'a+' }) as string);
		if (isNew) writeFileSync(docsFile(name), text);
		console.log(`${isNew ? 'written' : 'as it was'}  docs/${name}`);
	}
}
