package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
	"github.com/stonepot/stonepot/live/frame"
)

func TestAcks_areDueByTimeAndByBytes(t *testing.T) {
	var a acks
	at := func(now time.Duration, want string) {
		t.Helper()
		if got := string(a.due(now)); got != want {
			t.Errorf("at %v: %q, want %q", now, got, want)
		}
	}
	at(time.Hour, "") // nothing has come
	a.count(1, 100)
	at(time.Hour, `{"type":"ack","received":1}`)
	at(2*time.Hour, "") // nothing new
	a.count(1, 100)
	at(time.Hour+ackEvery-1, "")
	at(time.Hour+ackEvery, `{"type":"ack","received":2}`)
	a.count(1, ackBytes)
	at(time.Hour+ackEvery, `{"type":"ack","received":3}`)
	a.count(40, 0) // skipped
	at(3*time.Hour, `{"type":"ack","received":43}`)
}

func TestFailed_namesTheTroubleInFewWords(t *testing.T) {
	for want, err := range map[string]error{
		"x: connection refused":                                    &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"x: connection reset":                                      fmt.Errorf("write: %w", syscall.EPIPE),
		"x: timeout":                                               context.DeadlineExceeded,
		"x: given up by the generator":                             context.Canceled,
		"x: connection closed without a goodbye":                   io.ErrUnexpectedEOF,
		"x: closed with 1012":                                      &frame.CloseError{Code: 1012, Text: "restarting"},
		"x: closed without a code":                                 &frame.CloseError{Code: 1005},
		"x: the name could not be resolved":                        &net.DNSError{Name: "voice.example"},
		"x: the TLS certificate is not trusted":                    x509.UnknownAuthorityError{},
		"x: the server violated the WebSocket protocol":            &frame.Error{Code: 1002},
		"x: too many open files on this machine (see ulimit -n)":   syscall.EMFILE,
		"x: no free local port (see net.ipv4.ip_local_port_range)": syscall.EADDRNOTAVAIL,
		"x: network error":                                         errors.New("something with 10.0.0.1:80 in it"),
	} {
		f := failed("x", err)
		if f.reason != want || !errors.Is(f, err) {
			t.Errorf("%v: %q, want %q", err, f.reason, want)
		}
		if again := failed("y", fmt.Errorf("wrapped: %w", f)); again != f {
			t.Errorf("a failure was renamed to %q", again.reason)
		}
	}
}

func TestRefused_saysStatusAndCode(t *testing.T) {
	answer := func(status int, body string) *http.Response {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
	}
	if f := refused("create", answer(429, `{"success":false,"code":"rate_limited","error":"Slowly."}`)); f.reason != "create: 429 rate_limited" || f.cause.Error() != "Slowly." {
		t.Errorf("%v", f)
	}
	if f := refused("upgrade", answer(502, "<html>Bad Gateway</html>")); f.reason != "upgrade: 502" || f.cause != nil {
		t.Errorf("%v", f)
	}
}

func TestAdmission_takesThePathAndNeverTheHost(t *testing.T) {
	for _, c := range []struct {
		target                    target
		address, protocol, ticket string
		path, protocols, mistake  string
	}{
		{target{}, "", "", "", "/api/gemini-live-stream", "stonepot.v1", ""},
		{target{backend: "vertex"}, "", "", "", "/api/vertex-ai-live", "stonepot.v1", ""},
		{target{}, "wss://elsewhere.example/voice?x=1", "stonepot.v2", "abc", "/voice?x=1", "stonepot.v2 stonepot.ticket.abc", ""},
		{target{path: "/mine"}, "ws://a/voice", "", "abc", "/mine", "stonepot.v1 stonepot.ticket.abc", ""},
		{target{}, "ws://a", "", "", "", "", "URL cannot be read"},
		{target{}, ":\x00", "", "", "", "", "URL cannot be read"},
	} {
		a := &api{target: &c.target}
		got, err := a.admission(c.address, c.protocol, c.ticket)
		if c.mistake != "" {
			if err == nil || !strings.Contains(err.Error(), c.mistake) {
				t.Errorf("%+v: %+v %v", c, got, err)
			}
			continue
		}
		if err != nil || got.path != c.path || strings.Join(got.protocols, " ") != c.protocols {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
	}
}

func TestRemarks_sayWhatTheReaderMustKnow(t *testing.T) {
	base := func() (*options, *result.Run) {
		return &options{rate: 50, frame: 640, voice: &voice{hz: 16000}},
			&result.Run{Machine: result.Machine{CPUs: 2}, Target: result.Target{Simulated: true}, Sessions: result.Sessions{Ready: 1}}
	}
	for word, change := range map[string]func(o *options, r *result.Run){
		"":                         func(*options, *result.Run) {},
		"limits.audio_rate":        func(o *options, r *result.Run) { o.rate = 250 },
		"audio.playback_lead":      func(o *options, r *result.Run) { o.rate = 80 },
		"audio.min_upstream_chunk": func(o *options, r *result.Run) { o.frame = 320 },
		"The generator was late":   func(o *options, r *result.Run) { r.LagMicros.P99 = 20_500 },
		"The machine was busy": func(o *options, r *result.Run) {
			r.Generator.Cores, r.Server = 1, &result.Process{Cores: 0.9}
			o.start = "x"
		},
		"had never sent":           func(o *options, r *result.Run) { r.Frames.Strange = 1 },
		"include the simulator":    func(o *options, r *result.Run) { r.Server = &result.Process{} },
		"The model was a real one": func(o *options, r *result.Run) { r.Target.Simulated = false },
	} {
		o, res := base()
		change(o, res)
		lines := remarks(newRun(&experiment{o: o, epoch: time.Now()}, 1, true), res)
		if word == "" {
			if len(lines) != 0 {
				t.Errorf("all is well, and yet: %q", lines)
			}
			continue
		}
		if len(lines) == 0 || !strings.Contains(strings.Join(lines, "\n"), word) {
			t.Errorf("%q is not in %q", word, lines)
		}
	}
}

func TestFigures_boundTheirTables(t *testing.T) {
	f := newFigures()
	for i := range 3 * maxReasons {
		f.fail(&failure{reason: fmt.Sprint(i)})
		f.note(fmt.Sprint(i), 1)
	}
	if len(f.reasons) != maxReasons+1 || f.reasons["other reasons"] != 2*maxReasons || f.failures != 3*maxReasons || len(f.notes) != maxReasons {
		t.Errorf("%d reasons, %d of others, %d failures, %d notes", len(f.reasons), f.reasons["other reasons"], f.failures, len(f.notes))
	}
}
