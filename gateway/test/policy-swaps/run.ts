import { parseArgs } from 'node:util';
import { swapUnderLoad } from './swaps.ts';

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
	const { failures, mixed, decisions, moduleBytes, activationMs, delayMs, calmDelayMs, turnMs, rssMB } = figures;
	const ms = (value: number): string => `${value.toFixed(1)} ms`;
	const rows: [string, string][] = [
		['swaps', `${swaps}, module ${(moduleBytes / 1e6).toFixed(2)} MB, data ${values['data-mb']} MB`],
		['decisions', `${decisions}, ${failures.length} failed, ${mixed} of more than one bundle`],
		['one activation', ms(activationMs)],
		['longest turn of the loop, processor time', `${ms(turnMs.median)} in the median swap, ${ms(turnMs.max)} in the worst`],
		['lateness of the loop', `p50 ${ms(delayMs.p50)}, p99 ${ms(delayMs.p99)}, max ${ms(delayMs.max)}`],
		['without swaps', `p50 ${ms(calmDelayMs.p50)}, p99 ${ms(calmDelayMs.p99)}, max ${ms(calmDelayMs.max)}`],
		['memory after each tenth', `${rssMB.join(' ')} MB`],
	];
	for (const [name, value] of rows) console.log(`${name.padEnd(42)}${value}`);
	for (const failure of new Set(failures)) console.log(`failed: ${failure}`);
	process.exitCode = failures.length + mixed === 0 ? 0 : 1;
} catch (error) {
	console.error(`policy:swaps: ${(error as Error).message}`);
	process.exitCode = 2;
}
