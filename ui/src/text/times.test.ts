import t from 'tap';
import { countdown, relative } from './times.ts';

t.test('times are told from now', async (t) => {
	t.equal(relative(1000, 3000), 'just now');
	t.equal(relative(0, 12_000), '12 s ago');
	t.equal(relative(240_000, 0), 'in 4 min');
	t.equal(relative(0, 3 * 3_600_000), '3 h ago');
	t.equal(relative(0, 4 * 86_400_000), '4 d ago');
});

t.test('a countdown ends at zero and shows a second until it is over', async (t) => {
	t.equal(countdown(247_000), '4:07');
	t.equal(countdown(3_729_000), '1:02:09');
	t.equal(countdown(1), '0:01');
	t.equal(countdown(0), '0:00');
	t.equal(countdown(-5000), '0:00');
});
