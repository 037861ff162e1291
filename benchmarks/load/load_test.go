package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
)

// outcome is what a call of the program left.
type outcome struct {
	t        *testing.T
	code     int
	out, err string
	dir      string
}

// call runs the program with arguments, separated by spaces; its JSON goes to a directory of the test.
func call(t *testing.T, ctx context.Context, format string, args ...any) outcome {
	t.Helper()
	o := outcome{t: t, dir: t.TempDir()}
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close() //nolint:errcheck // it is read below
	var stdout bytes.Buffer
	o.code = command(ctx, append(strings.Fields(fmt.Sprintf(format, args...)), "--out", o.dir), &stdout, stderr)
	said, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	o.out, o.err = stdout.String(), string(said)
	return o
}

// result is the run that was written down.
func (o outcome) result() *result.Run {
	o.t.Helper()
	files, _ := filepath.Glob(filepath.Join(o.dir, "*.json"))
	if len(files) != 1 {
		o.t.Fatalf("%d files, exit code %d\n%s\n%s", len(files), o.code, o.out, o.err)
	}
	r, err := result.Read(files[0])
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// well is the result of a run in which nothing went wrong.
func (o outcome) well() *result.Run {
	o.t.Helper()
	r := o.result()
	s, f := r.Sessions, r.Frames
	if o.code != exitDone || s.Asked == 0 || s.Ready != s.Asked || s.Completed != s.Asked || s.Failed != 0 || f.Strange != 0 || f.Lost != 0 || f.Doubled != 0 {
		o.t.Fatalf("exit code %d, %+v, %+v\n%s\n%s", o.code, s, f, o.out, o.err)
	}
	return r
}

const short = "--duration 1s --warm-up 100ms --ramp 50ms "

func TestLoad_measuresAServerThatEchoes(t *testing.T) {
	t.Parallel()
	s := start(t, echoes, nil)
	for _, more := range []string{"", "--resumable"} {
		r := call(t, t.Context(), short+"--sessions 3 %s ws://%s", more, s.Addr).well()
		if r.Target.Upstream != expectEcho || !r.Target.Simulated || r.Target.Version != "test" || r.Target.Model == "" {
			t.Errorf("%+v", r.Target)
		}
		f := r.Frames
		if f.Sent < 100 || f.Received != f.Sent || r.RoundTripMicros.Count != f.Sent || r.UncorrectedMicros.Count != f.Sent || r.LagMicros.Count != f.Sent {
			t.Errorf("%+v, round trips %d, lags %d", f, r.RoundTripMicros.Count, r.LagMicros.Count)
		}
		for name, l := range map[string]result.Latency{
			"ask": r.AskMicros, "connect": r.ConnectMicros, "start": r.StartMicros, "ready": r.ReadyMicros, "round trip": r.RoundTripMicros,
		} {
			if l.Count == 0 || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
				t.Errorf("%s: %+v", name, l)
			}
		}
		if r.UpMicros.Count != 0 || r.Target.OneWay {
			t.Errorf("nobody stood at the model's end, but %d frames were seen there", r.UpMicros.Count)
		}
		up, down := r.Traffic.Up, r.Traffic.Down
		if up.AudioBytes != 640*up.AudioMessages || down.AudioBytes != up.AudioBytes || up.AudioMessages <= f.Sent {
			t.Errorf("up %+v, down %+v", up, down)
		}
		if acked := up.TextMessages > 2*3; acked != r.Load.Resumable {
			t.Errorf("resumable %v, and %d text messages went up", r.Load.Resumable, up.TextMessages)
		}
	}
}

func TestLoad_startsAServerAndStandsAtBothEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(roleVariable, "server")
	r := call(t, t.Context(), short+"--sessions 2 --resumable --start %s", self).well()
	if !r.Target.OneWay || r.UpMicros.Count != r.Frames.Sent || r.DownMicros.Count != r.Frames.Sent {
		t.Fatalf("%+v: %d frames up, %d down", r.Frames, r.UpMicros.Count, r.DownMicros.Count)
	}
	if r.RoundTripMicros.P50 < r.UpMicros.P50 || r.RoundTripMicros.P50 < r.DownMicros.P50 {
		t.Errorf("a round trip of %v µs is shorter than one of its ways (%v, %v)", r.RoundTripMicros.P50, r.UpMicros.P50, r.DownMicros.P50)
	}
	if runtime.GOOS != "linux" {
		return // elsewhere nobody sees another process's CPU and memory
	}
	if r.Server == nil || len(r.Server.PIDs) != 1 || r.Server.PIDs[0] == os.Getpid() || r.Server.ResidentKB == 0 {
		t.Errorf("the server's process is %+v", r.Server)
	}
}

func TestLoad_measuresTheDelayOfAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *simulator.Config) {
		c.SilenceDuration, c.ThinkingDelay, c.ThinkingExtra = 200*time.Millisecond, 50*time.Millisecond, 0
	}, nil)
	o := call(t, t.Context(), "--duration 4s --warm-up 100ms --ramp 50ms --sessions 2 --talk 500ms --silence 1500ms ws://%s", s.Addr)
	r := o.well()
	if r.Target.Upstream != expectAnswers || r.RoundTripMicros.Count != 0 {
		t.Errorf("%+v, %d round trips", r.Target, r.RoundTripMicros.Count)
	}
	if r.AnswerMicros.Count < 2 || r.AnswerMicros.P50 < 200_000 {
		t.Errorf("answers: %+v", r.AnswerMicros)
	}
	if r.Frames.Received == 0 || !strings.Contains(o.err, "listens and answers") {
		t.Errorf("%+v\n%s", r.Frames, o.err)
	}
}

func TestLoad_countsRefusalsByReason(t *testing.T) {
	t.Parallel()
	s := start(t, echoes, func(c *live.Config) { c.Live.MaxSessions = 2 })
	for ask, reason := range map[string]string{"true": "create: 503 at_capacity", "false": "upgrade: 503 at_capacity"} {
		o := call(t, t.Context(), short+"--ramp 500ms --sessions 5 --create=%s --limit-lost 0 ws://%s", ask, s.Addr)
		r := o.result()
		if r.Sessions.Ready != 2 || r.Sessions.Failed != 3 || r.Sessions.Reasons[reason] != 3 || r.Sessions.Completed != 2 {
			t.Errorf("%+v", r.Sessions)
		}
		if o.code != exitFailed || !strings.Contains(o.out, "a limit was not kept: 3 of 5 sessions failed ("+reason+")") {
			t.Errorf("exit code %d\n%s", o.code, o.out)
		}
	}
}

func TestLoad_saysThatNothingListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	o := call(t, t.Context(), "ws://%s", l.Addr())
	if o.code != exitFailed || !strings.Contains(o.err, "connection refused") {
		t.Errorf("%d %s", o.code, o.err)
	}
}

func TestLoad_saysWhyItCannotBegin(t *testing.T) {
	t.Parallel()
	silent, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *simulator.Config) {}, nil)
	for args, why := range map[string]string{
		"--start /nowhere/stonepot":                      "no such file",
		"--start " + silent:                              "did not say where it listens",
		"--pid 99999999 ws://" + s.Addr:                  "no such process",
		"--simulator 127.0.0.1:0 ws://" + s.Addr:         "no frame came back: the server does not use the simulator here",
		"--silence 0s ws://" + s.Addr:                    "--silence 0 gives it no pause",
		"ws://" + s.Addr + "/api/nothing --create=false": "upgrade: 404",
	} {
		if o := call(t, t.Context(), "%s", args); o.code != exitFailed || !strings.Contains(o.err, why) {
			t.Errorf("%s: exit code %d, %s", args, o.code, o.err)
		}
	}
}
