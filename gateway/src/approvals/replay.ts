import type { Answer } from '../domain.ts';
import type { Keys } from '../keys.ts';

/** How long an identical call gets the same result again. */
export const REPLAY_MS = 600_000;
const MAX_SEALED_BYTES = 1_048_576;

const contextOf = (approvalId: string): string => `toolgate approval ${approvalId}`;

/** The answer for a replay, readable only with the deployment's key and for this approval; undefined where it is over 1 MiB. */
export function sealAnswer(keys: Keys, approvalId: string, answer: Answer): Uint8Array | undefined {
	const plain = Buffer.from(JSON.stringify(answer));
	return plain.length > MAX_SEALED_BYTES ? undefined : keys.seal(plain, contextOf(approvalId));
}

/** The answer again. Without a readable one the call has run all the same, and must not run twice because its result is gone. */
export function openAnswer(keys: Keys, approvalId: string, sealed: Uint8Array | null): Answer {
	const plain = sealed === null ? undefined : keys.open(sealed, contextOf(approvalId));
	if (plain !== undefined) return JSON.parse(Buffer.from(plain).toString('utf8')) as Answer;
	const text = "An identical call has run a moment ago; its result was withheld or not kept. Don't repeat it.";
	return { result: { content: [{ type: 'text', text }], isError: true } };
}
