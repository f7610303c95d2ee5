import { ActionIcon, Autocomplete, Button, CloseButton, Menu, SegmentedControl } from '@mantine/core';
import { useRef, useState } from 'react';
import { DownloadIcon, PauseIcon, PlayIcon } from '../shell/icons.tsx';
import { Visible } from '../text/visible.tsx';
import classes from './filter-bar.module.css';
import { chipsOf, isRange, RANGES, suggestions, typedFilter } from './filter.ts';

interface FilterBarProps {
	readonly search: URLSearchParams;
	/** Of the API. */
	readonly query: string;
	/** Values of a field among what is shown. */
	readonly seen: (name: string) => readonly string[];
	readonly onChange: (changes: Readonly<Record<string, string | undefined>>) => void;
	readonly onClear: () => void;
	readonly isLive: boolean;
	readonly onLive: (isLive: boolean) => void;
	readonly link: 'off' | 'connecting' | 'live' | 'lost';
}

export const FILTER_INPUT_ID = 'filter';

/** What is looked for, as chips; how far back; whether news is heard; the way out as a file. */
export function FilterBar({ search, query, seen, onChange, onClear, isLive, onLive, link }: FilterBarProps) {
	const chips = chipsOf(search);
	const since = search.get('since') ?? '';
	return (
		<div className={classes['bar']} role="search" aria-label="Filter">
			<FilterInput seen={seen} onChange={onChange} />
			<SegmentedControl
				size="xs"
				value={search.has('until') || (since !== '' && !isRange(since)) ? 'other' : since === '' ? 'all' : since}
				onChange={(value) => onChange({ since: value === 'all' ? undefined : value, until: undefined })}
				data={[{ value: 'all', label: 'All' }, ...RANGES.map((range) => ({ value: range, label: range.replace(/(\D)$/, ' $1') }))]}
				aria-label="How far back"
			/>
			<Button
				size="xs"
				variant="default"
				leftSection={isLive ? <PauseIcon /> : <PlayIcon />}
				onClick={() => onLive(!isLive)}
				title={isLive ? 'News is counted as it comes. Click to pause.' : 'Paused. Click to hear of news again.'}
			>
				<span className={classes['live']} data-link={isLive ? link : 'paused'}>
					{!isLive ? 'Paused' : link === 'lost' ? 'Lost' : 'Live'}
				</span>
			</Button>
			<Menu position="bottom-end" width={250} transitionProps={{ duration: 0 }}>
				<Menu.Target>
					<ActionIcon size={30} variant="default" aria-label="download" title="Download what fits">
						<DownloadIcon />
					</ActionIcon>
				</Menu.Target>
				<Menu.Dropdown>
					<Menu.Label>{query === '' ? 'The whole trail' : 'What fits the filter'}, oldest first</Menu.Label>
					<Menu.Item component="a" href={exportOf('jsonl', query)} download>
						JSON lines{query === '' ? ', to be verified' : ''}
					</Menu.Item>
					<Menu.Item component="a" href={exportOf('csv', query)} download>
						CSV, for spreadsheets
					</Menu.Item>
				</Menu.Dropdown>
			</Menu>
			{chips.length > 0 && (
				<ul className={classes['chips']} aria-label="Filters">
					{chips.map(({ name, label, value }) => (
						<li key={name} className={classes['chip']}>
							<span className={classes['label']}>{label}</span>
							<span className={classes['value']} title={value}>
								<Visible text={value} />
							</span>
							<CloseButton size="xs" onClick={() => onChange({ [name]: undefined })} aria-label={`without ${label}`} />
						</li>
					))}
					<li>
						<Button size="compact-xs" variant="subtle" color="gray" onClick={onClear}>
							Clear
						</Button>
					</li>
				</ul>
			)}
		</div>
	);
}

const exportOf = (format: string, query: string): string => `/api/audit/export?format=${format}${query === '' ? '' : `&${query}`}`;

function FilterInput({ seen, onChange }: Pick<FilterBarProps, 'seen' | 'onChange'>) {
	const [typed, setTyped] = useState('');
	const [isOpen, setOpen] = useState(false);
	/** Enter has just taken an option. */
	const isTaken = useRef(false);
	const apply = (text: string): void => {
		const filter = typedFilter(text);
		if (filter === undefined) return;
		onChange({ [filter.name]: filter.value });
		setTyped('');
		setOpen(false);
	};
	return (
		<Autocomplete
			id={FILTER_INPUT_ID}
			className={classes['input']}
			size="xs"
			aria-label="Filter by a field or a text"
			placeholder="Filter: tool:create_refund, verdict:deny, or any text   /"
			value={typed}
			onChange={setTyped}
			data={suggestions(typed, seen)}
			filter={({ options }) => options}
			limit={20}
			maxDropdownHeight={360}
			dropdownOpened={isOpen}
			onDropdownOpen={() => setOpen(true)}
			onDropdownClose={() => setOpen(false)}
			onOptionSubmit={(option) => {
				isTaken.current = true;
				// After the input has taken the option for its text. Of a field, the values come next.
				setTimeout(() => (option.endsWith(':') ? setOpen(true) : apply(option)));
			}}
			onKeyDown={(event) => {
				if (event.key === 'Escape') {
					setTyped('');
					event.currentTarget.blur();
				}
				if (event.key !== 'Enter' || event.nativeEvent.isComposing) return;
				isTaken.current = false;
				setTimeout(() => !isTaken.current && apply(typed));
			}}
			comboboxProps={{ transitionProps: { duration: 0 } }}
			autoComplete="off"
			spellCheck={false}
		/>
	);
}
