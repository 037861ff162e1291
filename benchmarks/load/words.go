package main

import (
	"flag"
	"fmt"
	"regexp"
	"time"
)

// What package flag says of arguments.
var (
	noFlag     = regexp.MustCompile(`^flag provided but not defined: -(.+)$`)
	noValue    = regexp.MustCompile(`^flag needs an argument: -(.+)$`)
	wrongValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^ :]+): (.*)$`)
)

// inWords makes a sentence of an error of f.Parse.
func inWords(f *flag.FlagSet, err error) error {
	if m := noFlag.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("there is no flag --%s", m[1])
	}
	if m := noValue.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("--%s needs a value", m[1])
	}
	m := wrongValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	value, name, why := m[1], m[2], m[3]
	typed, ok := f.Lookup(name).Value.(flag.Getter)
	if !ok {
		return fmt.Errorf("--%s: %s, got %s", name, why, value)
	}
	switch typed.Get().(type) {
	case time.Duration:
		return fmt.Errorf("--%s must be a time such as 500ms, 10s or 2m, got %s", name, value)
	case bool:
		return fmt.Errorf("--%s must be true or false, got %s", name, value)
	default:
		return fmt.Errorf("--%s must be a number, got %s", name, value)
	}
}
