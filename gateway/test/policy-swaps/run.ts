import { parseArgs } from 'node:util';
import { type Percentiles, swapUnderLoad } from './swaps.ts';

/** `npm run policy:swaps [-- --swaps 1000 --rules 3000 --data-mb 2]`: many activations of a large policy under load, and what they cost. */
try {
	const { values } = parseArgs({
		options: {
			swaps: { type: 'string', default: '1000' },
			rules: { type: 'string', default: '3000' },
			'data-mb': { type: 'string', default: '2' },
		},
	});
	const whole = (name: keyof typeof values): number => {
		const text = values[name];
		if (!/^\d+$/.test(text)) throw new Error(`--${name}: expected a whole number, found ${text}`);
		return Number(text);
	};
	const swaps = Math.max(1, whole('swaps'));
	const figures = await swapUnderLoad({
		swaps,
		rules: whole('rules'),
		dataBytes: whole('data-mb') * 1_000_000,
		onSwap: (swap) => swap % 50 === 0 && console.error(`${swap} of ${swaps}`),
	});
	const { failures, mixed, decisions, moduleBytes, activationMs, turnMs, calmTurnMs, leastStallMs, turnCpuMs, rssMB } = figures;
	const ms = (value: number): string => `${value.toFixed(1)} ms`;
	const all = ({ p50, p99, p999, max }: Percentiles): string => `p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`;
	const rows: [string, string][] = [
		['swaps', `${swaps}, module ${(moduleBytes / 1e6).toFixed(2)} MB, data ${values['data-mb']} MB`],
		['decisions', `${decisions}, ${failures.length} failed, ${mixed} of more than one bundle`],
		['one activation', ms(activationMs)],
		['longest turn of the loop, least disturbed', ms(leastStallMs)],
		['longest turn of the loop, processor time', `${ms(turnCpuMs.median)} in the median swap, ${ms(turnCpuMs.max)} in the worst`],
		['length of a turn', all(turnMs)],
		['without swaps', all(calmTurnMs)],
		['memory after each tenth', `${rssMB.join(' ')} MB`],
	];
	for (const [name, value] of rows) console.log(`${name.padEnd(42)}${value}`);
	for (const failure of new Set(failures)) console.log(`failed: ${failure}`);
	process.exitCode = failures.length + mixed === 0 ? 0 : 1;
} catch (error) {
	console.error(`policy:swaps: ${(error as Error).message}`);
	process.exitCode = 2;
}
