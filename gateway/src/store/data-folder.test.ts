import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDataFolder, operatorToken } from './data-folder.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

function freshFolder(t: Test): string {
	const parent = mkdtempSync(join(tmpdir(), 'toolgate-folder-'));
	t.teardown(() => rmSync(parent, { recursive: true }));
	return join(parent, 'deep', 'data');
}

t.test('a data folder has one owner, and a second one is told who', async (t) => {
	const folder = freshFolder(t);
	const first = await openDataFolder(folder, 'toolgate serve');
	t.equal(modeOf(folder), '700');
	const refused = {
		code: 'DATA_FOLDER_IN_USE',
		message: new RegExp(`^data folder ${folder} is in use by process ${process.pid} \\(toolgate serve, since 20[-0-9]+T[:.0-9]+Z\\)$`),
	};
	await t.rejects(openDataFolder(folder, 'toolgate demo'), refused);
	await t.rejects(openDataFolder(folder, 'toolgate demo'), refused, 'a refused attempt does not loosen the lock');
	await first.close();
	await (await openDataFolder(folder, 'toolgate serve')).close();
});

t.test('the lock goes with the process, even when that is killed', async (t) => {
	const folder = freshFolder(t);
	const script = `
		const { openDataFolder } = await import(${JSON.stringify(new URL('./data-folder.ts', import.meta.url).href)});
		await openDataFolder(${JSON.stringify(folder)}, 'toolgate serve');
		console.log('taken');
		setInterval(() => {}, 1000);`;
	const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
	t.teardown(() => child.kill('SIGKILL'));
	await once(child.stdout, 'data');
	await t.rejects(openDataFolder(folder, 'toolgate serve'), { message: new RegExp(`process ${child.pid} \\(toolgate serve`) });
	child.kill('SIGKILL');
	await once(child, 'exit');
	const own = await openDataFolder(folder, 'toolgate serve');
	t.match(JSON.parse(readFileSync(join(folder, 'owner.json'), 'utf8')), { pid: process.pid });
	await own.close();
});

t.test('the operator token is made once, for the operator alone', async (t) => {
	const folder = freshFolder(t);
	const tokens = await Promise.all([operatorToken(folder), operatorToken(folder), operatorToken(folder)]);
	t.match(tokens[0], /^tgo_[\w-]{43}$/);
	t.equal(new Set(tokens).size, 1, 'several at once agree on one');
	t.equal(await operatorToken(folder), tokens[0]);
	t.equal(modeOf(join(folder, 'operator.token')), '600');
	writeFileSync(join(folder, 'operator.token'), '\n');
	await t.rejects(operatorToken(folder), /operator\.token is empty; delete it/);
});

t.test('a folder that can not be made is named', async (t) => {
	const folder = freshFolder(t);
	const file = join(folder, '..', '..', 'file');
	writeFileSync(file, '');
	await t.rejects(openDataFolder(join(file, 'data'), 'toolgate serve'), {
		name: 'StoreUnavailable',
		message: `${join(file, 'data')} can't be written (ENOTDIR)`,
	});
	await t.rejects(operatorToken(join(file, 'data')), {
		name: 'StoreUnavailable',
		message: `${join(file, 'data')} can't be written (ENOTDIR)`,
	});
});
