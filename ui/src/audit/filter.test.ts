import t from 'tap';
import { chipsOf, filterQuery, suggestions, typedFilter, withFilter } from './filter.ts';

t.test('what is typed becomes the filter of a field, or a text to look for', async (t) => {
	t.same(typedFilter('verdict:deny'), { name: 'decision', value: 'deny' });
	t.same(typedFilter(' Tool: create_refund '), { name: 'tool', value: 'create_refund' });
	t.same(typedFilter('decision:1f'), { name: 'decisionId', value: '1f' });
	t.same(typedFilter('https://a.example'), { name: 'text', value: 'https://a.example' });
	t.same(typedFilter('ch_1 refund'), { name: 'text', value: 'ch_1 refund' });
	for (const nothing of ['', '  ', 'tool:', 'tool: ']) t.equal(typedFilter(nothing), undefined);
});

t.test('the address holds the filter, and what is wrong in it stays for the gateway to say', async (t) => {
	const search = new URLSearchParams('tool=a&chart=outcomes&since=24h&nonsense=1');
	t.equal(filterQuery(search).toString(), 'tool=a&since=24h&nonsense=1');
	t.same(
		chipsOf(search).map(({ label }) => label),
		['tool', 'nonsense'],
		'24h is a button',
	);
	t.same(
		chipsOf(new URLSearchParams('since=24h&until=1h&decision=deny')).map(({ label }) => label),
		['since', 'until', 'verdict'],
	);
	t.equal(withFilter(search, { tool: undefined, nonsense: undefined, rule: 'x y' }).toString(), 'chart=outcomes&since=24h&rule=x+y');
});

t.test('fields are offered first, then their values', async (t) => {
	const seen = () => ['create_refund', 'list_charges'];
	t.ok(suggestions('', seen).includes('principal:'));
	t.same(suggestions('ver', seen), ['verdict:']);
	t.same(suggestions('tool:', seen), ['tool:create_refund', 'tool:list_charges']);
	t.same(suggestions('verdict:den', seen), ['verdict:deny']);
	t.same(suggestions('verdict:deny', seen), [], 'what is whole already');
});
