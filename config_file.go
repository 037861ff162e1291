package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// What a person may have got wrong in the file, and on which line.

var yamlLine = regexp.MustCompile(`(?s)line (\d+): (.*)`)

// notYAML makes one line of the parser's error.
func notYAML(file string, err error) error {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		text, _, _ := strings.Cut(m[2], "\n")
		if strings.HasPrefix(text, "cannot unmarshal") {
			text = "the top level must be sections such as `live:`"
		}
		return fmt.Errorf("%s:%s: this is not YAML that can be read: %s", file, m[1], text)
	}
	text := err.Error()
	if at := strings.LastIndex(text, "yaml: "); at >= 0 {
		text = text[at+len("yaml: "):]
	}
	return fmt.Errorf("%s: this is not YAML that can be read: %s", file, text)
}

// secretKey is what people call secrets; secretValue is what Google's look like.
var (
	secretKey   = regexp.MustCompile(`(?i)(^keys?|api_?keys?|resume_?keys?|operator_?key|secret|password|private_?key|credentials?|token)$`)
	secretValue = regexp.MustCompile(`AIza[0-9A-Za-z_-]{16}|-----BEGIN [A-Z ]*PRIVATE KEY`)
)

// check compares one node of the file with the type that it is for. It runs after viper has decoded the file, which
// refuses keys that are there twice and anchors that contain themselves.
func (l *loader) check(n *yaml.Node, t reflect.Type, key string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	isNull := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	switch {
	case isNull:
	case t.Kind() == reflect.Struct && n.Kind != yaml.MappingNode:
		l.problem(n, "%s must be a section with keys of its own, got %s", key, shown(n))
	case t.Kind() == reflect.Struct:
		l.checkKeys(n, t, key)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && n.Kind != yaml.SequenceNode:
		l.problem(n, "%s must be a list, got %s", key, shown(n))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		for i, item := range n.Content {
			l.check(item, t.Elem(), fmt.Sprintf("%s[%d]", key, i))
		}
	default:
		var v any
		if n.Kind == yaml.ScalarNode && secretValue.MatchString(n.Value) {
			l.problem(n, "%s holds a secret, which must not stand in a file: set it in the environment", key)
		} else if err := n.Decode(&v); err != nil {
			l.problem(n, "%s must be %s", key, wanted(t))
		} else if _, ok := convert(v, t); !ok {
			l.problem(n, "%s must be %s, got %s", key, wanted(t), shown(n))
		}
	}
}

func (l *loader) checkKeys(n *yaml.Node, t reflect.Type, prefix string) {
	known := fields(t)
	siblings := make([]string, len(known))
	for i, f := range known {
		siblings[i] = joined(prefix, f.name)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Tag == "!!merge" {
			parts := []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode {
				parts = v.Content
			}
			for _, p := range parts {
				l.check(p, t, prefix)
			}
			continue
		}
		key := joined(prefix, k.Value)
		if at := slices.IndexFunc(known, func(f field) bool { return f.name == k.Value }); at >= 0 {
			l.check(v, known[at].typ, key)
			continue
		}
		switch near := nearest(key, siblings, allKeys()); {
		case near == key:
			section, name, _ := strings.Cut(key, ".")
			l.problem(k, "%s must be written as %s in the section %s", key, name, section)
		case secretKey.MatchString(k.Value):
			l.problem(k, "%s is a secret, which must not stand in a file: set %s in the environment", key, secretFor(key))
		case near != "":
			l.problem(k, "there is no key %s: did you mean %s?", key, near)
		default:
			l.problem(k, "there is no key %s", key)
		}
	}
}

// secretFor is the variable for what somebody has put under a key that looks like a secret's.
func secretFor(key string) string {
	switch key = strings.ToLower(key); {
	case strings.Contains(key, "operator"):
		return "STONEPOT_OPERATOR_KEY"
	case strings.Contains(key, "resume"):
		return resumeKeys
	default:
		return "GOOGLE_API_KEY"
	}
}

func (l *loader) problem(n *yaml.Node, format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf("%s:%d: %s", l.file, n.Line, fmt.Sprintf(format, args...)))
}

// shown is a node as it may appear in an error: short, and whole only where it is a plain value.
func shown(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a section"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!str":
		return fmt.Sprintf("%.60q", n.Value)
	default:
		return fmt.Sprintf("%.60s", n.Value)
	}
}

// located puts in front of a sentence that begins with a key where its value comes from: the variable, or the line of
// the file.
func (l *loader) located(err error) error {
	key, _, _ := strings.Cut(err.Error(), " ")
	for part := key; part != ""; part = part[:max(0, strings.LastIndexAny(part, ".["))] {
		if name := l.from[part]; name != "" {
			return fmt.Errorf("%s: %w", name, err)
		}
		// A key that is missing from a row is the row's fault; one that is missing from a section has its default.
		if n := find(l.root, part); n != nil && (part == key || strings.HasSuffix(part, "]")) {
			return fmt.Errorf("%s:%d: %w", l.file, n.Line, err)
		}
	}
	if l.file != "" && slices.Contains(allKeys(), key) {
		return fmt.Errorf("%s: %w", l.file, err)
	}
	return err
}

// find is the value of a key in a file, or nil. Keys are as in errors: live.max_sessions, models[0].id.
func find(n *yaml.Node, key string) *yaml.Node {
	for part := range strings.SplitSeq(strings.ReplaceAll(key, "[", ".["), ".") {
		for n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		n = child(n, part)
	}
	return n
}

func child(n *yaml.Node, part string) *yaml.Node {
	switch {
	case n == nil:
	case n.Kind == yaml.SequenceNode:
		i, err := strconv.Atoi(strings.Trim(part, "[]"))
		if err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == part {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// fileState is what tells one version of a file from the next.
type fileState struct {
	size int64
	when time.Time
}

// stateOf looks at a file; one that is not there has the zero state.
func stateOf(file string) fileState {
	info, err := os.Stat(file)
	if err != nil {
		return fileState{}
	}
	return fileState{info.Size(), info.ModTime()}
}

// watchFile calls changed, one call at a time, whenever the file is another than known was and has rested for an interval, so
// that nobody reads what is half written. It returns when ctx ends. It looks instead of being notified: a look costs
// microseconds, and finds what notifications miss (network disks, single files mounted into containers, editors that replace).
func watchFile(ctx context.Context, file string, known fileState, interval time.Duration, changed func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for resting := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := stateOf(file)
		switch {
		case now != known:
			known, resting = now, false
		case !resting:
			resting = true
			changed()
		}
	}
}
