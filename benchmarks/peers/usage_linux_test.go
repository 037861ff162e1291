package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestParseStat_readsBehindTheName(t *testing.T) {
	line := "42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 5 0 1000 99999 300 18446744073709551615 1 1\n"
	s, ok := parseStat([]byte(line))
	if want := (stat{7, 2 * time.Second, 300 * int64(os.Getpagesize()) / 1024}); !ok || s != want {
		t.Errorf("%+v %v, want %+v", s, ok, want)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 7", "42 (x) S x 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 5 0 1000 99999 300 1"} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestUsageOf_isThatOfALivingProcess(t *testing.T) {
	u, err := usageOf(os.Getpid())
	if err != nil || u.residentKB < 1000 {
		t.Errorf("%+v %v", u, err)
	}
	if _, err := usageOf(1 << 30); err == nil {
		t.Error("a process that is not there was found")
	}
}

func TestParseBusy_sumsWhatProcessesUsed(t *testing.T) {
	text := []byte("cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 100 20 30 4000 50 0 600 7 0 0\ncpu10 1 1 1 1 1 1 1 1 0 0\nintr 5\n")
	if got := parseBusy(text, "1"); got != 1570*time.Millisecond {
		t.Errorf("%v", got)
	}
	for _, none := range []string{"", "cpu1 1 2", "cpu1 x 2 3 4 5 6 7 8 9 10"} {
		if got := parseBusy([]byte(none), "1"); got != 0 {
			t.Errorf("%q: %v", none, got)
		}
	}
	if busy("0") <= 0 {
		t.Error("this machine's first processor has done nothing")
	}
}

func TestAllowed_readsListsOfProcessors(t *testing.T) {
	for text, want := range map[string][]string{
		"Name:\tx\nCpus_allowed_list:\t0-2,8\nMems:\t0\n": {"0", "1", "2", "8"},
		"Cpus_allowed_list:\t5\n":                         {"5"},
		"Cpus_allowed_list:\tx\n":                         nil,
		"Name:\tx\n":                                      nil,
	} {
		if got := allowed([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestStartOn_isInherited(t *testing.T) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	mine := allowed(status)
	for _, cpu := range []string{mine[0], mine[len(mine)-1]} {
		cmd := exec.CommandContext(t.Context(), "cat", "/proc/self/status")
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := errors.Join(startOn(cpu, cmd), cmd.Wait()); err != nil {
			t.Fatal(err)
		}
		if got := allowed(out.Bytes()); !slices.Equal(got, []string{cpu}) {
			t.Errorf("what was started on %s may run on %q", cpu, got)
		}
	}
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatal("no threads", err)
	}
	for _, thread := range threads {
		if status, err := os.ReadFile(thread); err == nil && !slices.Equal(allowed(status), mine) { // one that ended meanwhile is not read
			t.Errorf("%s: may run on %q since then, and on %q before", thread, allowed(status), mine)
		}
	}
	if err := startOn("100000", exec.CommandContext(t.Context(), "true")); err == nil {
		t.Error("a processor that is not there was taken")
	}
}

func TestSince_countsThreadsThatBeganAndForgetsThoseThatEnded(t *testing.T) {
	before := usage{threads: map[string]time.Duration{"a": 5, "ended": 100}, cpu: 1000}
	now := usage{threads: map[string]time.Duration{"a": 7, "new": 3}, cpu: 2000}
	if got := now.since(before); got != 5 {
		t.Errorf("%d ns, want 5", got)
	}
	before.threads, now.threads = nil, nil // a kernel that does not count
	if got := now.since(before); got != 1000 {
		t.Errorf("%d ns, want 1000", got)
	}
}

func TestUsageOf_seesWhatIsSpent(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for x := uint32(1); ; {
		for range 1 << 20 {
			x = x*1664525 + 1013904223
		}
		now, err := usageOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now.since(before) > 0 {
			return // a test that never ends fails, too
		}
	}
}
