import { swapUnderLoad } from '../../test/policy-swaps/swaps.ts';
import type { Measured, SectionOptions } from '../section.ts';
import type { Row } from '../table.ts';
import { ask, type Asked, type Timing, timeDecisions } from './decisions.ts';
import { compileRules, type Form, FORMS, inputOf } from './many-rules.ts';

export const says = 'decisions by number of rules and size of input, fuel, and activation under load';

const FULL = {
	rules: [10, 100, 1_000, 10_000],
	inputBytes: [300, 1_000, 4_000, 16_000, 64_000],
	rounds: 5,
	roundMs: 300,
	swaps: 20,
	/** Rules besides the library, and what they make. */
	modules: { '0.15 MB': 0, '1 MB': 3_000 },
	dataMB: [0, 2],
};
const QUICK: typeof FULL = {
	rules: [10, 20],
	inputBytes: [300, 1_000],
	rounds: 1,
	roundMs: 15,
	swaps: 2,
	modules: { '0.15 MB': 0 } as typeof FULL.modules,
	dataMB: [0],
};

/** In ratio to the fewest rules. */
const MAX_GROWTH = 1.2;
const MAX_STALL_MS = 5;
/** Rules and bytes of input where the other varies. */
const USUAL = { rules: 100, inputBytes: 1_000 } as const;

/** @throws {Error} one decision was wrong */
export async function measure({ isQuick, say }: SectionOptions): Promise<Measured> {
	const plan = isQuick ? QUICK : FULL;
	const rows: Row[] = [];
	const figures: Record<string, Record<string, object>> = {};
	const add = (what: string, size: string, row: Omit<Row, 'what' | 'size'>, figure: object) => {
		rows.push({ what, size, 'p50 µs': '', 'p99 µs': '', ratio: '', goal: '', fuel: '', more: '', ...row });
		(figures[what] ??= {})[size] = figure;
	};
	/** @param goal for the last of them */
	const addTimings = (what: string, timings: ReadonlyMap<string, Timing>, goal?: number) => {
		const [first] = timings.values();
		const last = [...timings.keys()].at(-1);
		for (const [size, timing] of timings) {
			const ratio = timing.p50Us / first!.p50Us;
			const row = {
				'p50 µs': timing.p50Us.toFixed(1),
				'p99 µs': timing.p99Us.toFixed(1),
				ratio: ratio.toFixed(2),
				goal: goal === undefined || size !== last ? '' : `≤ ${goal}`,
				fuel: timing.fuel === 0 ? '' : String(timing.fuel),
			};
			add(what, size, row, { ...timing, ratio });
		}
	};

	for (const form of Object.keys(FORMS) as Form[]) {
		const asked = new Map<string, Asked>();
		for (const rules of plan.rules) {
			say(`compiling ${rules} rules, ${form}`);
			asked.set(`${rules} rules`, await askRules(form, rules));
		}
		addTimings(`rules written ${form}`, timeDecisions(asked, plan), form === 'by tool' ? MAX_GROWTH : undefined);
	}

	say('inputs and fuel');
	const wasm = await compileRules('one by one', USUAL.rules);
	const bySize = new Map<string, Asked>();
	for (const bytes of plan.inputBytes) bySize.set(`${bytes / 1_000} kB`, await ask(wasm, inputOf(50, bytes), 'bench.rule_50'));
	addTimings('input', timeDecisions(bySize, plan));
	const usual = inputOf(50, USUAL.inputBytes);
	const plain = await ask(wasm, usual, 'bench.rule_50', { metered: false });
	addTimings(
		'fuel',
		timeDecisions(
			new Map([
				['not counted', plain],
				['counted', await ask(wasm, usual, 'bench.rule_50')],
			]),
			plan,
		),
	);

	for (const [module, rules] of Object.entries(plan.modules)) {
		for (const dataMB of plan.dataMB) {
			say(`activating ${module} with ${dataMB} MB of data`);
			const swapped = await swapUnderLoad({ swaps: plan.swaps, rules, dataBytes: dataMB * 1e6 });
			const { activationMs, leastStallMs, turnMs, calmTurnMs, turnCpuMs, failures, mixed, decisions } = swapped;
			if (failures.length + mixed > 0)
				throw new Error(`${failures.length} decisions failed, ${mixed} of more than one bundle: ${failures[0]}`);
			const row = {
				goal: `≤ ${MAX_STALL_MS} ms`,
				more: `${activationMs.toFixed(0)} ms; longest turn ${leastStallMs.toFixed(1)} ms where nobody disturbed it, ${turnCpuMs.median.toFixed(1)} ms CPU in the median; turns p99.9 ${turnMs.p999.toFixed(1)} ms, calm ${calmTurnMs.p999.toFixed(1)}`,
			};
			add('activation', `${module} + ${dataMB} MB`, row, { activationMs, leastStallMs, turnMs, calmTurnMs, turnCpuMs, decisions });
		}
	}
	return { rows, figures };
}

/** The rule in the middle decides. */
async function askRules(form: Form, rules: number): Promise<Asked> {
	const tool = rules >> 1;
	return ask(await compileRules(form, rules), inputOf(tool, USUAL.inputBytes), `bench.rule_${tool}`);
}
