import { Badge, Button, Select } from '@mantine/core';
import { useState } from 'react';
import type { PageView, ServiceView } from '../../../tools/eval-runner/serve/view.ts';
import { Moment } from '../text/moment.tsx';
import classes from './evals.module.css';
import { refresh, setLarkMode, setService } from './stage.ts';

const MODES = [
	{ value: 'approve', label: 'approves' },
	{ value: 'approve-once', label: 'approves one' },
	{ value: 'reject', label: 'rejects' },
	{ value: 'ignore', label: 'looks away' },
];

/** Every service: how it is, when that was seen, and the buttons that break and heal it. */
export function Services({ view }: { readonly view: PageView }) {
	const [isRefreshing, setRefreshing] = useState(false);
	const onRefresh = () => {
		setRefreshing(true);
		void refresh().finally(() => setRefreshing(false));
	};
	return (
		<section aria-label="Services" className={classes['panel']}>
			<div className={classes['panelHead']}>
				<h2>Services</h2>
				<Button size="compact-xs" variant="default" loading={isRefreshing} onClick={onRefresh}>
					Refresh
				</Button>
			</div>
			<ul className={classes['services']}>
				{view.services.map((service) => (
					<Service key={service.name} service={service} />
				))}
			</ul>
			<div className={classes['lark']}>
				<span id="lark-mode">The person behind mock-lark</span>
				<Select
					size="xs"
					aria-labelledby="lark-mode"
					data={MODES}
					value={view.larkMode ?? null}
					placeholder="is away"
					disabled={view.larkMode === undefined}
					allowDeselect={false}
					onChange={(mode) => mode !== null && void setLarkMode(mode)}
					comboboxProps={{ transitionProps: { duration: 0 } }}
				/>
			</div>
		</section>
	);
}

function Service({ service: { name, state, why, note, url, checkedAtMs, isSwitchable, isChanging } }: { readonly service: ServiceView }) {
	const isDown = state === 'down';
	return (
		<li aria-label={name}>
			<Badge size="sm" variant="light" tt="none" color={state === 'up' ? 'green' : isDown ? 'red' : 'gray'} className={classes['state']}>
				{state}
			</Badge>
			<span className={classes['service']}>
				<span title={url}>{name}</span>
				<small>
					{note !== undefined && `${note}, `}
					{isDown && why !== undefined && `${why}, `}
					{checkedAtMs === undefined ? (
						'not looked at yet'
					) : (
						<>
							checked <Moment ms={checkedAtMs} />
						</>
					)}
				</small>
			</span>
			{isSwitchable && (
				<Button
					size="compact-xs"
					variant={isDown ? 'light' : 'default'}
					color={isDown ? 'green' : 'red'}
					loading={isChanging}
					onClick={() => void setService(name, isDown ? 'start' : 'stop')}
					aria-label={`${isDown ? 'heal' : 'break'} ${name}`}
				>
					{isDown ? 'Heal' : 'Break'}
				</Button>
			)}
		</li>
	);
}
