import { performance } from 'node:perf_hooks';
import type { BenchAgent } from './agents.ts';

export interface Driven {
	readonly calls: number;
	readonly callsPerSecond: number;
	/** The median time of one call. */
	readonly p50Ms: number;
}

/** Has every agent call as soon as it has its answer, for `durationMs`, until the last call under way is answered. @throws {Error} one answer was wrong. */
export async function drive(agents: readonly BenchAgent[], durationMs: number): Promise<Driven> {
	const startMs = performance.now();
	const endMs = startMs + durationMs;
	const latenciesMs: number[] = [];
	await Promise.all(
		agents.map(async (agent) => {
			for (let beganMs = performance.now(); beganMs < endMs; ) {
				await agent.call();
				const nowMs = performance.now();
				latenciesMs.push(nowMs - beganMs);
				beganMs = nowMs;
			}
		}),
	);
	const seconds = (performance.now() - startMs) / 1000;
	return { calls: latenciesMs.length, callsPerSecond: latenciesMs.length / seconds, p50Ms: median(latenciesMs) };
}

export function median(values: readonly number[]): number {
	const sorted = Float64Array.from(values).sort();
	return sorted[sorted.length >> 1] ?? NaN;
}
