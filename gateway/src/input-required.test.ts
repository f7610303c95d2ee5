import t from 'tap';
import type { JsonObject } from './domain.ts';
import { answerable } from './input-required.ts';
import type { UpstreamAnswer, UpstreamCall } from './upstreams/upstream-call.ts';

const EVERYTHING = ['elicitation', 'sampling', 'roots'] as const;

function call(more: Partial<UpstreamCall> & { method?: string; declared?: JsonObject } = {}): UpstreamCall {
	const { method = 'tools/call', declared = { elicitation: {} }, ...rest } = more;
	const downstream = { notify: () => {}, cancelled: new AbortController().signal, clientCapabilities: declared };
	return { upstream: 'shop', era: 'modern', message: { jsonrpc: '2.0', id: 1, method }, downstream, ...rest };
}

const asks = (inputRequests?: JsonObject): UpstreamAnswer => ({
	kind: 'answered',
	bytes: 9,
	message: { jsonrpc: '2.0', id: 1, result: { resultType: 'input_required', ...(inputRequests === undefined ? {} : { inputRequests }) } },
});
const elicitation = asks({ q: { method: 'elicitation/create', params: {} } });

t.test('what an agent declared and the configuration allows is asked; everything else passes too', async (t) => {
	t.equal(answerable(elicitation, call(), EVERYTHING), elicitation);
	const stateOnly = asks();
	t.equal(answerable(stateOnly, call(), []), stateOnly, 'a state alone asks nothing of anybody');
	for (const other of [
		{ kind: 'not_sent', why: 'x' },
		{ kind: 'answered', bytes: 1, message: { error: { code: -1, message: 'x' } } },
		{ kind: 'answered', bytes: 1, message: { result: { content: [], resultType: 'complete' } } },
	] as UpstreamAnswer[]) {
		t.equal(answerable(other, call({ era: 'legacy' }), []), other);
	}
});

t.test('what nobody would answer becomes a result that says so, or an error where there is none', async (t) => {
	const cases: [UpstreamAnswer, UpstreamCall, readonly (typeof EVERYTHING)[number][], RegExp][] = [
		[elicitation, call({ declared: {} }), EVERYTHING, /did not declare elicitation/],
		[elicitation, call(), ['sampling'], /serverRequests of this upstream does not list elicitation/],
		[asks({ q: { method: 'tools/call' } }), call(), EVERYTHING, /may ask for elicitation, sampling, roots only/],
		[asks({ q: { method: 'constructor' } }), call(), EVERYTHING, /may ask for/],
		[asks({ ok: { method: 'elicitation/create' }, q: 7 }), call(), EVERYTHING, /may ask for/],
		[asks([] as never), call(), EVERYTHING, /can not be read/],
		[elicitation, call({ era: 'legacy' }), EVERYTHING, /an agent of a session/],
		[asks(), call({ era: 'legacy' }), EVERYTHING, /an agent of a session/],
	];
	for (const [answer, request, allowed, says] of cases) {
		t.match(answerable(answer, request, allowed), { kind: 'answered', message: { result: { isError: true, content: [{ text: says }] } } });
	}
	t.match(answerable(elicitation, call({ method: 'prompts/get', declared: {} }), EVERYTHING), {
		message: { error: { code: -32603, message: /did not declare/ } },
	});
});
