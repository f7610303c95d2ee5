import t from 'tap';
import { keyParts } from './key-parts.ts';

t.test('the key of a budget says whom it counts, and over what', async (t) => {
	t.same(keyParts('["limits.hour","calls","principal=alice@example.com","hour 2026-11-24T23:00:00.000Z"]'), {
		by: [{ name: 'principal', value: 'alice@example.com' }],
		window: 'hour',
	});
	t.same(keyParts(JSON.stringify(['r', 'cents', '90 s 2026-11-24T23:00:00.000Z'])), { by: [], window: '90 s' });
	const session = JSON.stringify(['alice', 'bot', 's1']);
	const key = (label: string[]) => JSON.stringify(['r', 'calls', `session=${session}`, JSON.stringify(label)]);
	t.same(keyParts(key(['turn', 'alice', 'bot', 'turn-1'])), { by: [{ name: 'session', value: 's1' }], window: 'turn turn-1' });
	t.match(keyParts(key(['turn 2026-11-24T23:05:00.000Z', 'alice', 'bot', 's1'])), { window: 'turn' });
	t.equal(keyParts(`sha256:${'0'.repeat(64)}`), undefined);
});
