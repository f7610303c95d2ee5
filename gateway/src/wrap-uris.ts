import type { JsonObject, JsonValue } from './domain.ts';
import { isObject } from './json-object.ts';

/** Puts the URIs of an upstream, where its results name resources, into the form that agents can ask for. */

type Wrap = (uri: string) => string;

/** The result of a decided request with every resource URI in it wrapped; the same object where it has none. */
export function wrapResult(method: string, result: JsonObject, wrap: Wrap): JsonObject {
	switch (method) {
		case 'tools/call':
			return changed(result, 'content', (content) => wrapEach(content, (block) => wrapBlock(block, wrap)));
		case 'resources/read':
			return changed(result, 'contents', (contents) => wrapEach(contents, (one) => wrapUri(one, wrap)));
		case 'prompts/get':
			return changed(result, 'messages', (messages) =>
				wrapEach(messages, (message) =>
					changed(message, 'content', (content) =>
						Array.isArray(content)
							? wrapEach(content, (block) => wrapBlock(block, wrap))
							: isObject(content)
								? wrapBlock(content, wrap)
								: content,
					),
				),
			);
		default:
			return result;
	}
}

/** A notification about a resource. */
export function wrapNotification(message: JsonObject, wrap: Wrap): JsonObject {
	return message['method'] === 'notifications/resources/updated'
		? changed(message, 'params', (params) => (isObject(params) ? wrapUri(params, wrap) : params))
		: message;
}

function wrapBlock(block: JsonObject, wrap: Wrap): JsonObject {
	if (block['type'] === 'resource_link') return wrapUri(block, wrap);
	return block['type'] === 'resource'
		? changed(block, 'resource', (resource) => (isObject(resource) ? wrapUri(resource, wrap) : resource))
		: block;
}

const wrapUri = (holder: JsonObject, wrap: Wrap): JsonObject =>
	changed(holder, 'uri', (uri) => (typeof uri === 'string' ? wrap(uri) : uri));

const wrapEach = (list: JsonValue, change: (item: JsonObject) => JsonObject): JsonValue =>
	Array.isArray(list) ? list.map((item) => (isObject(item) ? change(item) : item)) : list;

function changed(holder: JsonObject, key: string, change: (value: JsonValue) => JsonValue): JsonObject {
	const value = holder[key];
	return value === undefined ? holder : { ...holder, [key]: change(value) };
}
