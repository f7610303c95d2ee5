import type { DecidedRequest, JsonObject, Outcome } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import type { RequestStates, StateOwner } from './request-state.ts';

/** Under this key an agent is asked to show a person where to approve. */
const APPROVAL = 'dev.toolgate/approval';
/** Which results may ask ("Multi Round-Trip Requests"). */
const MAY_ASK: ReadonlySet<string> = new Set(['tools/call', 'resources/read', 'prompts/get']);

/** Requests that take several rounds: what the agent brings back goes to whoever asked, and no state leaves the gateway unsealed. */
export class Rounds {
	readonly #states: RequestStates;

	constructor(states: RequestStates) {
		this.#states = states;
	}

	/** The request as it goes on, with the upstream's own state in place of ours. @throws {ToolGateError} INVALID_PARAMS: the state opens nothing. */
	resume(request: DecidedRequest): DecidedRequest {
		const { requestState, inputResponses, ...params } = paramsOf(request);
		const isFirst = requestState === undefined;
		const waits = isFirst && opensPages(request) ? ({ waits: false } as const) : {};
		if (isFirst && inputResponses === undefined) return { ...request, ...waits };
		const carried = isFirst ? {} : this.#states.open(requestState, ownerOf(request));
		if (carried === undefined)
			throw new ToolGateError(
				'INVALID_PARAMS',
				'params.requestState is not one of this request, or has expired: send the request again without it',
			);
		const responses: JsonObject = { ...carried.inputResponses, ...(isObject(inputResponses) ? inputResponses : {}) };
		// That a person has seen the page, or says so, is no approval.
		delete responses[APPROVAL];
		return {
			...request,
			...waits,
			message: {
				...request.message,
				params: {
					...params,
					...(carried.upstreamState === undefined ? {} : { requestState: carried.upstreamState }),
					...(Object.keys(responses).length === 0 ? {} : { inputResponses: responses }),
				},
			},
		};
	}

	/** The result that asks the agent for more, if this outcome does. */
	ask(request: DecidedRequest, outcome: Outcome): JsonObject | undefined {
		if (outcome.kind === 'refused')
			return outcome.word === 'approval_pending' && outcome.approvalUrl !== undefined && opensPages(request)
				? this.#askToApprove(request, outcome.text, outcome.approvalUrl)
				: undefined;
		const result = 'result' in outcome.answer ? outcome.answer.result : undefined;
		if (result?.['resultType'] !== 'input_required' || typeof result['requestState'] !== 'string') return undefined;
		const sealed = this.#states.seal({ upstreamState: result['requestState'] }, ownerOf(request));
		return sealed === undefined
			? { content: [{ type: 'text', text: 'The server wants more kept between two rounds than is kept here.' }], isError: true }
			: { ...result, requestState: sealed };
	}

	/** What the agent has answered in this round already is kept for the next one. */
	#askToApprove(request: DecidedRequest, message: string, url: string): JsonObject | undefined {
		const { requestState, inputResponses } = paramsOf(request);
		const sealed = this.#states.seal(
			{
				...(typeof requestState === 'string' ? { upstreamState: requestState } : {}),
				...(isObject(inputResponses) ? { inputResponses } : {}),
			},
			ownerOf(request),
		);
		if (sealed === undefined) return undefined;
		return {
			resultType: 'input_required',
			inputRequests: { [APPROVAL]: { method: 'elicitation/create', params: { mode: 'url', message, url } } },
			requestState: sealed,
		};
	}
}

/** Whether the agent said that it shows pages to a person. */
function opensPages({ message, downstream }: DecidedRequest): boolean {
	const elicitation = downstream.clientCapabilities?.['elicitation'];
	return MAY_ASK.has(message['method'] as string) && isObject(elicitation) && isObject(elicitation['url']);
}

const ownerOf = ({ caller, message, name, arguments: args }: DecidedRequest): StateOwner => ({
	caller,
	method: message['method'] as string,
	name,
	arguments: args,
});

const paramsOf = ({ message }: DecidedRequest): JsonObject => message['params'] as JsonObject;
