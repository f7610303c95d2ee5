import type { Caller, JsonObject, Release, Tool, ToolCall } from '../domain.ts';

export interface InputDeps {
	nowMs(): number;
	readonly environment: string;
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;

function timeInput(ms: number): JsonObject {
	const date = new Date(ms);
	return { ms: date.getTime(), iso: date.toISOString(), weekday: WEEKDAYS[date.getUTCDay()]!, hour: date.getUTCHours(), timezone: 'UTC' };
}

/** The input document, version 1 (`policy/schemas/input.json`). Time is in it, so that a decision can be repeated. */
export function createInput({ nowMs, environment }: InputDeps) {
	/** What `list` sees, for the list and before every call alike: nothing of session or arguments. */
	function list({ principal, agent }: Caller, tool: Tool): JsonObject {
		const { annotations } = tool.definition;
		return {
			version: 1,
			principal: { id: principal.id, kind: principal.kind, groups: [...principal.groups], claims: principal.claims },
			agent: { ...agent },
			server: { name: tool.upstream },
			tool: {
				name: tool.name,
				annotations: typeof annotations === 'object' && annotations !== null && !Array.isArray(annotations) ? annotations : {},
				definitionDigest: tool.digest,
				pinned: tool.pinned,
			},
			time: timeInput(Math.floor(nowMs())),
			environment,
		};
	}

	function call(toolCall: ToolCall, tool: Tool, argumentsDigest: string, releases: readonly Release[]): JsonObject {
		const { caller } = toolCall;
		return {
			...list(caller, tool),
			method: 'tools/call',
			session: { ...caller.session },
			arguments: toolCall.arguments,
			argumentsDigest,
			argumentsBytes: toolCall.argumentsBytes,
			approvals: releases.map((release) => ({
				...release,
				requirement: { ...release.requirement, approvers: [...release.requirement.approvers] },
				approvers: [...release.approvers],
			})),
		};
	}

	return { list, call };
}
