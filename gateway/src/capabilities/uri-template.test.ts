import t from 'tap';
import { UriTemplate } from './uri-template.ts';

const CASES: readonly [template: string, matching: readonly string[], others: readonly string[]][] = [
	[
		'note://{id}',
		['note://1', 'note://a%20b', 'note://a?b', 'note://'],
		['note://a/b', 'notes://1', 'xnote://1', 'note:/1', 'NOTE://1', ''],
	],
	['db://{table}/rows/{id}', ['db://t/rows/1', 'db://rows/rows/rows'], ['db://t/rows/1/2', 'db://a/b/rows/1', 'db://t/row/1']],
	['file:///{+path}', ['file:///a', 'file:///a/b/c', 'file:///'], ['file://a', 'files:///a']],
	['file:///{+path}/tail', ['file:///a/tail', 'file:///a/tail/tail'], ['file:///a/tails', 'file:///tail']],
	['x:{a}{b}-{c}', ['x:1-2', 'x:-', 'x:1-2-3'], ['x:1', 'x:1/-2']],
	['x:a{/path*}', ['x:a', 'x:a/b/c'], ['x:ab', 'x:a?b']],
	['x:a{?q,lang}', ['x:a', 'x:a?q=1&lang=de/at'], ['x:aq=1', 'x:a&q=1']],
	['x:a{?q}{&r}', ['x:a?q=1', 'x:a?q=1&r=2', 'x:a&r=2'], ['x:a#']],
	['x:a{.ext}{;v}{#part}', ['x:a', 'x:a.txt;v=1#a/b', 'x:a#b'], ['x:atxt', 'x:a.t/x']],
	['x:{', ['x:{'], ['x:', 'x:1']],
	['x:{}', ['x:{}'], ['x:1']],
	['x:a.b*', ['x:a.b*'], ['x:aab', 'x:a.bb']],
	['x:[a-z]+', ['x:[a-z]+'], ['x:abc']],
	['plain://one', ['plain://one'], ['plain://one/', 'plain://on']],
];

t.test('a URI fits a template when it could be one of its expansions', async (t) => {
	for (const [template, matching, others] of CASES) {
		const made = new UriTemplate(template);
		for (const uri of matching) t.ok(made.matches(uri), `${template} ${uri}`);
		for (const uri of others) t.notOk(made.matches(uri), `${template} not ${uri}`);
	}
});

t.test('no template costs more than its length and that of the URI, however it is made', async (t) => {
	const uri = 'a'.repeat(8_192);
	const evil = ['{a}'.repeat(300), '{a}a'.repeat(200), '{+a}aaaaaaaa'.repeat(80), `{a}${'a'.repeat(1_000)}b`, '{a}'.repeat(4_000)];
	const before = process.cpuUsage();
	for (const template of evil) new UriTemplate(template).matches(`${uri}!`);
	// A matcher that goes back and tries again would not be done before the machine is scrapped.
	t.ok(process.cpuUsage(before).user < 5_000_000);
	t.notOk(new UriTemplate('{a}'.repeat(4_000)).matches('a'), 'one that is too long stands for itself alone');
});
