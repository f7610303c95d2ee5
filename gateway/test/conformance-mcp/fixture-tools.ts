import {
	type CallToolResult,
	type InputRequests,
	inputRequired,
	type InputRequiredResult,
	MissingRequiredClientCapabilityError,
	type ServerContext,
	type Tool,
} from '@modelcontextprotocol/server';
import { setTimeout as delay } from 'node:timers/promises';
import { AUDIO, IMAGE } from './media.ts';
import { openState, sealState } from './state.ts';

/** The tools that the official suite calls, by the requirements in its own scenarios. */

export interface FixtureCall {
	readonly context: ServerContext;
	readonly args: Readonly<Record<string, unknown>>;
	/** What the client said that it can be asked for. */
	readonly capabilities: Readonly<Record<string, unknown>>;
	/** Changes the lists that the server offers, and says so. */
	readonly change: (list: 'tools' | 'prompts') => Promise<void>;
}

type Run = (call: FixtureCall) => Promise<CallToolResult | InputRequiredResult> | CallToolResult | InputRequiredResult;

interface FixtureTool {
	readonly description: string;
	readonly properties?: Readonly<Record<string, object>>;
	readonly run: Run;
}

const text = (said: string): CallToolResult => ({ content: [{ type: 'text', text: said }] });
const form = (message: string, name: string, type = 'string') =>
	({
		method: 'elicitation/create',
		params: { mode: 'form', message, requestedSchema: { type: 'object', properties: { [name]: { type } }, required: [name] } },
	}) as InputRequests[string];
const sample = (said: string, maxTokens: number) =>
	({
		method: 'sampling/createMessage',
		params: { messages: [{ role: 'user', content: { type: 'text', text: said } }], maxTokens },
	}) as InputRequests[string];
const roots = { method: 'roots/list', params: {} } as InputRequests[string];

/** What a client answered under a key, where it can be a response. */
function responseTo({ context }: FixtureCall, key: string): Readonly<Record<string, unknown>> | undefined {
	const response = context.mcpReq.inputResponses?.[key];
	return typeof response === 'object' && response !== null ? (response as Record<string, unknown>) : undefined;
}

/** Asks until every key is answered. */
const asking =
	(inputRequests: InputRequests, say: (call: FixtureCall) => CallToolResult, state?: string): Run =>
	(call) => {
		const known = state === undefined || openState(call.context.mcpReq.requestState<string>()) === state;
		if (known && Object.keys(inputRequests).every((key) => responseTo(call, key) !== undefined)) return say(call);
		return inputRequired({ inputRequests, ...(state === undefined ? {} : { requestState: sealState(state) }) });
	};

const stepOne = { step1: form('Step 1: What is your name?', 'name') };
const stepTwo = { step2: form('Step 2: What is your favorite color?', 'color') };

async function log({ context }: FixtureCall): Promise<CallToolResult> {
	for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
		await context.mcpReq.log('info', data);
		await delay(50);
	}
	return text('Tool with logging executed');
}

async function elicit({ context }: FixtureCall, message: string, properties: object, required: string[] = []): Promise<CallToolResult> {
	// On the stream of the call: the other one may not be open yet.
	const { action, content } = await context.mcpReq.send({
		method: 'elicitation/create',
		params: { mode: 'form', message, requestedSchema: { type: 'object', properties, required } },
	});
	return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`);
}

const options = ['option1', 'option2', 'option3'];
const titled = (title: string) =>
	['value1', 'value2', 'value3'].map((value, index) => ({ const: value, title: `${['First', 'Second', 'Third'][index]} ${title}` }));

export const FIXTURE_TOOLS: Readonly<Record<string, FixtureTool>> = {
	test_simple_text: { description: 'Says one sentence', run: () => text('This is a simple text response for testing.') },
	test_image_content: { description: 'Shows an image', run: () => ({ content: [IMAGE] }) },
	test_audio_content: { description: 'Plays a sound', run: () => ({ content: [AUDIO] }) },
	test_embedded_resource: {
		description: 'Embeds a resource',
		run: () => ({
			content: [
				{
					type: 'resource',
					resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' },
				},
			],
		}),
	},
	test_multiple_content_types: {
		description: 'Mixes content',
		run: () => ({
			content: [
				{ type: 'text', text: 'Multiple content types test:' },
				IMAGE,
				{
					type: 'resource',
					resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' },
				},
			],
		}),
	},
	test_tool_with_logging: { description: 'Logs while it runs', run: log },
	test_logging_tool: { description: 'Logs while it runs', run: log },
	test_error_handling: {
		description: 'Always fails',
		run: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
	},
	test_tool_with_progress: {
		description: 'Tells how far it is',
		run: async ({ context: { mcpReq } }) => {
			const progressToken = mcpReq._meta?.progressToken;
			for (const progress of [0, 50, 100]) {
				if (progressToken !== undefined)
					await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
				await delay(50);
			}
			return text('Tool with progress executed');
		},
	},
	test_sampling: {
		description: 'Asks the model of the client',
		properties: { prompt: { type: 'string' } },
		run: async ({ context, args }) => {
			const params = { messages: [{ role: 'user', content: { type: 'text', text: String(args['prompt']) } }], maxTokens: 100 };
			const { content } = await context.mcpReq.send({ method: 'sampling/createMessage', params });
			return text(`LLM response: ${JSON.stringify(content)}`);
		},
	},
	test_elicitation: {
		description: 'Asks the person',
		properties: { message: { type: 'string' } },
		run: (call) =>
			elicit(
				call,
				String(call.args['message']),
				{ username: { type: 'string', description: "User's response" }, email: { type: 'string', description: "User's email address" } },
				['username', 'email'],
			),
	},
	test_elicitation_sep1034_defaults: {
		description: 'Asks with defaults',
		run: (call) =>
			elicit(call, 'Please review', {
				name: { type: 'string', default: 'John Doe' },
				age: { type: 'integer', default: 30 },
				score: { type: 'number', default: 95.5 },
				status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
				verified: { type: 'boolean', default: true },
			}),
	},
	test_elicitation_sep1330_enums: {
		description: 'Asks with every kind of choice',
		run: (call) =>
			elicit(call, 'Please choose', {
				untitledSingle: { type: 'string', enum: options },
				titledSingle: { type: 'string', oneOf: titled('Option') },
				legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
				untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
				titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
			}),
	},
	test_missing_capability: {
		description: 'Needs a client that samples',
		run: ({ capabilities }) => {
			if (!('sampling' in capabilities)) throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
			return text('The client samples');
		},
	},
	test_streaming_elicitation: {
		description: 'Asks by its result',
		run: asking({ user_name: form('What is your name?', 'name') }, () => text('Thank you')),
	},
	test_trigger_tool_change: {
		description: 'Changes the list of tools',
		run: async ({ change }) => {
			await change('tools');
			return text('The tools have changed');
		},
	},
	test_trigger_prompt_change: {
		description: 'Changes the list of prompts',
		run: async ({ change }) => {
			await change('prompts');
			return text('The prompts have changed');
		},
	},
	test_input_required_result_elicitation: {
		description: 'Asks the person by its result',
		run: asking({ user_name: form('What is your name?', 'name') }, (call) =>
			text(`Hello, ${JSON.stringify(responseTo(call, 'user_name')?.['content'])}!`),
		),
	},
	test_input_required_result_sampling: {
		description: 'Asks the model by its result',
		run: asking({ capital_question: sample('What is the capital of France?', 100) }, (call) =>
			text(JSON.stringify(responseTo(call, 'capital_question'))),
		),
	},
	test_input_required_result_list_roots: {
		description: 'Asks for roots by its result',
		run: asking({ client_roots: roots }, (call) => text(JSON.stringify(responseTo(call, 'client_roots')))),
	},
	test_input_required_result_request_state: {
		description: 'Keeps a state',
		run: asking({ confirm: form('Please confirm', 'ok', 'boolean') }, () => text('state-ok'), 'confirming'),
	},
	test_input_required_result_multiple_inputs: {
		description: 'Asks three things at once',
		run: asking(
			{ user_name: form('What is your name?', 'name'), greeting: sample('Generate a greeting', 50), client_roots: roots },
			() => text('All is answered'),
			'three',
		),
	},
	test_input_required_result_multi_round: {
		description: 'Asks twice',
		run: (call) => {
			const state = openState(call.context.mcpReq.requestState<string>());
			if (state === 'step 2' && responseTo(call, 'step2') !== undefined) return text('Both are answered');
			if (state === 'step 1' && responseTo(call, 'step1') !== undefined)
				return inputRequired({ inputRequests: stepTwo, requestState: sealState('step 2') });
			return inputRequired({ inputRequests: stepOne, requestState: sealState('step 1') });
		},
	},
	test_input_required_result_tampered_state: {
		description: 'Looks at the state closely',
		run: asking({ confirm: form('Please confirm', 'ok', 'boolean') }, () => text('The state is as it was'), 'close'),
	},
	test_input_required_result_capabilities: {
		description: 'Asks only for what the client can',
		run: ({ capabilities }) =>
			inputRequired({
				inputRequests: {
					...('elicitation' in capabilities ? { user_name: form('What is your name?', 'name') } : {}),
					...('sampling' in capabilities ? { greeting: sample('Generate a greeting', 50) } : {}),
				},
			}),
	},
};

export const toolDefinitions = (): Tool[] =>
	Object.entries(FIXTURE_TOOLS).map(([name, { description, properties = {} }]) => ({
		name,
		description,
		inputSchema: { type: 'object', properties, required: Object.keys(properties) } as Tool['inputSchema'],
	}));

/** Only listed: everything in its schema has to arrive as it is. */
export const SCHEMA_TOOL = {
	name: 'json_schema_2020_12_tool',
	description: 'Tool with JSON Schema 2020-12 features',
	inputSchema: {
		$schema: 'https://json-schema.org/draft/2020-12/schema',
		type: 'object',
		$defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
		properties: {
			name: { type: 'string' },
			address: { $ref: '#/$defs/address' },
			contactMethod: { type: 'string', enum: ['phone', 'email'] },
			phone: { type: 'string' },
			email: { type: 'string' },
		},
		allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
		if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
		then: { required: ['phone'] },
		else: { required: ['email'] },
		additionalProperties: false,
	},
} as unknown as Tool;
