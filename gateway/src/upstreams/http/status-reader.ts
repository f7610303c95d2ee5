import type { AnswerReader } from './exchange.ts';

/** For requests whose answer is only a status: notifications, responses, DELETE. */
export class StatusReader implements AnswerReader<{ readonly kind: 'status'; readonly status: number }> {
	head(status: number) {
		return { kind: 'status' as const, status };
	}

	chunk(): undefined {
		return undefined;
	}

	end() {
		return { kind: 'status' as const, status: 0 };
	}
}
