import t from 'tap';
import { until } from '../../test/until.ts';
import type { DecidedRequest, JsonObject } from '../domain.ts';
import { reportWaiting } from './waiting-progress.ts';

const aCall = (meta: JsonObject | undefined, notify: (message: JsonObject) => void): DecidedRequest =>
	({
		name: 'create_refund',
		message: { params: meta === undefined ? {} : { _meta: meta } },
		downstream: { notify },
	}) as unknown as DecidedRequest;

t.test('an agent that gave a progress token hears that its call waits, in rising values below those of the upstream', async (t) => {
	const heard: JsonObject[] = [];
	const stop = reportWaiting(
		aCall({ progressToken: 7 }, (message) => void heard.push(message['params'] as JsonObject)),
		1,
	);
	await until('some progress', () => heard.length >= 3);
	stop();
	const values = heard.map(({ progress }) => progress as number);
	t.same(
		values,
		values.toSorted((a, b) => a - b),
	);
	t.ok(values.every((value, place) => value < 0 && value !== values[place + 1]));
	t.match(heard[0], { progressToken: 7, message: /create_refund waits for a person/ });
});

t.test('no token is invented', async (t) => {
	for (const meta of [undefined, {}, { progressToken: null }] as (JsonObject | undefined)[]) {
		const stop = reportWaiting(
			aCall(meta, () => t.fail('nobody asked')),
			1,
		);
		stop();
	}
	t.pass('nothing was said');
});
