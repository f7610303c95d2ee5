import {
	type GetPromptResult,
	inputRequired,
	type InputRequiredResult,
	type Prompt,
	type ReadResourceResult,
	type Resource,
	ResourceNotFoundError,
	type ServerContext,
} from '@modelcontextprotocol/server';
import { IMAGE, PNG } from './media.ts';

/** The resources and prompts that the official suite asks for, by the requirements in its own scenarios. */

export const RESOURCES: Resource[] = [
	{ uri: 'test://static-text', name: 'Static text', mimeType: 'text/plain' },
	{ uri: 'test://static-binary', name: 'Static binary', mimeType: 'image/png' },
	{ uri: 'test://watched-resource', name: 'Watched', mimeType: 'text/plain' },
];

export const TEMPLATES = [{ uriTemplate: 'test://template/{id}/data', name: 'Template', mimeType: 'application/json' }];

/** @throws {ResourceNotFoundError} */
export function readResource(uri: string): ReadResourceResult {
	const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? [];
	if (id !== undefined)
		return {
			contents: [{ uri, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }],
		};
	switch (uri) {
		case 'test://static-text':
			return { contents: [{ uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }] };
		case 'test://static-binary':
			return { contents: [{ uri, mimeType: 'image/png', blob: PNG }] };
		case 'test://watched-resource':
			return { contents: [{ uri, mimeType: 'text/plain', text: 'Watched.' }] };
		default:
			throw new ResourceNotFoundError(uri);
	}
}

const argumentsOf = (...names: string[]) => ({
	arguments: names.map((name) => ({ name, description: `The argument ${name}`, required: true })),
});

export const PROMPTS: Prompt[] = [
	{ name: 'test_simple_prompt', description: 'Says one sentence' },
	{ name: 'test_prompt_with_arguments', description: 'Takes two arguments', ...argumentsOf('arg1', 'arg2') },
	{ name: 'test_prompt_with_embedded_resource', description: 'Embeds a resource', ...argumentsOf('resourceUri') },
	{ name: 'test_prompt_with_image', description: 'Shows an image' },
	{ name: 'test_input_required_result_prompt', description: 'Asks by its result' },
];

const says = (text: string): GetPromptResult['messages'][number] => ({ role: 'user', content: { type: 'text', text } });

/** @throws {Error} there is no such prompt */
export function getPrompt(
	name: string,
	args: Readonly<Record<string, string>>,
	{ mcpReq }: ServerContext,
): GetPromptResult | InputRequiredResult {
	switch (name) {
		case 'test_simple_prompt':
			return { messages: [says('This is a simple prompt for testing.')] };
		case 'test_prompt_with_arguments':
			return { messages: [says(`Prompt with arguments: arg1='${args['arg1']}', arg2='${args['arg2']}'`)] };
		case 'test_prompt_with_embedded_resource':
			return {
				messages: [
					{
						role: 'user',
						content: {
							type: 'resource',
							resource: { uri: String(args['resourceUri']), mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
						},
					},
					says('Please process the embedded resource above.'),
				],
			};
		case 'test_prompt_with_image':
			return { messages: [{ role: 'user', content: IMAGE }, says('Please analyze the image above.')] };
		case 'test_input_required_result_prompt': {
			const answer = mcpReq.inputResponses?.['user_context'];
			if (answer !== undefined) return { messages: [says(`In the context of ${JSON.stringify(answer)}`)] };
			const requestedSchema = { type: 'object', properties: { context: { type: 'string' } }, required: ['context'] } as const;
			return inputRequired({
				inputRequests: {
					user_context: {
						method: 'elicitation/create',
						params: { mode: 'form', message: 'What context should the prompt use?', requestedSchema },
					} as never,
				},
			});
		}
		default:
			throw new Error(`there is no prompt ${name}`);
	}
}
