import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { runOpa } from '../../../tools/opa/index.ts';
import type { JsonObject } from '../../src/domain.ts';
import { Policy } from '../../src/policy/activation.ts';
import { type BundleFiles, packFiles, readPacked, unpackFiles } from '../../src/policy/bundle-files.ts';
import type { Judge } from '../../src/policy/judge.ts';
import type { BundleSource, SourceListener } from '../../src/policy/sources/bundle-source.ts';

export interface SwapOptions {
	readonly swaps: number;
	/** Rules that are compiled besides the one that answers: 3,000 make a module of 1 MB. */
	readonly rules: number;
	/** Of data, in bytes of JSON. */
	readonly dataBytes: number;
	readonly onSwap?: (swap: number) => void;
}

export interface SwapFigures {
	readonly decisions: number;
	readonly failures: readonly string[];
	/** Decisions whose module, data and revision were not of one bundle. */
	readonly mixed: number;
	readonly moduleBytes: number;
	/** Of one activation, the median. */
	readonly activationMs: number;
	/** How long a turn of the event loop took during a swap, decisions included, whoever else used the machine meanwhile. */
	readonly turnMs: Percentiles;
	/** The same without any swap. */
	readonly calmTurnMs: Percentiles;
	/** The longest turn of the loop during a swap, in the swap that nobody else disturbed most: what a swap costs by itself. */
	readonly leastStallMs: number;
	/** Processor time of the longest turn of the loop during a swap: the median over all swaps, and the longest. The kernel counts in ticks of some 4 ms. */
	readonly turnCpuMs: { readonly median: number; readonly max: number };
	/** Memory after each tenth. */
	readonly rssMB: readonly number[];
}

export interface Percentiles {
	readonly p50: number;
	readonly p99: number;
	readonly p999: number;
	readonly max: number;
}

/** Activates one bundle after the other while decisions are asked for all the time, in one thread as in a gateway. */
export async function swapUnderLoad(options: SwapOptions): Promise<SwapFigures> {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-swaps-'));
	const modules = [await compile(folder, 'a', options.rules), await compile(folder, 'b', options.rules)];
	const ballast = JSON.stringify(
		Array.from({ length: Math.ceil(options.dataBytes / 40) }, (_, index) => ({ id: `row-${index}`, group: index % 97 })),
	);
	const bundle = (swap: number) => bundleOf(modules[swap % 2]!, `r${swap}`, ballast);
	const source = new Hand(bundle(0));
	const policy = new Policy({ source, fuel: 2_000_000, keepIn: join(folder, 'kept'), onFault: (error) => failures.push(String(error)) });
	const failures: string[] = [];
	try {
		await policy.start();
		const load = new Load(policy, failures);
		const calm = (load.turns = createHistogram());
		while (calm.count < 2_000) await nextTurn();
		load.turns = undefined;
		const turns = createHistogram();
		const [worstTurns, worstCpu, activations, rssMB]: [number[], number[], number[], number[]] = [[], [], [], []];
		const held: Judge[] = [];
		for (let swap = 1; swap <= options.swaps; swap++) {
			const packed = bundle(swap);
			held.push(policy.judge());
			// Packing is the test's own work: it belongs to the turn before.
			await nextTurn();
			await nextTurn();
			load.worstTurnMs = 0;
			load.worstTurnCpuMs = 0;
			load.turns = turns;
			const began = performance.now();
			await source.give(packed);
			activations.push(performance.now() - began);
			await nextTurn();
			load.turns = undefined;
			worstTurns.push(load.worstTurnMs);
			worstCpu.push(load.worstTurnCpuMs);
			if (policy.judge().revision !== `r${swap}`) failures.push(policy.status().problem?.why ?? 'not activated');
			// As a call does that was in flight since then: also one whose memory serves another by now.
			for (const judge of held) load.decide(judge);
			if (held.length > 2) held.shift();
			if (swap % Math.ceil(options.swaps / 10) === 0) rssMB.push(Math.round(process.memoryUsage.rss() / 1e6));
			options.onSwap?.(swap);
		}
		await load.end();
		return {
			decisions: load.decisions,
			failures,
			mixed: load.mixed,
			moduleBytes: modules[0]!.get('policy.wasm')!.length,
			activationMs: median(activations),
			turnMs: percentiles(turns),
			calmTurnMs: percentiles(calm),
			leastStallMs: Math.min(...worstTurns),
			turnCpuMs: { median: median(worstCpu), max: Math.max(...worstCpu) },
			rssMB,
		};
	} finally {
		await policy.close();
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Asks for decisions, some in each turn of the loop, until it is ended. */
class Load {
	decisions = 0;
	mixed = 0;
	worstTurnMs = 0;
	worstTurnCpuMs = 0;
	/** Where the length of each turn is recorded. */
	turns: RecordableHistogram | undefined;
	#isOver = false;
	readonly #failures: string[];
	readonly #flowing: Promise<void>;

	constructor(policy: Policy, failures: string[]) {
		this.#failures = failures;
		this.#flowing = this.#flow(policy);
	}

	decide(judge: Judge): void {
		this.decisions++;
		try {
			if (!judge.list(input)) throw new Error('the list says no');
			const { reasons } = judge.call(input);
			const letter = Number(judge.revision.slice(1)) % 2 === 0 ? 'a' : 'b';
			if (reasons[0]?.message !== judge.revision || reasons[0].rule !== `swaps.${letter}`) this.mixed++;
		} catch (error) {
			this.#failures.push((error as Error).message);
		}
	}

	async end(): Promise<void> {
		this.#isOver = true;
		await this.#flowing;
	}

	async #flow(policy: Policy): Promise<void> {
		let before = process.threadCpuUsage();
		let began = performance.now();
		while (!this.#isOver) {
			for (let call = 0; call < 3; call++) this.decide(policy.judge());
			await nextTurn();
			const now = performance.now();
			this.turns?.record(Math.max(1, Math.round((now - began) * 1e6)));
			this.worstTurnMs = Math.max(this.worstTurnMs, now - began);
			began = now;
			const used = process.threadCpuUsage(before);
			this.worstTurnCpuMs = Math.max(this.worstTurnCpuMs, (used.user + used.system) / 1000);
			before = process.threadCpuUsage();
		}
	}
}

class Hand implements BundleSource {
	readonly says = 'by hand';
	readonly isPersisted = false;
	readonly #first: Uint8Array;
	#listener!: SourceListener;

	constructor(first: Uint8Array) {
		this.#first = first;
	}
	read = async () => this.#first;
	watch = async (listener: SourceListener) => {
		this.#listener = listener;
		await listener.found(this.#first);
	};
	give = (packed: Uint8Array) => this.#listener.found(packed);
	close = async () => {};
}

/** The decision library with a rule that names its module and its data, and so many others. */
async function compile(folder: string, letter: string, rules: number): Promise<BundleFiles> {
	const others = Array.from(
		{ length: rules },
		(_, index) =>
			`finding contains {"rule": "swaps.r${index}", "verdict": "allow", "message": "tool ${index}"} if {\n\tinput.tool.name == "tool_${index}"\n\tinput.arguments.amount > data.toolgate.limits["t${index}"]\n}\n`,
	);
	const source = `package toolgate.rules.swaps

access contains "everybody" if input.version == 1

finding contains {"rule": "swaps.${letter}", "verdict": "deny", "message": data.toolgate.revision} if input.version == 1

${others.join('\n')}`;
	const rulesFolder = join(folder, letter);
	mkdirSync(rulesFolder);
	writeFileSync(join(rulesFolder, 'swaps.rego'), source);
	const out = join(folder, `${letter}.tar.gz`);
	const library = join(import.meta.dirname, '../../../policy/lib');
	const { code, stderr } = await runOpa(['build', '-t', 'wasm', library, rulesFolder, '--ignore', '*_test.rego', '-o', out]);
	if (code !== 0) throw new Error(stderr);
	return unpackFiles(await readPacked(out));
}

function bundleOf(files: BundleFiles, revision: string, ballast: string): Buffer {
	const manifest = JSON.parse(Buffer.from(files.get('.manifest')!).toString()) as JsonObject;
	const changed = new Map(files);
	changed.set('.manifest', Buffer.from(JSON.stringify({ ...manifest, revision })));
	changed.set('data.json', Buffer.from(`{"toolgate": {"revision": "${revision}", "limits": {}, "ballast": ${ballast}}}`));
	return packFiles(changed);
}

const input: JsonObject = {
	version: 1,
	method: 'tools/call',
	principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
	agent: { id: 'bot' },
	session: { id: 's', era: 'legacy' },
	server: { name: 'stripe' },
	tool: { name: 'create_refund', annotations: {}, definitionDigest: 'sha256:0', pinned: true },
	arguments: { charge: 'ch_1', amount: 1200 },
	argumentsDigest: 'd',
	argumentsBytes: 34,
	approvals: [],
	time: { ms: 0, iso: '1970-01-01T00:00:00.000Z', weekday: 'thursday', hour: 0, timezone: 'UTC' },
	environment: 'test',
};

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

function percentiles(turns: RecordableHistogram): Percentiles {
	const [p50, p99, p999] = [50, 99, 99.9].map((share) => turns.percentile(share) / 1e6) as [number, number, number];
	return { p50, p99, p999, max: turns.max / 1e6 };
}
