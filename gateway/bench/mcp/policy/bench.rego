# METADATA
# title: Bench
# description: Every principal sees nine tools of ten, which ones is its own affair.
package toolgate.rules.bench

access contains "nine of ten" if not endswith(input.tool.name, substring(input.principal.id, 0, 1))
