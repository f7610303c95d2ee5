import { useDocumentVisibility } from '@mantine/hooks';
import { useCallback, useEffect, useState } from 'react';
import { ApiError, get } from '../api/http.ts';
import type { Budget, WindowUse } from '../api/trail.ts';
import { lookAgain } from '../shell/session.ts';
import { setClock } from '../text/clock.ts';

export interface Budgets {
	/** Undefined until they have come. */
	readonly budgets: readonly Budget[] | undefined;
	readonly problem: string | undefined;
	readonly look: () => Promise<void>;
}

const LOOK_EVERY_MS = 5_000;

/** Budgets whose window is open, the most used first when they are asked for; then each keeps its place while its use goes on. */
export function useBudgets(text: string): Budgets {
	const [found, setFound] = useState<{ text: string; budgets: readonly Budget[] }>();
	const [problem, setProblem] = useState<string>();
	const isSeen = useDocumentVisibility() === 'visible';
	const look = useCallback(async () => {
		try {
			const { nowMs, budgets } = await get<{ nowMs: number; budgets: Budget[] }>(
				`/api/budgets${text === '' ? '' : `?${new URLSearchParams({ text })}`}`,
			);
			setClock(nowMs);
			setProblem(undefined);
			setFound((before) => ({ text, budgets: before?.text === text ? inPlace(before.budgets, budgets) : budgets }));
		} catch (error) {
			if (error instanceof ApiError && error.status === 401) void lookAgain();
			setProblem((error as Error).message);
		}
	}, [text]);
	useEffect(() => {
		if (!isSeen) return undefined;
		void look();
		const timer = setInterval(() => void look(), LOOK_EVERY_MS);
		return () => clearInterval(timer);
	}, [look, isSeen]);
	// Those of the filter before stay until the new ones have come.
	return { budgets: found?.budgets, problem, look };
}

function inPlace(before: readonly Budget[], now: readonly Budget[]): Budget[] {
	const byKey = new Map(now.map((budget) => [budget.key, budget]));
	const kept = before.flatMap(({ key }) => byKey.get(key) ?? []);
	const known = new Set(kept.map(({ key }) => key));
	return [...kept, ...now.filter(({ key }) => !known.has(key))];
}

const WINDOWS = 60;

/** Use over time of one budget, the oldest window first. @param used another value: look again */
export function useHistory({ rule, key, used }: Budget): readonly WindowUse[] | undefined {
	const [found, setFound] = useState<{ key: string; windows: readonly WindowUse[] }>();
	useEffect(() => {
		let isCurrent = true;
		get<{ windows: WindowUse[] }>(
			`/api/budgets/${encodeURIComponent(rule)}/history?${new URLSearchParams({ key, limit: String(WINDOWS) })}`,
		).then(
			({ windows }) => isCurrent && setFound({ key, windows }),
			() => undefined,
		);
		return () => {
			isCurrent = false;
		};
	}, [rule, key, used]);
	return found?.key === key ? found.windows : undefined;
}
