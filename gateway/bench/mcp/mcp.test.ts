import t from 'tap';
import { measure } from './section.ts';

t.test('the quick form filters a list, passes on every event of a call, and says so in figures', async (t) => {
	const { rows, figures } = await measure({ isQuick: true, only: ['lists', 'events'], say: () => {} });
	t.strictSame(
		rows.map(({ what }) => what),
		['tools/list of 20', 'added to the first event', 'added to an event'],
	);
	t.ok(Object.values(figures).every((value) => Number.isFinite(value)));
});
