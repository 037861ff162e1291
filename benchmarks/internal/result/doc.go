// Package result is what a load run writes down and a report reads: one JSON file for each run.
package result
