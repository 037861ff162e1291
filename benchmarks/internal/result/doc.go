// Package result is what runs of benchmarks/load and benchmarks/peers write down and a report reads: one JSON file for each run.
package result
