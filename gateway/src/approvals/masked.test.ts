import t from 'tap';
import { maskedPointers } from './masked.ts';

t.test('every place where the record says something else than what is sent, and no other', async (t) => {
	const sent = { to: 'bob', text: 'my number is 123', deep: { list: ['a', { key: 'secret' }, 3] }, gone: true, 'a/b~c': 1, null: null };
	t.same(maskedPointers(sent, sent), []);
	t.same(maskedPointers(sent, structuredClone(sent)), []);
	const { gone: _, ...kept } = sent;
	const recorded = {
		...kept,
		text: 'my number is [us-ssn masked]',
		deep: { list: ['a', { key: '[value masked]' }, 3] },
		'a/b~c': '[value masked]',
	};
	t.same(maskedPointers(sent, recorded), ['/text', '/deep/list/1/key', '/gone', '/a~1b~0c']);
	t.same(maskedPointers({ a: [1, 2] }, { a: [1] }), ['/a'], 'lists of another length are told as one');
	t.same(maskedPointers({ '123': 'x' }, { '[us-ssn masked]': 'x' }), ['/123', '/[us-ssn masked]'], 'a masked name');
	t.equal(maskedPointers(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`k${n}`, n])), {}).length, 100);
});
