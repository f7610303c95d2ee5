import { readFileSync } from 'node:fs';
import { rename, stat, writeFile } from 'node:fs/promises';
import { createPrivateKey } from 'node:crypto';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { loadConfig } from '../config.ts';
import { bundleOf } from '../policy/bundle.ts';
import { packFiles, readPacked, unpackFiles } from '../policy/bundle-files.ts';
import { createEvaluator } from '../policy/evaluator.ts';
import { KeyProblem, SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../policy/jws.ts';
import { summaryOf } from '../policy/rego-annotations.ts';
import { claimsOf, SIGNATURES_FILE, signFiles, type Verification } from '../policy/signatures.ts';
import { verificationOf } from '../policy/sources/policy-source.ts';
import { CommandFailure } from './command-failure.ts';
import { jsonText, paint, safe } from './terminal.ts';

interface JsonOption {
	readonly json?: boolean;
}

interface VerifyOptions extends JsonOption {
	readonly key?: string;
	readonly keyId?: string;
	readonly algorithm?: SignatureAlgorithm;
	readonly scope?: string;
	readonly config?: string;
}

interface SignOptions extends JsonOption {
	readonly key: string;
	readonly keyId?: string;
	readonly algorithm?: SignatureAlgorithm;
	readonly scope?: string;
	readonly out?: string;
}

const algorithmOption = (says: string): Option => new Option('--algorithm <name>', says).choices(SIGNATURE_ALGORITHMS);

/** What a bundle file is, without a gateway. */
export function bundleCommand(): Command {
	const command = new Command('bundle').description('bundle files: what is in them, and who signed them');
	command
		.command('inspect')
		.description('manifest, entrypoints, rules, builtins and signature; nothing is verified')
		.argument('<bundle>', 'a .tar.gz or a folder')
		.option('--json', 'as JSON')
		.action(inspect);
	command
		.command('verify')
		.description('is it signed, by whom, and as it was signed')
		.argument('<bundle>', 'a .tar.gz or a folder')
		.option(
			'--key <file>',
			'public key or certificate in PEM; for HS256 and its kind the file of the secret. Otherwise the keys of the configuration',
		)
		.addOption(algorithmOption('what the key verifies').default('RS256'))
		.option('--key-id <id>', 'the key that counts; otherwise the signature names it')
		.option('--scope <scope>', 'what it has to be signed for')
		.option('--config <file>', 'configuration with the keys (default: toolgate.yaml)')
		.option('--json', 'as JSON')
		.action(verify);
	command
		.command('sign')
		.description('sign all its files, as opa sign does; a folder gets a .signatures.json')
		.argument('<bundle>', 'a .tar.gz or a folder')
		.requiredOption('--key <file>', 'private key in PEM; for HS256 and its kind the file of the secret')
		.addOption(algorithmOption('otherwise by the key: RS256, or ES256, ES384 or ES512'))
		.option('--key-id <id>', 'how those who verify know the key')
		.option('--scope <scope>', 'what it is signed for')
		.option('--out <file>', 'the signed bundle; otherwise in place')
		.option('--json', 'as JSON')
		.action(sign);
	return command;
}

async function inspect(path: string, { json }: JsonOption): Promise<void> {
	const packed = await readPacked(path);
	const files = new Map(unpackFiles(packed));
	const claims = claimsOf(files);
	files.delete(SIGNATURES_FILE);
	const { revision, version, digest, entrypoints, manifest, wasm, data } = bundleOf(files);
	const { builtins, missingBuiltins } = await createEvaluator(wasm, data);
	const packages = [...files].flatMap(([name, bytes]) =>
		name.endsWith('.rego') ? (summaryOf(Buffer.from(bytes).toString('utf8')) ?? []) : [],
	);
	const facts = {
		revision,
		version,
		digest,
		roots: manifest['roots'] ?? [''],
		entrypoints,
		packages,
		builtins,
		missingBuiltins,
		files: Object.fromEntries([...files].map(([name, bytes]) => [name, bytes.length])),
		signature: claims,
	};
	if (json) return console.log(jsonText(facts, 2));
	const rows: [string, string][] = [
		['revision', revision],
		['version', String(version)],
		['digest', digest],
		...entrypoints.map((name): [string, string] => ['entrypoint', name]),
		...packages.flatMap(({ package: name, title, rules, annotated }): [string, string][] => [
			['package', title === undefined ? name : `${name}  ${title}`],
			...rules.map((rule): [string, string] => ['  rule', rule]),
			...annotated.map((each): [string, string] => ['  rule', `${each.name}  ${each.title}`]),
		]),
		['builtins', builtins.join(', ') || 'none'],
		...(missingBuiltins.length === 0 ? [] : [['missing', missingBuiltins.join(', ')] as [string, string]]),
		[
			'signature',
			claims === undefined
				? 'none'
				: `${Object.entries(claims)
						.map((claim) => claim.join(' '))
						.join(', ')} (not verified)`,
		],
	];
	for (const [name, value] of rows) console.log(`${paint('dim', name.padEnd(10))}  ${safe(value)}`);
}

async function verify(path: string, { json, ...options }: VerifyOptions): Promise<void> {
	const files = unpackFiles(await readPacked(path));
	const verification = trusted(options);
	let failure: string | undefined;
	let facts = {};
	try {
		const { signature, revision, version } = bundleOf(files, verification);
		facts = { revision, version, signature };
		if (!json)
			console.log(
				`${paint('green', 'good')}  revision ${safe(revision)}, version ${version}, signed by ${signature!.keyid} (${signature!.algorithm})`,
			);
	} catch (error) {
		if ((error as { code?: string }).code !== 'BUNDLE') throw error;
		failure = (error as Error).message;
	}
	if (json)
		console.log(
			JSON.stringify({ isGood: failure === undefined, ...facts, ...(failure === undefined ? {} : { why: failure }) }, undefined, 2),
		);
	if (failure !== undefined) throw new CommandFailure(1, `${path}: ${failure}`);
}

function trusted({ key, keyId, algorithm = 'RS256', scope, config }: VerifyOptions): Verification {
	const rest = scope === undefined ? {} : { scope };
	// Whoever names the secret on the command line has opted in.
	if (key !== undefined)
		return { keys: { [keyId ?? 'key']: { key: secretOrPem(key, algorithm), algorithm, allowHmac: true } }, keyid: keyId ?? 'key', ...rest };
	const { policy, opa } = loadConfig(config).config;
	const signing = Object.values(opa.bundles)[0]?.signing ?? policy.signing;
	const { verification } = verificationOf(opa, { keyid: keyId ?? signing.keyid, scope: scope ?? signing.scope }, '--key-id');
	if (verification === undefined) throw new CommandFailure(2, 'no key: name one with --key, or configure opa.keys');
	return verification;
}

async function sign(path: string, { key, keyId, algorithm, scope, out, json }: SignOptions): Promise<void> {
	const files = new Map(unpackFiles(await readPacked(path)));
	files.delete(SIGNATURES_FILE);
	const { revision, version } = bundleOf(files);
	const text = read(key);
	const signs = algorithm ?? algorithmOf(text, key);
	try {
		files.set(
			SIGNATURES_FILE,
			signFiles(files, {
				key: secretOrPem(key, signs),
				algorithm: signs,
				...(keyId === undefined ? {} : { keyid: keyId }),
				...(scope === undefined ? {} : { scope }),
			}),
		);
	} catch (error) {
		if (!(error instanceof KeyProblem)) throw error;
		throw new CommandFailure(2, `${key}: ${error.message}`);
	}
	const isFolder = out === undefined && (await stat(path)).isDirectory();
	const target = isFolder ? join(path, SIGNATURES_FILE) : (out ?? path);
	await replace(target, isFolder ? files.get(SIGNATURES_FILE)! : packFiles(files));
	if (json)
		return console.log(
			JSON.stringify({ out: target, revision, version, algorithm: signs, ...(keyId === undefined ? {} : { keyid: keyId }) }, undefined, 2),
		);
	console.log(`${paint('green', 'signed')}  ${target}, ${signs}, revision ${safe(revision)}`);
}

/** In one step: whoever watches the file never sees half of it. */
async function replace(target: string, content: Uint8Array): Promise<void> {
	const unfinished = `${target}.${process.pid}.tmp`;
	await writeFile(unfinished, content);
	await rename(unfinished, target);
}

function algorithmOf(pem: string, file: string): SignatureAlgorithm {
	try {
		const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem);
		if (asymmetricKeyType !== 'ec') return 'RS256';
		const bits = { secp384r1: 'ES384', secp521r1: 'ES512' } as const;
		return bits[asymmetricKeyDetails?.namedCurve as keyof typeof bits] ?? 'ES256';
	} catch {
		throw new CommandFailure(2, `${file}: expected a private key without a passphrase in PEM`);
	}
}

/** A secret in a file ends where its line ends. */
const secretOrPem = (file: string, algorithm: SignatureAlgorithm): string => (algorithm.startsWith('HS') ? read(file).trim() : read(file));

function read(file: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch (cause) {
		throw new CommandFailure(2, `${file}: can't be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
	}
}
