/** The least image and sound that are whole files. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
export const IMAGE = { type: 'image', data: PNG, mimeType: 'image/png' } as const;
export const AUDIO = {
	type: 'audio',
	data: 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=',
	mimeType: 'audio/wav',
} as const;
