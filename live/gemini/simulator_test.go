package gemini

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
	"golang.org/x/oauth2"
)

// startSimulator serves a simulator that is in a hurry.
func startSimulator(t *testing.T, change func(*simulator.Config)) *simulator.Server {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter, cfg.RefusalDelay = time.Millisecond, 0, time.Millisecond
	cfg.ThinkingDelay, cfg.ThinkingExtra = time.Millisecond, 0
	cfg.SilenceDuration = 200 * time.Millisecond
	cfg.Pace = 50
	if change != nil {
		change(&cfg)
	}
	s, err := simulator.New(cfg, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// bothDialers are both backends' dialers against one simulator.
func bothDialers(t *testing.T, s *simulator.Server) map[string]*Dialer {
	t.Helper()
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a-token"})
	v, err := NewVertex(VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: s.URL(), APIVersion: "v1beta1"}, testDial(), tokens, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return map[string]*Dialer{"gemini": geminiDialer(t, s.URL(), testDial()), "vertex": v}
}

func simulated() live.Setup {
	s := testSetup()
	s.Voice, s.InputTranscript, s.OutputTranscript = "Kore", true, true
	s.Model.Compression = true
	return s
}

// conversation is a connection to the simulator.
type conversation struct {
	live.Upstream
	t *testing.T
}

func talkTo(t *testing.T, d *Dialer, s live.Setup) conversation {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	u, err := d.Dial(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	stop := context.AfterFunc(ctx, u.Wake)
	t.Cleanup(func() { stop() })
	receive(t, u, live.EventReady)
	return conversation{u, t}
}

func (c conversation) send(cmd live.Command) {
	c.t.Helper()
	if _, err := c.Send(&cmd); err != nil {
		c.t.Fatal(err)
	}
}

// speak sends a tone and then silence, in pieces of 20 ms.
func (c conversation) speak(speech, silence time.Duration) {
	c.t.Helper()
	const rate = 16000
	for at := range int((speech + silence) / (20 * time.Millisecond)) {
		pcm := make([]byte, rate/50*2)
		if time.Duration(at)*20*time.Millisecond < speech {
			for i := range rate / 50 {
				v := int16(12000 * math.Sin(2*math.Pi*440*float64(at*rate/50+i)/rate))
				pcm[2*i], pcm[2*i+1] = byte(v), byte(uint16(v)>>8)
			}
		}
		c.send(live.Command{Kind: live.CommandAudio, PCM: pcm})
	}
}

// heard is what was received until an event.
type heard struct {
	audio   int
	input   string
	output  string
	handle  string
	usage   live.Usage
	last    live.Event
	events  map[live.EventKind]int
	indexed bool
}

func (c conversation) until(kind live.EventKind) heard {
	c.t.Helper()
	h := heard{events: map[live.EventKind]int{}}
	for {
		var e live.Event
		if err := c.Receive(&e); err != nil {
			c.t.Fatalf("waiting for event %d: %v (after %+v)", kind, err, h)
		}
		h.events[e.Kind]++
		switch e.Kind {
		case live.EventAudio:
			if len(e.PCM)%2 != 0 {
				c.t.Error("half a sample")
			}
			h.audio += len(e.PCM)
		case live.EventInputTranscript:
			h.input += e.Text
		case live.EventOutputTranscript:
			h.output += e.Text
		case live.EventUsage:
			h.usage.Add(e.Usage)
		case live.EventResumption:
			if e.Resumable {
				h.handle, h.indexed = e.Handle, e.Consumed >= 0
			}
		}
		if e.Kind == kind && (kind != live.EventResumption || e.Resumable) {
			h.last = e
			return h
		}
	}
}

func TestSimulator_hearsAndAnswersOnBothBackends(t *testing.T) {
	s := startSimulator(t, func(c *simulator.Config) { c.OddPieces = true })
	for name, d := range bothDialers(t, s) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := talkTo(t, d, simulated())
			c.until(live.EventResumption) // the first handle comes unasked
			c.speak(300*time.Millisecond, 400*time.Millisecond)
			h := c.until(live.EventTurnComplete)
			if h.audio < 4800 || h.input == "" || h.output == "" || h.events[live.EventGenerationComplete] != 1 {
				t.Errorf("%+v", h)
			}
			usage := h.usage
			h = c.until(live.EventResumption)
			usage.Add(h.usage)
			if h.handle == "" || usage.Input == 0 || usage.Output == 0 || h.indexed != (name == "vertex") {
				t.Errorf("%+v %+v", h, usage)
			}
			c.Close()

			resumed := simulated()
			resumed.Handle = h.handle
			c = talkTo(t, d, resumed)
			c.send(live.Command{Kind: live.CommandText, Text: "on", TurnComplete: true})
			c.until(live.EventAudio)
			c.Close()
		})
	}
}

func TestSimulator_isInterruptedAndCallsATool(t *testing.T) {
	s := startSimulator(t, func(c *simulator.Config) { c.Pace = 1 }) // an answer takes long enough to be interrupted
	for name, d := range bothDialers(t, s) {
		setup := simulated()
		setup.Tools = []json.RawMessage{json.RawMessage(`{"name":"get_weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}}},"behavior":"BLOCKING"}`)}
		c := talkTo(t, d, setup)
		c.send(live.Command{Kind: live.CommandText, Text: `get_weather {"city":"Oslo"}`, TurnComplete: true})
		call := c.until(live.EventToolCall).last.Calls[0]
		if call.Name != "get_weather" || string(call.Args) == "" {
			t.Fatal(name, call)
		}
		c.send(live.Command{Kind: live.CommandToolResponse, Responses: []live.ToolResponse{{ID: call.ID, Name: call.Name, Response: json.RawMessage(`{"output":{"tempC":4}}`)}}})
		if h := c.until(live.EventAudio); len(h.last.PCM) == 0 {
			t.Error(name, h)
		}
		c.speak(600*time.Millisecond, 0)
		c.until(live.EventInterrupted)
		c.until(live.EventTurnComplete)
		c.Close()
	}
}

func TestSimulator_troubleIsToldApart(t *testing.T) {
	s := startSimulator(t, nil)
	d := geminiDialer(t, s.URL(), testDial())
	marked := func(fault string) live.Setup {
		setup := simulated()
		setup.SystemInstruction = "[[simulate: " + fault + "]]"
		return setup
	}
	with := func(change func(*live.Setup)) live.Setup { setup := simulated(); change(&setup); return setup }
	for _, c := range []struct {
		name   string
		dialer *Dialer
		setup  live.Setup
		fault  live.UpstreamFault
		is     error
	}{
		{"bad key", geminiDialer(t, s.URL(), testDial(), "bad-key"), simulated(), live.FaultAuth, nil},
		{"unknown model", d, with(func(s *live.Setup) { s.Model.ID = "none" }), live.FaultRejected, nil},
		{"unknown voice", d, with(func(s *live.Setup) { s.Voice = "Nobody" }), live.FaultRejected, nil},
		{"foreign handle", d, with(func(s *live.Setup) { s.Handle = "nobody-gave-this" }), live.FaultDeadHandle, nil},
		{"quota", d, marked("quota"), live.FaultQuota, nil},
		{"internal error", d, marked("internal_error"), live.FaultBroken, nil},
		{"drop", d, marked("drop"), live.FaultBroken, ErrAbnormal},
		{"not JSON", d, marked("not_json"), live.FaultBroken, ErrNotJSON},
		{"refused setup", d, marked(`refuse_setup reason="Request contains an invalid argument."`), live.FaultRejected, nil},
		{"aborted", d, marked(`close code=1008 reason="The operation was aborted."`), live.FaultBroken, nil},
		{"goes away", d, marked("go_away"), live.FaultBroken, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u, err := c.dialer.Dial(context.Background(), c.setup)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			defer time.AfterFunc(patience, u.Wake).Stop()
			if c.name == "goes away" {
				conversation{u, t}.until(live.EventGoAway)
				return
			}
			if e := ending(t, u); e.Fault != c.fault || c.is != nil && !errors.Is(e, c.is) {
				t.Errorf("fault %d: %v", e.Fault, e)
			}
		})
	}
}

func TestSimulator_isSilentAfterTheSetup(t *testing.T) {
	s := startSimulator(t, nil)
	setup := simulated()
	setup.SystemInstruction = "[[simulate: silent_setup]]"
	u, err := geminiDialer(t, s.URL(), testDial()).Dial(context.Background(), setup)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	go u.Wake()
	if e := ending(t, u); !errors.Is(e, ErrSilent) {
		t.Error(e)
	}
}

func TestSimulator_seedsAHistory(t *testing.T) {
	s := startSimulator(t, nil)
	for _, d := range bothDialers(t, s) {
		setup := simulated()
		setup.Model.HistorySeeding = true
		setup.History = []live.HistoryTurn{{Role: "user", Text: "I am Ada."}, {Role: "model", Text: "Hello Ada."}}
		c := talkTo(t, d, setup)
		c.send(live.Command{Kind: live.CommandText, Text: "Who?", TurnComplete: true})
		c.until(live.EventAudio)
		c.Close()
	}
}

// It reads strictly: what it does not know ends the connection.
func TestSimulator_takesAnotherInstruction(t *testing.T) {
	s := startSimulator(t, nil)
	for _, d := range bothDialers(t, s) {
		c := talkTo(t, d, simulated())
		c.send(live.Command{Kind: live.CommandInstruction, Text: "Speak slowly and clearly."})
		c.send(live.Command{Kind: live.CommandText, Text: "Hello?", TurnComplete: true})
		c.until(live.EventAudio)
		c.Close()
	}
}

func TestSimulator_chatsOnBothBackends(t *testing.T) {
	s := startSimulator(t, nil)
	for name, c := range chats(t, s.URL()) {
		var text strings.Builder
		usage, err := c.Stream(context.Background(), ChatRequest{Model: "gemini-3.8-flash", Text: "Hello there."}, func(piece string) error {
			text.WriteString(piece)
			return nil
		})
		if err != nil || !strings.Contains(strings.ToLower(text.String()), "simulat") || usage.Input == 0 || usage.Output == 0 {
			t.Errorf("%s: %q %+v %v", name, text.String(), usage, err)
		}
		_, err = c.Stream(context.Background(), ChatRequest{Model: "none", Text: "Hello"}, func(string) error { return nil })
		var e *live.UpstreamError
		if !errors.As(err, &e) || e.Fault != live.FaultRejected {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.(io.Closer).Close()
	}
}
