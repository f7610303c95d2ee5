import { agentWith } from '../../soak/gateway-process.ts';
import { startUpstream } from '../../soak/upstream.ts';
import { until } from '../../test/until.ts';
import { startStack } from './stack.ts';

export interface WakeUpFigures {
	readonly replicas: 1 | 2;
	readonly clicks: number;
	readonly p50Ms: number;
	readonly p95Ms: number;
}

interface WakeUpOptions {
	readonly folder: string;
	readonly dsn: string;
	readonly replicas: 1 | 2;
	readonly clicks: number;
	readonly say: (line: string) => void;
}

/** From the click that approves, at one gateway, to the call at the upstream, which another gateway holds where there are two. */
export async function measureWakeUps({ folder, dsn, replicas, clicks, say }: WakeUpOptions): Promise<WakeUpFigures> {
	const cameAtMs = new Map<string, number>();
	const upstream = await startUpstream(async (turn) => void cameAtMs.set(turn, performance.now()));
	const stack = await startStack({ folder, dsn, upstreamUrl: upstream.url, replicas });
	try {
		const [holding, deciding] = [stack.gateways[0]!, stack.gateways.at(-1)!];
		const agent = await agentWith(holding, 'create_refund', { 'x-toolgate-principal': 'eval-clicks@example.com' });
		const tookMs: number[] = [];
		for (let click = 0; click < clicks; click++) {
			const turn = `click-${click}`;
			const ending = agent.call('create_refund', { turn }, { 'x-mcp-turn-id': turn });
			let early: string | undefined;
			ending.then(({ word, text }) => (early = `${word}: ${text}`), String);
			const id = await until('an approval', async () => {
				if (early !== undefined) throw new Error(`a call was not held, but ended as ${early}`);
				const [row] = await stack.store.query<{ id: string }>(`SELECT id FROM approvals WHERE state = 'pending'`);
				return row?.id;
			});
			const clickedMs = performance.now();
			await stack.approve(deciding, id);
			const { word, text } = await ending;
			if (word !== 'ok') throw new Error(`an approved call ended as ${word}: ${text}`);
			tookMs.push(cameAtMs.get(turn)! - clickedMs);
		}
		tookMs.sort((a, b) => a - b);
		const at = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))]!;
		say(`${replicas} replica(s): ${clicks} clicks`);
		return { replicas, clicks, p50Ms: at(0.5), p95Ms: at(0.95) };
	} finally {
		await stack.close();
		await upstream.close();
	}
}
