import t from 'tap';
import { swapUnderLoad } from './swaps.ts';

t.test('fifty activations while decisions are asked for: none fails, each is of one bundle, none holds the loop up', async (t) => {
	const { failures, mixed, decisions, turnCpuMs, leastStallMs, rssMB, turnMs, calmTurnMs } = await swapUnderLoad({
		swaps: 50,
		rules: 50,
		dataBytes: 200_000,
	});
	t.strictSame(failures, []);
	t.equal(mixed, 0);
	t.ok(decisions > 1_000, `${decisions} decisions`);
	t.comment(
		`longest turn ${JSON.stringify(turnCpuMs)} ms of processor time, turns ${JSON.stringify(turnMs)} ms, calm ${JSON.stringify(calmTurnMs)} ms, memory ${rssMB.join(' ')} MB`,
	);
	// In processor time, since the length of a turn says as much about whoever else uses the machine; a tick of the kernel more or less.
	t.ok(
		turnCpuMs.median <= 5 + 4,
		`${turnCpuMs.median} ms of processor time in the longest turn of a swap, ${leastStallMs} ms in all in the least`,
	);
	t.ok(rssMB.at(-1)! < 2 * rssMB[0]!, `${rssMB.join(' ')} MB`);
});
