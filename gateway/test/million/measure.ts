import type { Built } from '../build.ts';

const ASKED = 9;

const questions: readonly (readonly [what: string, path: (n: number) => string])[] = [
	['the newest page of the list', () => '/api/audit/entries?limit=100'],
	["one agent's newest page", (n) => `/api/audit/entries?limit=100&agent=${agentOf(n)}`],
	["one agent's last 1,000 events", (n) => `/api/audit?limit=1000&agent=${agentOf(n)}`],
	['one agent and one tool, page', (n) => `/api/audit/entries?limit=100&agent=${agentOf(n)}&tool=create_refund`],
	['allow and then upstream_error, page', () => '/api/audit/entries?limit=100&decision=allow&outcome=upstream_error'],
	['approvalRequired and then ok, page', () => '/api/audit/entries?limit=100&decision=approvalRequired&outcome=ok'],
	['deny and then ok: there is none, page', () => '/api/audit/entries?limit=100&decision=deny&outcome=ok'],
	['a text that is there, page', (n) => `/api/audit/entries?limit=100&text=ch_${n}`],
	['a text that is nowhere, page', () => '/api/audit/entries?limit=100&text=nowhere'],
	['the chart of everything', () => '/api/audit/counts?bars=90'],
	['the chart of 24 hours', () => '/api/audit/counts?bars=90&since=24h'],
	['the chart of one agent', (n) => `/api/audit/counts?bars=90&agent=${agentOf(n)}`],
	['the chart of outcomes', () => '/api/audit/counts?bars=90&by=outcome'],
	['the chart of denials', () => '/api/audit/counts?bars=90&decision=deny'],
];

const agentOf = (n: number): string => ['billing-bot', 'support-triage', 'refund-desk', 'night-audit', 'dunning'][n % 5]!;

/** What the explorer's questions cost over HTTP, each asked a few times. */
export async function measure({ api }: Built): Promise<void> {
	for (const [what, path] of questions) {
		const tookMs: number[] = [];
		for (let n = 0; n < ASKED; n++) {
			const askedMs = performance.now();
			const { status } = await api('GET', path(n));
			tookMs.push(performance.now() - askedMs);
			if (status !== 200) throw new Error(`${path(n)}: ${status}`);
		}
		tookMs.sort((a, b) => a - b);
		console.log(
			`${what.padEnd(42)}p50 ${tookMs[ASKED >> 1]!.toFixed(0).padStart(5)} ms, slowest ${tookMs.at(-1)!.toFixed(0).padStart(5)} ms`,
		);
	}
}
