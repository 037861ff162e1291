package gemini

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

func TestUpstream_holdsATurn(t *testing.T) {
	heard := make(chan map[string]any, 16)
	m := startModel(t, func(p *peer) {
		heard <- p.ready()
		heard <- p.message()
		p.say(audioFrame([]byte{1, 2, 3, 4}))
		p.say(`{"serverContent":{"generationComplete":true}}`)
		p.say(`{"serverContent":{"turnComplete":true},"usageMetadata":{"promptTokenCount":5}}`)
		p.drain()
	})
	u := dial(t, m)
	receive(t, u, live.EventReady)
	pcm := sample(640)
	index, err := u.Send(&live.Command{Kind: live.CommandAudio, PCM: pcm})
	if err != nil || index != 1 {
		t.Fatal(index, err)
	}
	if e := receive(t, u, live.EventAudio); string(e.PCM) != "\x01\x02\x03\x04" {
		t.Fatal(e)
	}
	receive(t, u, live.EventGenerationComplete)
	receive(t, u, live.EventTurnComplete)
	if e := receive(t, u, live.EventUsage); e.Usage.Input != 5 {
		t.Fatal(e)
	}
	setup := (<-heard)["setup"].(map[string]any)
	if setup["model"] != "models/gemini-3.8-live" || !reflect.DeepEqual(setup["sessionResumption"], map[string]any{}) {
		t.Fatal(setup)
	}
	want := map[string]any{"realtimeInput": map[string]any{"audio": map[string]any{
		"mimeType": "audio/pcm;rate=16000", "data": base64.StdEncoding.EncodeToString(pcm),
	}}}
	if got := <-heard; !reflect.DeepEqual(got, want) {
		t.Fatal(got)
	}
	r := m.seen()[0]
	if r.URL.Path != "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent" || r.URL.RawQuery != "" {
		t.Error(r.URL)
	}
	if r.Header.Get("x-goog-api-key") != "test-key" || r.Header.Get("Sec-Websocket-Extensions") != "" {
		t.Error(r.Header)
	}
}

func TestUpstream_sendsEveryCommandAsTheSDKsDo(t *testing.T) {
	commands := []struct {
		c       live.Command
		content string // with Model.TextInput == "content", where that differs
		want    string
	}{
		{
			c: live.Command{Kind: live.CommandText, Text: "hi \"you\" <é>", TurnComplete: true}, want: `{"realtimeInput":{"text":"hi \"you\" <é>"}}`,
			content: `{"clientContent":{"turns":[{"role":"user","parts":[{"text":"hi \"you\" <é>"}]}],"turnComplete":true}}`,
		},
		{c: live.Command{Kind: live.CommandVideo, MIMEType: "image/jpeg", Data: []byte("AQID")}, want: `{"realtimeInput":{"video":{"mimeType":"image/jpeg","data":"AQID"}}}`},
		{c: live.Command{Kind: live.CommandActivityStart}, want: `{"realtimeInput":{"activityStart":{}}}`},
		{c: live.Command{Kind: live.CommandActivityEnd}, want: `{"realtimeInput":{"activityEnd":{}}}`},
		{c: live.Command{Kind: live.CommandAudioStreamEnd}, want: `{"realtimeInput":{"audioStreamEnd":true}}`},
		{
			c:    live.Command{Kind: live.CommandToolResponse, Responses: []live.ToolResponse{{ID: "1", Name: "f", Response: json.RawMessage(`{"output":{"tempC":4}}`), Scheduling: "WHEN_IDLE"}}},
			want: `{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{"output":{"tempC":4}},"scheduling":"WHEN_IDLE"}]}}`,
		},
		{
			c:    live.Command{Kind: live.CommandInstruction, Text: "Speak \"slowly\" <é>"},
			want: `{"contextUpdate":{"systemInstruction":{"parts":[{"text":"Speak \"slowly\" <é>"}]}}}`,
		},
		{c: live.Command{Kind: live.CommandVideo, MIMEType: "image/png", Data: bytes.Repeat([]byte("AAAA"), 50_000)}, want: `{"realtimeInput":{"video":{"mimeType":"image/png","data":"` + strings.Repeat("AAAA", 50_000) + `"}}}`},
	}
	for _, input := range []string{"realtime", "content"} {
		heard := make(chan map[string]any, len(commands))
		m := startModel(t, func(p *peer) {
			p.ready()
			for range commands {
				heard <- p.message()
			}
			p.drain()
		})
		setup := testSetup()
		setup.Model.TextInput = input
		u, err := geminiDialer(t, m.url, testDial()).Dial(context.Background(), setup)
		if err != nil {
			t.Fatal(err)
		}
		receive(t, u, live.EventReady)
		for i, c := range commands {
			if index, err := u.Send(&c.c); err != nil || index != int64(i+1) {
				t.Fatal(index, err)
			}
			text := c.want
			if input == "content" && c.content != "" {
				text = c.content
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			if got := <-heard; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %.200v, want %.200v", input, got, want)
			}
		}
		for _, own := range []live.CommandKind{live.CommandStart, live.CommandInterrupt, live.CommandPing, live.CommandEnd, live.CommandNone} {
			if _, err := u.Send(&live.Command{Kind: own}); err == nil {
				t.Errorf("command %d went up", own)
			}
		}
		u.Close()
	}
}

func TestUpstream_readsWhatCameWithTheHandshake(t *testing.T) {
	for name, cut := range map[string]int{"all in one segment": -1, "cut in the header": 20, "cut behind the header": 0} {
		m := startModel(t, func(p *peer) {
			head := p.accepted()
			b := append(head, frame.Append(nil, frame.Binary, []byte(`{"setupComplete":{}}`))...)
			b = append(b, frame.Append(nil, frame.Binary, []byte(audioFrame(sample(5000))))...)
			switch cut {
			case -1:
				p.write(b)
			case 0:
				p.write(b[:len(head)+1])
				p.write(b[len(head)+1:])
			default:
				p.write(b[:cut])
				p.write(b[cut:])
			}
			p.drain()
		})
		u := dial(t, m)
		receive(t, u, live.EventReady)
		if e := receive(t, u, live.EventAudio); !bytes.Equal(e.PCM, sample(5000)) {
			t.Errorf("%s: %d bytes of audio", name, len(e.PCM))
		}
	}
}

func TestUpstream_takesTextFramesAndFragments(t *testing.T) {
	m := startModel(t, func(p *peer) {
		p.upgrade()
		p.write(frame.Append(nil, frame.Text, []byte(`{"setupComplete":{}}`)))
		whole := []byte(audioFrame(sample(20)))
		p.write(append([]byte{0x02, 100}, whole[:100]...))
		p.write(frame.Append(nil, frame.Ping, []byte("between"))) // a control frame may come in the middle
		p.write(append([]byte{0x80, byte(len(whole) - 100)}, whole[100:]...))
		if got := p.until(frame.Pong); string(got) != "between" {
			t.Errorf("pong %q", got)
		}
		p.drain()
	})
	u := dial(t, m)
	receive(t, u, live.EventReady)
	if e := receive(t, u, live.EventAudio); !bytes.Equal(e.PCM, sample(20)) {
		t.Fatal(e)
	}
}

func TestUpstream_pingsWithoutExpectingAnAnswer(t *testing.T) {
	m := startModel(t, func(p *peer) {
		p.ready()
		p.until(frame.Ping)
		p.until(frame.Ping)
		p.say(`{"serverContent":{"turnComplete":true}}`)
		p.drain()
	})
	cfg := testDial()
	cfg.PingInterval = time.Second // the least that is allowed; shortened below
	d := geminiDialer(t, m.url, cfg)
	d.cfg.PingInterval = time.Millisecond
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	receive(t, u, live.EventReady)
	receive(t, u, live.EventTurnComplete)
}

func TestUpstream_seedsTheHistoryBeforeItIsReady(t *testing.T) {
	heard := make(chan map[string]any, 3)
	m := startModel(t, func(p *peer) {
		heard <- p.ready()
		heard <- p.message()
		heard <- p.message()
		p.drain()
	})
	s := testSetup()
	s.Model.HistorySeeding = true
	s.History = []live.HistoryTurn{{Role: "user", Text: "My name is Ada."}, {Role: "model", Text: "Hello Ada."}}
	u, err := geminiDialer(t, m.url, testDial()).Dial(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	receive(t, u, live.EventReady)
	if index, err := u.Send(&live.Command{Kind: live.CommandAudioStreamEnd}); err != nil || index != 2 {
		t.Fatalf("the history is message 1, this one %d (%v)", index, err)
	}
	setup := (<-heard)["setup"].(map[string]any)
	if !reflect.DeepEqual(setup["historyConfig"], map[string]any{"initialHistoryInClientContent": true}) {
		t.Error(setup)
	}
	content, _ := json.Marshal((<-heard)["clientContent"])
	const want = `{"turnComplete":true,"turns":[{"parts":[{"text":"My name is Ada."}],"role":"user"},{"parts":[{"text":"Hello Ada."}],"role":"model"}]}`
	if string(content) != want {
		t.Errorf("%s", content)
	}
	if got := <-heard; got["realtimeInput"] == nil {
		t.Error(got)
	}
}

func TestUpstream_refusesToSendBeforeItIsReady(t *testing.T) {
	m := startModel(t, func(p *peer) { p.ready(); p.drain() })
	u := dial(t, m)
	if _, err := u.Send(&live.Command{Kind: live.CommandAudioStreamEnd}); err == nil {
		t.Fatal("sent before setupComplete: Google closes 1007")
	}
	receive(t, u, live.EventReady)
	if _, err := u.Send(&live.Command{Kind: live.CommandAudioStreamEnd}); err != nil {
		t.Fatal(err)
	}
}

func TestUpstream_firstEventIsReadyWhateverTheModelSaysFirst(t *testing.T) {
	m := startModel(t, func(p *peer) {
		p.upgrade()
		p.say(`{"sessionResumptionUpdate":{"newHandle":"early","resumable":true}}`)
		p.say(`{"setupComplete":{}}`)
		p.drain()
	})
	receive(t, dial(t, m), live.EventReady)
}

func TestUpstream_saysWhyItEnded(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(p *peer)
		fault  live.UpstreamFault
		detail string
		is     error
		close  int
	}{
		{"bad key", func(p *peer) { p.upgrade(); p.bye(1007, "API key not valid. Please pass a valid API key.") }, live.FaultAuth, "API key is not valid", nil, 1007},
		{"quota after the setup", func(p *peer) {
			p.ready()
			p.bye(1011, "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: h")
		}, live.FaultQuota, "quota", nil, 1011},
		{"unknown model", func(p *peer) {
			p.upgrade()
			p.bye(1008, "models/gemini-9 is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ModelService")
		}, live.FaultRejected, "gemini-9", nil, 1008},
		{"no goodbye", func(p *peer) { p.ready() }, live.FaultBroken, "without a goodbye", ErrAbnormal, 0},
		{"reset", func(p *peer) { p.ready(); _ = p.conn.(interface{ SetLinger(int) error }).SetLinger(0) }, live.FaultBroken, "without a goodbye", ErrAbnormal, 0},
		{"cut off in a frame", func(p *peer) { p.ready(); p.write([]byte{0x82, 20, 'x'}) }, live.FaultBroken, "without a goodbye", io.ErrUnexpectedEOF, 0},
		{"not JSON", func(p *peer) { p.ready(); p.say("<html>"); p.drain() }, live.FaultBroken, "could not be read", ErrNotJSON, 0},
		{"audio that is no base64", func(p *peer) {
			p.ready()
			p.say(`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"!!!!"}}]}}}`)
			p.drain()
		}, live.FaultBroken, "could not be read", ErrNotJSON, 0},
		{"a frame over the limit", func(p *peer) { p.ready(); p.say(strings.Repeat(" ", 100<<10)); p.drain() }, live.FaultBroken, "too long", nil, 0},
		{"a masked frame", func(p *peer) { p.ready(); p.write(frame.AppendMasked(nil, frame.Text, []byte("{}"), 7)); p.drain() }, live.FaultBroken, "WebSocket protocol", nil, 0},
		{"an error message", func(p *peer) {
			p.ready()
			p.say(`{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`)
			p.drain()
		}, live.FaultQuota, "quota", nil, 0},
		{"a normal end", func(p *peer) { p.ready(); p.bye(1000, "") }, live.FaultEnded, "ended the conversation", nil, 1000},
		{"the deadline after goAway", func(p *peer) {
			p.ready()
			p.bye(1008, "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the session durat")
		}, live.FaultBroken, "maximum age", nil, 1008},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := startModel(t, c.script)
			cfg := testDial()
			cfg.MaxFrameBytes = 64 << 10
			u, err := geminiDialer(t, m.url, cfg).Dial(context.Background(), testSetup())
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			e := ending(t, u)
			if e.Fault != c.fault || !strings.Contains(e.Detail, c.detail) || e.Close != c.close {
				t.Errorf("fault %d, close %d, %q (%v)", e.Fault, e.Close, e.Detail, e.Err)
			}
			if c.is != nil && !errors.Is(e, c.is) {
				t.Errorf("%v is not %v", e, c.is)
			}
			if _, err := u.Send(&live.Command{Kind: live.CommandAudioStreamEnd}); !errors.Is(err, e) {
				t.Errorf("Send says %v", err)
			}
		})
	}
}

func TestUpstream_silenceAfterTheSetupIsToldFromAConnectionThatWasGivenUp(t *testing.T) {
	silent := dial(t, startModel(t, func(p *peer) { p.upgrade(); p.drain() }))
	go silent.Wake()
	if e := ending(t, silent); !errors.Is(e, ErrSilent) || e.Fault != live.FaultBroken {
		t.Error(e)
	}
	lively := dial(t, startModel(t, func(p *peer) { p.ready(); p.drain() }))
	receive(t, lively, live.EventReady)
	lively.Wake()
	lively.Wake()
	if e := ending(t, lively); !errors.Is(e, ErrWoken) {
		t.Error(e)
	}
}

func TestUpstream_closesPolitelyAndReceiveReturns(t *testing.T) {
	code := make(chan []byte, 1)
	m := startModel(t, func(p *peer) {
		p.ready()
		// What the client never reads would turn its goodbye into a reset.
		p.say(audioFrame(sample(30_000)))
		code <- append([]byte(nil), p.until(frame.Close)...)
	})
	d := geminiDialer(t, m.url, testDial())
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ending(t, u)
	}()
	u.Close()
	u.Close()
	<-done
	if got := <-code; string(got) != "\x03\xe8" {
		t.Errorf("close frame %q", got)
	}
	if _, err := u.Send(&live.Command{Kind: live.CommandAudioStreamEnd}); err == nil {
		t.Error("sent on a closed connection")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestUpstream_aModelThatStopsReadingEndsTheConnectionInTime(t *testing.T) {
	hold := make(chan struct{})
	stuck := startModel(t, func(p *peer) { p.ready(); <-hold })
	defer close(hold)
	cfg := testDial()
	cfg.WriteTimeout = 100 * time.Millisecond
	cfg.CloseWait = 50 * time.Millisecond
	u, err := geminiDialer(t, stuck.url, cfg).Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	big := live.Command{Kind: live.CommandAudio, PCM: make([]byte, 1<<20)}
	for {
		if _, err = u.Send(&big); err != nil {
			break
		}
	}
	var e *live.UpstreamError
	if !errors.As(err, &e) || e.Fault != live.FaultBroken || !strings.Contains(e.Detail, "in time") {
		t.Fatal(err)
	}
	ending(t, u) // Receive follows
	u.Close()
}

func TestUpstream_sendsPongsAndCommandsFromTwoGoroutines(t *testing.T) {
	const n = 300
	m := startModel(t, func(p *peer) {
		p.ready()
		var sent sync.WaitGroup
		sent.Go(func() {
			for range n {
				p.write(frame.Append(nil, frame.Ping, []byte("ping")))
			}
			p.say(`{"serverContent":{"turnComplete":true}}`)
		})
		for range n {
			if got := p.message(); got["realtimeInput"] == nil {
				t.Error("a message was torn", got)
				break
			}
		}
		sent.Wait()
		p.say(`{"serverContent":{"generationComplete":true}}`)
		p.drain()
	})
	u := dial(t, m)
	receive(t, u, live.EventReady)
	var sender sync.WaitGroup
	sender.Go(func() {
		for range n {
			if _, err := u.Send(&live.Command{Kind: live.CommandAudio, PCM: sample(640)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	receive(t, u, live.EventTurnComplete)
	receive(t, u, live.EventGenerationComplete)
	sender.Wait()
}

func TestUpstream_closeEndsASendThatIsStuck(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	stuck := startModel(t, func(p *peer) { p.ready(); <-hold })
	cfg := testDial()
	cfg.WriteTimeout = time.Minute // closing does not wait for it
	cfg.CloseWait = 50 * time.Millisecond
	d := geminiDialer(t, stuck.url, cfg)
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	sent := make(chan error)
	big := live.Command{Kind: live.CommandAudio, PCM: make([]byte, 8<<20)} // more than the kernel takes
	go func() {
		for {
			if _, err := u.Send(&big); err != nil {
				sent <- err
				return
			}
		}
	}()
	writing := u.(*upstream).link.writer
	for writing.mu.TryLock() { // until somebody writes
		writing.mu.Unlock()
	}
	u.Close()
	if err := <-sent; err == nil {
		t.Fatal("sent")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
