import { readFileSync } from 'node:fs';
import { agentWith, type GatewayProcess } from '../../soak/gateway-process.ts';
import { startUpstream } from '../../soak/upstream.ts';
import { until } from '../../test/until.ts';
import { callAndWait, startStack } from './stack.ts';

export interface HeldFigures {
	readonly calls: number;
	readonly kilobytesEach: number;
	/** Approved, run once and answered. */
	readonly resolved: number;
	/** All of them, from the first click to the last answer. */
	readonly resolvedInMs: number;
}

interface HeldOptions {
	readonly folder: string;
	readonly dsn: string;
	readonly calls: number;
	readonly say: (line: string) => void;
}

/** As many as one principal may have open by default. */
const CALLS_PER_PRINCIPAL = 20;
const APPROVERS = 16;

/** Different calls of many principals, all held at once by one gateway, and then approved one by one. @throws {Error} one did not run once. */
export async function measureHeld({ folder, dsn, calls, say }: HeldOptions): Promise<HeldFigures> {
	const upstream = await startUpstream(async () => undefined);
	const stack = await startStack({ folder, dsn, upstreamUrl: upstream.url, replicas: 1 });
	const gateway = stack.gateways[0]!;
	const pending = async () => stack.store.query<{ id: string }>(`SELECT id FROM approvals WHERE state = 'pending'`);
	try {
		const sessions: Record<string, string>[] = [];
		for (let n = 0; n < calls / CALLS_PER_PRINCIPAL; n++) {
			const principal = { 'x-toolgate-principal': `eval-${n}@example.com` };
			const { sessionId } = await agentWith(gateway, 'create_refund', principal);
			sessions.push({ ...principal, 'mcp-session-id': sessionId });
		}
		const beforeBytes = residentBytes(gateway);
		const answers: Promise<string>[] = [];
		let early: string | undefined;
		for (const [n, session] of sessions.entries()) {
			for (let call = 0; call < CALLS_PER_PRINCIPAL; call++) {
				const turn = `held-${n}-${call}`;
				const answer = callAndWait(gateway.mcpUrl, call, { ...session, 'x-mcp-turn-id': turn }, { turn });
				answer.then((text) => (early ??= text), String);
				answers.push(answer);
			}
			await until('the calls to be held', async () => {
				if (early !== undefined) throw new Error(`a call was not held, but answered ${early}`);
				const [row] = await stack.store.query<{ held: number }>(`SELECT count(*)::int AS held FROM approvals WHERE state = 'pending'`);
				return row!.held === answers.length;
			});
		}
		const kilobytesEach = (residentBytes(gateway) - beforeBytes) / answers.length / 1000;
		say(`${answers.length} calls are held`);

		const beganMs = performance.now();
		const ids = (await pending()).map(({ id }) => id);
		const approver = async () => {
			for (let id = ids.pop(); id !== undefined; id = ids.pop()) await stack.approve(gateway, id);
		};
		await Promise.all(Array.from({ length: APPROVERS }, approver));
		const texts = await Promise.all(answers);
		const resolvedInMs = performance.now() - beganMs;
		const wrong = texts.find((text) => !text.includes('"text":"held-'));
		if (wrong !== undefined) throw new Error(`an approved call was answered ${wrong}`);
		const twice = [...upstream.calls].find(([, times]) => times > 1);
		if (twice !== undefined) throw new Error(`the upstream saw ${twice[0]} ${twice[1]} times`);
		return { calls: answers.length, kilobytesEach, resolved: upstream.seen(), resolvedInMs };
	} finally {
		await stack.close();
		await upstream.close();
	}
}

function residentBytes({ process: { pid } }: GatewayProcess): number {
	const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
	return Number(kib) * 1024;
}
