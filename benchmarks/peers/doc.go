// The peers command measures Stonepot beside other relays, in turn, on one machine: what a frame costs, what a session
// holds, how long a start takes. See benchmarks/README.md.
//
// Each measurement has a fresh process of one relay. This process plays both its ends: the browsers (session.go) and
// the model (package upstream). What is compared is never a figure, but the ratio of two that were measured one after
// the other (ratio.go).
package main
