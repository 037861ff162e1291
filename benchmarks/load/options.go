package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// The bounds that hold without --unbounded: a typing error must not take a machine down, nor run for days.
const (
	usualSessions = 2000
	usualDuration = 10 * time.Minute
)

// What no flag can exceed.
const (
	maxSessions = 50_000
	maxDuration = 24 * time.Hour
	maxFrame    = 256 << 10
	maxRate     = 1000
)

// What the model's end is taken for (--expect).
const (
	expectAuto    = "auto"
	expectEcho    = "echo"
	expectAnswers = "answers"
)

const dialectStonepot = "stonepot"

// options are what a run is asked for, valid after parse.
type options struct {
	target target
	owned  bool // --i-own-this-target

	sessions  int
	ramp      time.Duration // from the first session's beginning to the last one's; 0: see rampOf
	warmUp    time.Duration // after the ramp, before anything is measured
	duration  time.Duration // of measuring
	timeout   time.Duration // for a session to become ready
	frame     int           // bytes
	rate      float64       // frames a second
	talk      time.Duration
	silence   time.Duration
	wav       string
	late      time.Duration
	dialect   string
	backend   string
	resumable bool
	create    bool
	expect    string
	header    http.Header
	insecure  bool

	simulator string // where to listen as the model's end; empty: nowhere
	start     string // the binary to start; empty: none
	pid       int    // 0: found by the port

	findMax     bool
	maxSessions int
	precision   float64 // a share
	limitP99    time.Duration
	limitLost   int64
	limited     bool // a single run keeps the limits, too

	out   string
	quiet bool
	voice *voice
}

// errHelp means that the person asked for the list of flags and has got it.
var errHelp = errors.New("help")

// headerList collects --header.
type headerList http.Header

func (h headerList) String() string { return "" }

func (h headerList) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(s, "\r\n") {
		return errors.New(`it must look like "Authorization: Bearer secret"`)
	}
	http.Header(h).Add(name, strings.TrimSpace(value))
	return nil
}

// parse makes options of arguments. The error is a sentence.
func parse(args []string, help io.Writer) (*options, error) {
	o := &options{header: http.Header{}}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.declare(f)
	unbounded := f.Bool("unbounded", false, fmt.Sprintf("let --sessions exceed %d and --duration %v", usualSessions, usualDuration))
	url, err := parseAround(f, args)
	if errors.Is(err, flag.ErrHelp) {
		usage(f, help)
		return nil, errHelp
	}
	if err != nil {
		return nil, fmt.Errorf("%w; --help lists the flags", inWords(f, err))
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.limited = given["limit-p99"] || given["limit-lost"]
	if err := o.fill(given["talk"]); err != nil {
		return nil, err
	}
	if err := o.check(*unbounded, given); err != nil {
		return nil, err
	}
	return o, o.aim(url)
}

func (o *options) declare(f *flag.FlagSet) {
	f.IntVar(&o.sessions, "sessions", 10, "conversations at once; with --find-max where the search begins")
	f.DurationVar(&o.ramp, "ramp", 0, "time over which sessions begin, evenly; 0: 20ms for each")
	f.DurationVar(&o.warmUp, "warm-up", time.Second, "time after the ramp that is not measured")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "time that is measured")
	f.DurationVar(&o.timeout, "timeout", 20*time.Second, "time for a session to become ready")
	f.IntVar(&o.frame, "frame", 640, "bytes of PCM in each frame; 640 is 20 ms at 16 kHz")
	f.Float64Var(&o.rate, "rate", 0, "frames a second and session; 0: real time for the frame's size")
	f.DurationVar(&o.talk, "talk", 3*time.Second, "how long a person speaks…")
	f.DurationVar(&o.silence, "silence", 5*time.Second, "…and then is silent with an open microphone; 0: speaks on and on")
	f.StringVar(&o.wav, "wav", "", "a WAV file (PCM, 16 bit, mono, 8 to 48 kHz) to speak, instead of a synthetic voice; --talk is then its length. Its pauses are silence, too")
	f.DurationVar(&o.late, "late", 200*time.Millisecond, "a frame that takes longer counts as late")
	f.StringVar(&o.dialect, "dialect", dialectStonepot, "what is spoken on the WebSocket: stonepot")
	f.StringVar(&o.backend, "backend", "", "gemini or vertex; empty: what the URL's path says, else the server's default")
	f.BoolVar(&o.resumable, "resumable", false, "ask for sessions that can be resumed, and acknowledge what comes")
	f.BoolVar(&o.create, "create", true, "ask POST /api/session/create first, as pages do; false for servers that are no Stonepot")
	f.StringVar(&o.expect, "expect", expectAuto, "what the model's end does: echo (each frame comes back), answers (it listens and answers), or auto: found out by a first session")
	f.Var(headerList(o.header), "header", `a header for every request, as "Name: value"; may be repeated`)
	f.BoolVar(&o.insecure, "insecure", false, "take any TLS certificate")
	f.StringVar(&o.simulator, "simulator", "", "be the model's end, too: listen on this loopback address as an echoing simulator of the Live API, which the server must use as gemini.base_url; gives one-way latencies")
	f.StringVar(&o.start, "start", "", "start this stonepot binary on a free port for the run, with its model's end here: needs no URL")
	f.IntVar(&o.pid, "pid", 0, "the server's process, for its CPU and memory; 0: found by its loopback port (Linux)")
	f.BoolVar(&o.findMax, "find-max", false, "search for the largest number of sessions that keeps the limits")
	f.IntVar(&o.maxSessions, "max-sessions", usualSessions, "where --find-max gives up")
	f.Float64Var(&o.precision, "precision", 5, "how exact --find-max is, in percent")
	f.DurationVar(&o.limitP99, "limit-p99", 0, "the limit of the 99th percentile of the added latency (where the model answers: of the delay of its answers); 0: 20ms (2.5s). Where given without --find-max, the exit code is 1 when it is not kept")
	f.Int64Var(&o.limitLost, "limit-lost", 0, "the limit of lost frames; likewise")
	f.BoolVar(&o.owned, "i-own-this-target", false, "the target is not this machine, and you may load it")
	f.StringVar(&o.out, "out", "benchmarks/results", "directory for the JSON file; empty: none")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
}

// parseAround lets the one positional argument stand before, between or behind the flags.
func parseAround(f *flag.FlagSet, args []string) (url string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return "", err
		}
		if f.NArg() == 0 {
			return url, nil
		}
		if url != "" {
			return "", fmt.Errorf("there is one argument too many: %q after the URL %q", f.Arg(0), url)
		}
		if url, args = f.Arg(0), f.Args()[1:]; url == "" {
			return "", errors.New("the URL is empty")
		}
	}
}

func usage(f *flag.FlagSet, w io.Writer) {
	fmt.Fprint(w, `Puts voice conversations on a Stonepot server and measures them.

  go run ./benchmarks/load [flags] ws://127.0.0.1:8080
  go run ./benchmarks/load --start bin/stonepot [flags]

Exit code 0: done; 1: it went wrong, or a limit was not kept; 2: wrong arguments.

`)
	f.VisitAll(func(f *flag.Flag) {
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			def = " (" + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  --%s%s\n        %s\n", f.Name, def, f.Usage)
	})
}

// fill puts in what depends on other flags.
func (o *options) fill(talkGiven bool) (err error) {
	if o.wav == "" {
		o.voice = synthetic()
	} else if o.voice, err = readWAV(o.wav); err != nil {
		return fmt.Errorf("--wav: %w", err)
	}
	if o.wav != "" && !talkGiven {
		o.talk = o.voice.length()
	}
	if o.rate == 0 && o.frame > 0 {
		o.rate = float64(2*o.voice.hz) / float64(o.frame)
	}
	return nil
}

// listens reports whether the person leaves the model time to answer.
func (o *options) listens() bool { return o.silence > 0 || o.voice.pauses() }

// rampOf is how long n sessions take to begin.
func (o *options) rampOf(n int) time.Duration {
	if o.ramp > 0 {
		return o.ramp
	}
	return time.Duration(n) * 20 * time.Millisecond
}

// check refuses in words what cannot be meant.
func (o *options) check(unbounded bool, given map[string]bool) error {
	most, longest := usualSessions, usualDuration
	hint := "; --unbounded lifts that bound"
	if unbounded {
		most, longest, hint = maxSessions, maxDuration, ""
	}
	switch {
	case o.sessions < 1 || o.sessions > most:
		return fmt.Errorf("--sessions must be between 1 and %d, got %d%s", most, o.sessions, hint)
	case o.maxSessions < 1 || o.maxSessions > most:
		return fmt.Errorf("--max-sessions must be between 1 and %d, got %d%s", most, o.maxSessions, hint)
	case o.findMax && o.sessions > o.maxSessions:
		return fmt.Errorf("--sessions, where the search begins, must not exceed --max-sessions: got %d and %d", o.sessions, o.maxSessions)
	case o.duration < time.Second || o.duration > longest:
		return fmt.Errorf("--duration must be between 1s and %v, got %v%s", longest, o.duration, hint)
	case o.ramp < 0 || o.ramp > longest:
		return fmt.Errorf("--ramp must be between 0s and %v, got %v", longest, o.ramp)
	case o.warmUp < 0 || o.warmUp > longest:
		return fmt.Errorf("--warm-up must be between 0s and %v, got %v", longest, o.warmUp)
	case o.timeout < 100*time.Millisecond || o.timeout > 10*time.Minute:
		return fmt.Errorf("--timeout must be between 100ms and 10m, got %v", o.timeout)
	case o.frame < markBytes || o.frame > maxFrame || o.frame%2 != 0:
		return fmt.Errorf("--frame must be an even number of bytes between %d and %d, got %d", markBytes, maxFrame, o.frame)
	case math.IsNaN(o.rate) || o.rate < 1 || o.rate > maxRate:
		return fmt.Errorf("--rate must be between 1 and %d frames a second, got %.4g; frames of %d bytes are real time at %.4g", maxRate, o.rate, o.frame, float64(2*o.voice.hz)/float64(o.frame))
	case o.talk < 100*time.Millisecond || o.talk > time.Hour:
		return fmt.Errorf("--talk must be between 100ms and 1h, got %v", o.talk)
	case o.silence < 0 || o.silence > time.Hour:
		return fmt.Errorf("--silence must be between 0s and 1h, got %v", o.silence)
	case o.late < time.Millisecond || o.late > time.Minute:
		return fmt.Errorf("--late must be between 1ms and 1m, got %v", o.late)
	case o.limitP99 < 0 || o.limitP99 > time.Minute:
		return fmt.Errorf("--limit-p99 must be between 0s and 1m, got %v", o.limitP99)
	case o.limitLost < 0:
		return fmt.Errorf("--limit-lost must not be negative, got %d", o.limitLost)
	case math.IsNaN(o.precision) || o.precision < 0.1 || o.precision > 50:
		return fmt.Errorf("--precision must be between 0.1 and 50 percent, got %v", o.precision)
	case given["precision"] && !o.findMax, given["max-sessions"] && !o.findMax:
		return errors.New("--precision and --max-sessions mean something only together with --find-max")
	}
	return o.checkWords()
}

func (o *options) checkWords() error {
	switch {
	case o.dialect != dialectStonepot:
		return fmt.Errorf("--dialect must be %s, the only one that the server speaks so far, got %q", dialectStonepot, o.dialect)
	case !slices.Contains([]string{"", "gemini", "vertex"}, o.backend):
		return fmt.Errorf("--backend must be gemini or vertex, got %q", o.backend)
	case !slices.Contains([]string{expectAuto, expectEcho, expectAnswers}, o.expect):
		return fmt.Errorf("--expect must be auto, echo or answers, got %q", o.expect)
	case o.expect == expectAnswers && !o.listens():
		return errors.New("--silence must not be 0 where answers are expected: nobody answers a person who speaks on and on")
	case o.start != "" && o.simulator != "":
		return errors.New("--start brings its own --simulator: give one of them")
	case o.pid < 0:
		return fmt.Errorf("--pid must be the number of a process, got %d", o.pid)
	case o.pid > 0 && runtime.GOOS != "linux":
		return errors.New("--pid needs Linux: CPU and memory of another process are read from /proc")
	case (o.start != "" || o.simulator != "") && o.expect == expectAnswers:
		return errors.New("--expect answers needs a server with a model of its own: --start and --simulator bring one that echoes")
	case (o.start != "" || o.simulator != "") && o.backend == "vertex":
		return errors.New("--backend vertex cannot be had with --start or --simulator: they stand in for the Gemini API")
	}
	if o.simulator != "" {
		host, _, err := net.SplitHostPort(o.simulator)
		if err != nil {
			return fmt.Errorf("--simulator must be an address such as 127.0.0.1:9100, got %q", o.simulator)
		}
		if !loopback(host) {
			return fmt.Errorf("--simulator must be a loopback address, got %q: one clock measures both ends, so they stand on one machine", o.simulator)
		}
	}
	return nil
}

// aim finds out what the URL means.
func (o *options) aim(url string) (err error) {
	switch {
	case o.start != "" && url != "":
		return fmt.Errorf("--start starts a server of its own: leave the URL %q out", url)
	case o.start != "":
		return nil
	case url == "":
		return errors.New("there is no URL: give one such as ws://127.0.0.1:8080, or --start bin/stonepot; --help lists the flags")
	}
	if o.target, err = parseTarget(url, o.backend); err != nil {
		return err
	}
	if !o.owned && !o.target.here() {
		return fmt.Errorf("%s is not this machine: a load test of somebody else's server is an attack, so add --i-own-this-target if it is yours", o.target.host)
	}
	if o.simulator != "" && !o.target.here() {
		return fmt.Errorf("--simulator needs the server on this machine, and %s is not", o.target.host)
	}
	return nil
}

// described is a run of n sessions for the JSON file.
func (o *options) described(n int) result.Load {
	l := result.Load{
		Sessions: n, RampMs: o.rampOf(n).Milliseconds(), WarmUpMs: o.warmUp.Milliseconds(), DurationMs: o.duration.Milliseconds(),
		FrameBytes: o.frame, Rate: o.rate, InputHz: o.voice.hz, TalkMs: o.talk.Milliseconds(), SilenceMs: o.silence.Milliseconds(),
		WAV: o.wav, Dialect: o.dialect, Resumable: o.resumable, LateMs: o.late.Milliseconds(),
	}
	if o.wav != "" {
		speech, utterances := o.voice.said()
		l.SpeechMs, l.Utterances = speech.Milliseconds(), utterances
	}
	return l
}
