import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

/** The colour of the mark; green, yellow and red are kept for verdicts. */
const gate: MantineColorsTuple = [
	'#e6f7f5',
	'#d0ebe7',
	'#a2d7cf',
	'#71c2b6',
	'#48b0a1',
	'#2da594',
	'#1c9f8d',
	'#0b8a79',
	'#007b6b',
	'#006b5c',
];

export const theme = createTheme({
	colors: { gate },
	primaryColor: 'gate',
	primaryShade: { light: 8, dark: 7 },
	autoContrast: true,
	defaultRadius: 'md',
	fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
	fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
	headings: { fontWeight: '650' },
});

/** Text and dimmed text with more contrast than the library's own: at least 4.5 to 1 on every ground of these pages. */
export const contrast: CSSVariablesResolver = () => ({
	variables: {},
	light: { '--mantine-color-text': '#16191d', '--mantine-color-dimmed': '#5c6670' },
	dark: { '--mantine-color-text': '#d8dbde', '--mantine-color-dimmed': '#9ba1a8' },
});
