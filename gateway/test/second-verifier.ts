/** A verifier of exports written from docs/audit-format.md alone: it shares no code with the gateway, and takes every line apart and together again. */
import { createHash, createPublicKey, verify } from 'node:crypto';

interface Checkpoint {
	kind: string;
	stream: string;
	sequence: number;
	hash: string;
	timeMs: number;
	keyId: string;
	signature: string;
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const canonical = (value: Json): string => {
	if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
	if (typeof value !== 'object' || value === null) return JSON.stringify(value);
	return `{${Object.entries(value)
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`)
		.join()}}`;
};
const sha256 = (...parts: (Buffer | string)[]): Buffer => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** What is wrong with the export, or undefined. */
export function secondVerifier(exported: string, secondPlace: string, pem: string): string | undefined {
	const key = createPublicKey(pem);
	const keyId = sha256(Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url'))
		.toString('hex')
		.slice(0, 16);
	const lines = exported
		.split('\n')
		.slice(0, -1)
		.map((line) => JSON.parse(line));
	const header = lines[0]?.export;
	const end = lines.at(-1)?.end;
	if (header?.version !== 1 || header.isWhole !== true || end === undefined) return 'not whole';
	const events = lines.filter((line) => line.event !== undefined);
	if (events.length !== end.events || end.events + lines.filter((line) => line.checkpoint).length + 2 !== lines.length)
		return 'a line too many or too few';

	const elsewhere: Checkpoint[] = secondPlace
		.split('\n')
		.filter(Boolean)
		.map((line) => JSON.parse(line));
	const checkpoints: Checkpoint[] = [
		...lines.flatMap((line) => line.checkpoint ?? []),
		...elsewhere.filter(({ timeMs }) => timeMs <= header.exportedAtMs - 2000),
	];
	for (const { signature, ...signed } of checkpoints) {
		if (signed.keyId !== keyId || !verify(null, Buffer.from(canonical(signed as unknown as Json)), key, Buffer.from(signature, 'base64')))
			return `a checkpoint of event ${signed.sequence} is not signed`;
	}

	const heads = new Map<string, { sequence: number; hash: string }>();
	const hashes = new Map<string, string>();
	for (const { stream, sequence, admission, hash, event } of events) {
		let before = heads.get(stream);
		if (before === undefined && sequence !== 1)
			before = checkpoints.find((at) => at.kind === 'cut' && at.stream === stream && at.sequence === sequence - 1);
		if (sequence !== (before?.sequence ?? 0) + 1) return `event ${sequence} out of sequence`;
		const expected = sha256(
			before === undefined ? Buffer.alloc(32) : Buffer.from(before.hash, 'hex'),
			sha256(canonical(event)),
			admission,
		).toString('hex');
		if (hash !== expected) return `event ${sequence} does not follow`;
		heads.set(stream, { sequence, hash });
		hashes.set(`${stream} ${sequence}`, hash);
	}
	const cuts = new Map(checkpoints.filter(({ kind }) => kind === 'cut').map(({ stream, sequence }) => [stream, sequence]));
	for (const { stream, sequence, hash } of checkpoints) {
		if (sequence <= (cuts.get(stream) ?? 0)) continue;
		if (hashes.get(`${stream} ${sequence}`) !== hash) return `a checkpoint signs another event ${sequence}`;
	}
	const listed = new Set<string>();
	for (const { stream, sequence, hash } of header.streams) {
		listed.add(stream);
		if (sequence > (cuts.get(stream) ?? 0) && (heads.get(stream)?.sequence !== sequence || heads.get(stream)?.hash !== hash))
			return `the head of ${stream} is another`;
	}
	for (const { stream, event } of events) {
		if (!listed.has(stream)) return 'a stream that is not listed';
		const isSigned = checkpoints.some((at) => at.stream === stream);
		if (!isSigned && event.timeMs < header.exportedAtMs - 300_000) return `stream ${stream} is old and not signed`;
	}
	return undefined;
}
