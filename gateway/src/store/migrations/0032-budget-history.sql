-- Use over time, of one rule.
CREATE INDEX budgets_of_rule ON budgets (rule, window_ends_at);
