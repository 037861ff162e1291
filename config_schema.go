package main

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// What keys there are, and what their values must look like, is read off Config: the field names are in its mapstructure tags.

// field is one key of a section.
type field struct {
	name  string
	typ   reflect.Type
	index []int
}

// fields are the keys of a section in the order of the struct; squashed structs lend theirs. What is tagged "-" or secret
// is no key.
func fields(t reflect.Type) (all []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		switch {
		case option == "squash":
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
		case name != "" && name != "-" && f.Tag.Get("secret") == "":
			all = append(all, field{name, f.Type, []int{i}})
		}
	}
	return all
}

// walk visits every key of a section and of those in it. Lists are visited as one.
func walk(v reflect.Value, prefix string, visit func(key string, v reflect.Value)) {
	for _, f := range fields(v.Type()) {
		key := joined(prefix, f.name)
		if f.typ.Kind() == reflect.Struct {
			walk(v.FieldByIndex(f.index), key, visit)
			continue
		}
		visit(key, v.FieldByIndex(f.index))
	}
}

func joined(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// allKeys are the keys that config.yaml can have, those inside of lists not included.
func allKeys() (keys []string) {
	walk(reflect.ValueOf(Config{}), "", func(key string, _ reflect.Value) { keys = append(keys, key) })
	return keys
}

// variableOf is the variable that sets a key.
func variableOf(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// changedKeys are the keys whose values differ.
func changedKeys(a, b Config) (changed []string) {
	before := map[string]reflect.Value{}
	walk(reflect.ValueOf(a), "", func(key string, v reflect.Value) { before[key] = v })
	walk(reflect.ValueOf(b), "", func(key string, v reflect.Value) {
		bothEmpty := v.Kind() == reflect.Slice && v.Len() == 0 && before[key].Len() == 0 // nil or not
		if !bothEmpty && !reflect.DeepEqual(before[key].Interface(), v.Interface()) {
			changed = append(changed, key)
		}
	})
	return changed
}

// wanted says what a value must be, after "must be".
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 30s or 5m"
	case t.Kind() == reflect.Pointer:
		return wanted(t.Elem())
	case t.Kind() == reflect.Slice:
		return "a list of texts"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "a text (in quotes if it looks like something else)"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// parse reads a variable's text.
func parse(text string, t reflect.Type) (any, bool) {
	switch {
	case t == reflect.TypeFor[time.Duration](), t.Kind() == reflect.String, t.Kind() == reflect.Slice:
		return convert(text, t)
	case t.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		return b, err == nil
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, false
		}
		return convert(n, t)
	}
}

// convert makes a value of type t out of what YAML holds, and reports whether that can be done without guessing: no
// number is read out of a text, nor cut to fit.
func convert(v any, t reflect.Type) (any, bool) {
	from := reflect.ValueOf(v)
	if !from.IsValid() || from.Type() == t {
		return v, true
	}
	to := reflect.New(t).Elem()
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if text, ok := v.(string); ok {
			d, err := time.ParseDuration(text)
			return d, err == nil
		}
		return time.Duration(0), from.CanInt() && from.Int() == 0
	case t.Kind() == reflect.Pointer:
		inner, ok := convert(v, t.Elem())
		if ok {
			to.Set(reflect.New(t.Elem()))
			to.Elem().Set(reflect.ValueOf(inner))
		}
		return to.Interface(), ok
	case t == reflect.TypeFor[[]string]():
		if text, ok := v.(string); ok {
			return commaList(text), true
		}
		list, ok := v.([]any)
		texts := make([]string, len(list))
		for i := range list {
			text, isText := list[i].(string)
			texts[i], ok = text, ok && isText
		}
		return texts, ok
	case to.CanInt():
		n, ok := whole(from)
		if !ok || to.OverflowInt(n) {
			return nil, false
		}
		to.SetInt(n)
		return to.Interface(), true
	case to.CanUint():
		n, ok := whole(from)
		if !ok || n < 0 || to.OverflowUint(uint64(n)) {
			return nil, false
		}
		to.SetUint(uint64(n))
		return to.Interface(), true
	case to.CanFloat() && from.CanFloat():
		to.SetFloat(from.Float())
		return to.Interface(), true
	case to.CanFloat() && from.CanInt():
		to.SetFloat(float64(from.Int()))
		return to.Interface(), true
	default:
		return nil, false
	}
}

// whole reads a whole number; 1e6 is one.
func whole(v reflect.Value) (int64, bool) {
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanFloat():
		f := v.Float()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53
	default:
		return 0, false // a uint64 is larger than any setting
	}
}

// decodeHook is convert for mapstructure; sections, lists of sections and pointers it takes apart itself.
func decodeHook(from, to reflect.Value) (any, error) {
	switch {
	case to.Kind() == reflect.Struct, to.Kind() == reflect.Pointer,
		to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Struct:
		return from.Interface(), nil
	}
	v, ok := convert(from.Interface(), to.Type())
	if !ok {
		return nil, fmt.Errorf("must be %s", wanted(to.Type()))
	}
	return v, nil
}

func commaList(text string) []string {
	list := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// nearest is the word that somebody may have meant: few letters away in the first list that has such a one, or else the
// same name in another section.
func nearest(word string, lists ...[]string) string {
	for _, words := range lists {
		best, least := "", 2+len(word)/6
		for _, w := range words {
			if d := distance(word, w); d < least {
				best, least = w, d
			}
		}
		if best != "" {
			return best
		}
	}
	name := word[strings.LastIndex(word, ".")+1:]
	for _, w := range slices.Concat(lists...) {
		if w[strings.LastIndex(w, ".")+1:] == name {
			return w
		}
	}
	return ""
}

// distance counts the letters to add, drop or change between two words (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// node is a value as YAML. What it makes of a Config is a file that loads as that Config: no secret is among its keys.
func node(v reflect.Value) *yaml.Node {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return &yaml.Node{Kind: yaml.ScalarNode, Value: shortDuration(v.Interface().(time.Duration))}
	case v.Kind() == reflect.Pointer:
		return node(v.Elem())
	case v.Kind() == reflect.Struct:
		return section(v, func(reflect.Value) bool { return true })
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Type().Elem().Kind() != reflect.Struct {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			if row := v.Index(i); row.Kind() == reflect.Struct {
				n.Content = append(n.Content, section(row, func(v reflect.Value) bool { return !v.IsZero() }))
			} else {
				n.Content = append(n.Content, node(row))
			}
		}
		return n
	default:
		n := new(yaml.Node)
		_ = n.Encode(v.Interface()) // scalars only, which cannot fail
		return n
	}
}

// section is a struct with those of its keys that are to be shown.
func section(v reflect.Value, shown func(reflect.Value) bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields(v.Type()) {
		if value := v.FieldByIndex(f.index); shown(value) {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.name}, node(value))
		}
	}
	return n
}

// shortDuration drops the zeros at the end: 5m rather than 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
