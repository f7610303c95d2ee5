import type { FastifyInstance } from 'fastify';

/** Every route of a listener as fastify has it, `:parameters` filled in. */
export function routesOf(listener: FastifyInstance): { method: string; path: string }[] {
	const stack: string[] = [];
	return listener
		.printRoutes({ commonPrefix: false })
		.split('\n')
		.flatMap((line) => {
			const [, indent, part, methods] = /^((?:│ {3}| {4})*)[├└]── (\S*)(?: \((.*)\))?$/.exec(line) ?? [];
			if (indent === undefined) return [];
			stack.length = indent.length / 4;
			stack.push(part!);
			return (methods ?? '')
				.split(', ')
				.filter((method) => method !== '')
				.map((method) => ({ method, path: stack.join('').replaceAll(/:\w+/g, 'x') }));
		});
}
