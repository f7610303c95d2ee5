import { channel } from 'node:diagnostics_channel';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** A call that has ended, as it is told to whoever measures. */
export interface CallEnded {
	readonly word: string;
	readonly server: string | undefined;
	readonly durationMs: number;
}

/** Where ended calls are published; measuring hangs outside the path of a call. */
export const callEnded = channel('toolgate:call-ended');

export interface MetricsSources {
	sessions(): number;
	isReady(): boolean;
}

/** Prometheus metrics of one gateway. `close` unhooks them. */
export function createMetrics({ sessions, isReady }: MetricsSources): {
	text(): Promise<string>;
	dropped(method: string): void;
	close(): void;
} {
	const registers = [new Registry()];
	const registry = registers[0]!;
	collectDefaultMetrics({ register: registry });
	const calls = new Counter({
		name: 'toolgate_calls_total',
		help: 'Tool calls that have ended, by the last word of their trace',
		labelNames: ['word'],
		registers,
	});
	const seconds = new Histogram({
		name: 'toolgate_call_duration_seconds',
		help: 'From reading a call to its end, waits for people included',
		labelNames: ['word'],
		buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
		registers,
	});
	const droppedTotal = new Counter({
		name: 'toolgate_dropped_notifications_total',
		help: 'Notifications that nobody here answers to',
		registers,
	});
	new Gauge({
		name: 'toolgate_sessions',
		help: 'Open sessions of agents',
		registers,
		collect() {
			this.set(sessions());
		},
	});
	new Gauge({
		name: 'toolgate_ready',
		help: '1 when calls are served',
		registers,
		collect() {
			this.set(isReady() ? 1 : 0);
		},
	});
	const onEnded = (message: unknown) => {
		const { word, durationMs } = message as CallEnded;
		calls.inc({ word });
		seconds.observe({ word }, durationMs / 1000);
	};
	callEnded.subscribe(onEnded);
	return {
		text: () => registry.metrics(),
		dropped: () => droppedTotal.inc(),
		close() {
			callEnded.unsubscribe(onEnded);
		},
	};
}
