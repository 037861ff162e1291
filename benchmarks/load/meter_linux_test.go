package main

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

func TestListeners_findsTheProcessByItsPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test
	if pids := listeners(l.Addr().String()); !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("%v, want %d", pids, os.Getpid())
	}
	if pids := listeners("127.0.0.1:nonsense"); pids != nil {
		t.Errorf("%v", pids)
	}
}

func TestListening_readsTheTable(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 20 4 30 10 -1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
`
	if got := listening([]byte(table), 8080); !slices.Equal(got, []string{"111"}) {
		t.Errorf("%v", got)
	}
}

func TestCPUOf_isNotLedAstrayByNames(t *testing.T) {
	const stat = `42 (a ) name) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 100 1000 200`
	if cpu, ok := cpuOf([]byte(stat)); !ok || cpu != 2*time.Second {
		t.Errorf("%v %v", cpu, ok)
	}
	for _, s := range []string{"", "42 (x) S 1", "42 (x) S 1 42 42 0 -1 4194560 1 2 3 4 a b 7 8"} {
		if _, ok := cpuOf([]byte(s)); ok {
			t.Errorf("%q was read", s)
		}
	}
}

func TestReadProcess_knowsItself(t *testing.T) {
	r := readProcess(os.Getpid())
	if !r.ok || r.residentKB == 0 || r.peakKB < r.residentKB {
		t.Errorf("%+v", r)
	}
	if r := readProcess(-1); r.ok {
		t.Errorf("%+v", r)
	}
	m := &meter{pids: []int{os.Getpid(), -1}}
	if m.read().ok || (*meter)(nil).read().ok {
		t.Error("what cannot be read is not said")
	}
}
