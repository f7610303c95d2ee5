/** A card as it was sent: Card JSON 2.0. */
export type Card = Record<string, unknown>;
/** A button that calls back: its text, the value it carries, its name inside a form, and whether it sends the form's inputs along. */
export type CallbackButton = { text: string; value: unknown; name?: string; isSubmit: boolean };

/** Why Lark would refuse a card; `code` is the inner `ErrCode` of Lark's answer 230099. */
export class CardError extends Error {
	code: number;

	constructor(code: number, message: string) {
		super(message);
		this.code = code;
	}
}

const ENUMS: Record<string, readonly string[]> = {
	template: ['blue', 'wathet', 'turquoise', 'green', 'yellow', 'orange', 'red', 'carmine', 'violet', 'purple', 'indigo', 'grey', 'default'],
	type: ['default', 'primary', 'danger', 'text', 'primary_text', 'danger_text', 'primary_filled', 'danger_filled', 'laser'],
	size: ['tiny', 'small', 'medium', 'large'],
};
const CONFIG = [
	'streaming_mode',
	'streaming_config',
	'summary',
	'locales',
	'enable_forward',
	'update_multi',
	'width_mode',
	'use_custom_translation',
	'enable_forward_interaction',
	'style',
];
const HEADER = ['title', 'subtitle', 'text_tag_list', 'i18n_text_tag_list', 'template', 'icon', 'padding'];
const LAYOUT = ['direction', 'padding', 'horizontal_spacing', 'horizontal_align', 'vertical_spacing', 'vertical_align', 'elements'];

/** The components that mock-lark knows, with the properties Lark documents for them beside `tag`, `element_id` and `margin`. */
const COMPONENTS: Record<string, readonly string[]> = {
	markdown: ['content', 'text_size', 'text_align', 'icon'],
	div: ['text', 'icon', 'width'],
	hr: [],
	button: [
		'type',
		'size',
		'width',
		'text',
		'icon',
		'hover_tips',
		'disabled',
		'disabled_tips',
		'confirm',
		'behaviors',
		'name',
		'required',
		'form_action_type',
	],
	column_set: ['columns', 'horizontal_spacing', 'horizontal_align', 'flex_mode', 'background_style', 'action'],
	column: [...LAYOUT, 'width', 'weight', 'background_style', 'action'],
	collapsible_panel: [...LAYOUT, 'header', 'expanded', 'background_color', 'border'],
	form: [...LAYOUT, 'name'],
	input: [
		'name',
		'placeholder',
		'default_value',
		'width',
		'max_length',
		'input_type',
		'rows',
		'auto_resize',
		'max_rows',
		'label',
		'label_position',
		'required',
		'disabled',
		'behaviors',
		'value',
		'show_icon',
		'fallback',
		'confirm',
	],
};
/** Components of Card JSON 1.0 that 2.0 has dropped. */
const DROPPED = ['action', 'note'];
const MAX_CARD_BYTES = 30 * 1024;
const MAX_COMPONENTS = 200;

/**
 * Reads a card as Lark would, and is strict like Lark: Card JSON 2.0 refuses properties that it doesn't know.
 * @throws CardError
 */
export function readCard(content: string): Card {
	if (Buffer.byteLength(content) > MAX_CARD_BYTES) throw new CardError(200380, `card is over ${MAX_CARD_BYTES} bytes`);
	let card: unknown;
	try {
		card = JSON.parse(content);
	} catch {
		throw new CardError(200621, 'parse card json err, the content is not JSON');
	}
	const root = object(card, []);
	if (root.schema !== '2.0') throw new CardError(200621, 'parse card json err, mock-lark takes cards of schema "2.0" only');
	only(root, ['schema', 'config', 'card_link', 'header', 'body'], []);
	if (root.config !== undefined) {
		const config = only(object(root.config, ['config']), CONFIG, ['config']);
		if (config.update_multi === false)
			throw new CardError(200861, 'cards of schema V2 no longer support this capability; ErrorValue: update_multi false');
	}
	if (root.header !== undefined) {
		const header = only(object(root.header, ['header']), HEADER, ['header']);
		plainText(header.title, ['header', 'title']);
		if (header.subtitle !== undefined) plainText(header.subtitle, ['header', 'subtitle']);
		oneOf(header, 'template', ['header']);
	}
	const body = only(object(root.body, ['body']), LAYOUT, ['body']);
	const seen = { count: 0, elementIds: new Set<unknown>() };
	readElements(body.elements, ['body', 'elements'], seen);
	return root;
}

/** The buttons of a card that call back, in the order in which they are shown. */
export function callbackButtons(card: Card): CallbackButton[] {
	const found: CallbackButton[] = [];
	visit(card, (node) => {
		if (node.tag !== 'button') return;
		const behavior = (node.behaviors as { type: string; value?: unknown }[] | undefined)?.find(({ type }) => type === 'callback');
		if (!behavior || node.disabled === true) return;
		const text = (node.text as { content?: string } | undefined)?.content ?? '';
		found.push({
			text,
			value: behavior.value,
			...(node.name ? { name: String(node.name) } : {}),
			isSubmit: node.form_action_type === 'submit',
		});
	});
	return found;
}

/** The inputs of a card by name, with what stands in them before anyone types. */
export function inputsOf(card: Card): Record<string, string> {
	const inputs: Record<string, string> = {};
	visit(card, (node) => {
		if (node.tag === 'input') inputs[String(node.name)] = typeof node.default_value === 'string' ? node.default_value : '';
	});
	return inputs;
}

/** Whether a button's value says `decision: <word>` or `action: <word>` at any depth: mock-lark knows no card author's format. */
export function decides(value: unknown, word: string): boolean {
	let isFound = false;
	visit(value, (node) => {
		isFound ||= node.decision === word || node.action === word;
	});
	return isFound;
}

function readElements(elements: unknown, path: string[], seen: { count: number; elementIds: Set<unknown> }): void {
	if (!Array.isArray(elements)) throw new CardError(200621, `parse card json err, expected an array, path: [${path.join(', ')}]`);
	for (const [index, element] of elements.entries()) readElement(element, [...path, String(index)], seen);
}

function readElement(element: unknown, path: string[], seen: { count: number; elementIds: Set<unknown> }): void {
	const node = object(element, path);
	const tag = String(node.tag);
	if (DROPPED.includes(tag)) {
		throw new CardError(
			200861,
			`cards of schema V2 no longer support this capability; ErrorValue: unsupported tag ${tag}; ErrPath: ${['ROOT', ...path].join(' -> ')}`,
		);
	}
	const properties = COMPONENTS[tag];
	if (!properties) throw new CardError(200621, `parse card json err, mock-lark knows no component "${tag}", path: [${path.join(', ')}]`);
	only(node, ['tag', 'element_id', 'margin', ...properties], path);
	if (++seen.count > MAX_COMPONENTS) throw new CardError(11310, `card component number over limit ${MAX_COMPONENTS}`);
	if (node.element_id !== undefined) {
		if (!/^[A-Za-z]\w{0,19}$/.test(String(node.element_id)))
			throw new CardError(
				200621,
				`parse card json err, element_id is a letter and up to 19 letters, digits or _, path: [${path.join(', ')}]`,
			);
		if (seen.elementIds.has(node.element_id))
			throw new CardError(
				200621,
				`parse card json err, element_id "${String(node.element_id)}" is there twice, path: [${path.join(', ')}]`,
			);
		seen.elementIds.add(node.element_id);
	}
	switch (tag) {
		case 'markdown':
			if (typeof node.content !== 'string')
				throw new CardError(200621, `parse card json err, content is not a string, path: [${path.join(', ')}]`);
			break;
		case 'div':
			plainText(node.text, [...path, 'text']);
			break;
		case 'button':
			readButton(node, path);
			break;
		case 'column_set':
			readElements(node.columns, [...path, 'columns'], seen);
			break;
		case 'form':
		case 'input':
			if (typeof node.name !== 'string' || !node.name)
				throw new CardError(200621, `parse card json err, a ${tag} needs a name, path: [${path.join(', ')}]`);
			break;
	}
	if (properties.includes('elements')) readElements(node.elements, [...path, 'elements'], seen);
}

function readButton(node: Record<string, unknown>, path: string[]): void {
	if (node.text !== undefined) plainText(node.text, [...path, 'text']);
	oneOf(node, 'type', path);
	oneOf(node, 'size', path);
	if (node.behaviors === undefined) return;
	if (!Array.isArray(node.behaviors))
		throw new CardError(200621, `parse card json err, behaviors is not an array, path: [${path.join(', ')}]`);
	for (const [index, entry] of node.behaviors.entries()) {
		const at = [...path, 'behaviors', String(index)];
		const behavior = object(entry, at);
		if (behavior.type === 'callback') {
			only(behavior, ['type', 'value'], at);
			if (typeof behavior.value !== 'string') object(behavior.value, [...at, 'value']);
		} else if (behavior.type === 'open_url') {
			only(behavior, ['type', 'default_url', 'android_url', 'ios_url', 'pc_url'], at);
		} else {
			throw new CardError(200621, `parse card json err, a behavior is callback or open_url, path: [${at.join(', ')}]`);
		}
	}
}

function object(value: unknown, path: string[]): Record<string, unknown> {
	if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
	throw new CardError(200621, `parse card json err, expected an object, path: [${path.join(', ')}]`);
}

function only(node: Record<string, unknown>, allowed: readonly string[], path: string[]): Record<string, unknown> {
	for (const name of Object.keys(node)) {
		if (!allowed.includes(name)) throw new CardError(200621, `parse card json err, unknown property: ${name}, path: [${path.join(', ')}]`);
	}
	return node;
}

function oneOf(node: Record<string, unknown>, name: string, path: string[]): void {
	const value = node[name];
	if (value !== undefined && !ENUMS[name]?.includes(String(value))) {
		throw new CardError(200621, `parse card json err, ${name} is "${String(value)}", path: [${path.join(', ')}]`);
	}
}

function plainText(value: unknown, path: string[]): void {
	const text = object(value, path);
	if (text.tag !== 'plain_text' && text.tag !== 'lark_md')
		throw new CardError(200621, `parse card json err, expected plain_text or lark_md, path: [${path.join(', ')}]`);
	if (typeof text.content !== 'string')
		throw new CardError(200621, `parse card json err, content is not a string, path: [${path.join(', ')}]`);
}

function visit(value: unknown, see: (node: Record<string, unknown>) => void): void {
	if (typeof value !== 'object' || value === null) return;
	if (!Array.isArray(value)) see(value as Record<string, unknown>);
	for (const child of Object.values(value)) visit(child, see);
}
