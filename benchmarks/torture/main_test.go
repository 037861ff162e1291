package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTorture_aShortRun is make torture in small: both backends, everything that can happen between a browser and two instances,
// which are taken down twice each. The model keeps its handles' times better than it must: a machine that runs all tests at
// once has delays of its own.
func TestTorture_aShortRun(t *testing.T) {
	o := defaults()
	o.Conversations, o.Duration, o.Arrival, o.Every, o.Least = 12, 25*time.Second, 2*time.Second, 6*time.Second, 30
	o.Lag, o.Only = 200*time.Millisecond, regexp.MustCompile("^(browser|both|stranger|client|pool|instance)")
	o.Out = t.TempDir()
	if err := torture(t.Context(), o); err != nil {
		for _, name := range []string{"instance-A.log", "instance-B.log"} {
			if data, err := os.ReadFile(o.file(name)); err == nil {
				t.Logf("%s:\n%s", name, tail(string(data), 30))
			}
		}
		t.Fatal(err)
	}
}

func tail(s string, lines int) string {
	all := strings.Split(s, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func TestParse_refusesInWords(t *testing.T) {
	for args, word := range map[string]string{
		"-conversations 0":      "-conversations",
		"-conversations 100000": "-conversations",
		"-duration 1s":          "-duration",
		"-duration 100h":        "-duration",
		"-arrival 3m":           "-arrival",
		"-every 1ms":            "-every",
		"-lag 2m":               "-lag",
		"-overlap 1m":           "-overlap",
		"-only (":               "-only",
	} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", args, err)
		}
	}
	o, err := parse(strings.Fields("-conversations 3 -seed 7 -only browser"))
	if err != nil || o.Conversations != 3 || o.Seed != 7 || !o.Only.MatchString("browser: slowed") || o.Only.MatchString("model: drop") {
		t.Errorf("%+v %v", o, err)
	}
}

// What is written for the simulator must be what it reads: it refuses a setup whose faults it does not understand.
func TestScript_isRepeatableAndBounded(t *testing.T) {
	for seed := range uint64(50) {
		a, endA := script(chance(seed), defaults().Only)
		b, endB := script(chance(seed), defaults().Only)
		if strings.Join(a, "") != strings.Join(b, "") || endA != endB {
			t.Fatalf("seed %d: two scripts", seed)
		}
		if len(a) == 0 || len(a) > maxMarkers {
			t.Errorf("seed %d: %d markers", seed, len(a))
		}
	}
}
