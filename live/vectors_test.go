package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func vectors(t *testing.T, file string, v any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The client reads the same vectors: client/src/voice.
func TestStonepot_readsTheClientsVectors(t *testing.T) {
	var v struct {
		Valid   map[string][]json.RawMessage
		Ignored []struct {
			Name, Type string
			Message    json.RawMessage
		}
		Invalid []struct{ Name, Text, Code, Field string }
	}
	vectors(t, "protocol/client_messages.json", &v)
	d := newStonepot("x", usualLimits())
	for kind := range decoders {
		if len(v.Valid[kind]) == 0 {
			t.Errorf("there is no vector for %s", kind)
		}
	}
	for kind, samples := range v.Valid {
		for _, s := range samples {
			var c Command
			if err := d.Decode(Frame{Data: s}, &c); err != nil || c.Kind == CommandNone {
				t.Errorf("%s %s: %v", kind, s, err)
			}
		}
	}
	for _, s := range v.Ignored {
		var c Command
		if err := d.Decode(Frame{Data: s.Message}, &c); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	for _, s := range v.Invalid {
		var c Command
		var m *MessageError
		if err := d.Decode(Frame{Data: []byte(s.Text)}, &c); !errors.As(err, &m) || m.Code != s.Code || s.Field != "" && m.Field != s.Field {
			t.Errorf("%s: %v, want %s %s", s.Name, err, s.Code, s.Field)
		}
	}
}

// What the server writes has the fields of the vectors that the client accepts.
func TestStonepot_writesWhatTheServersVectorsPromise(t *testing.T) {
	var v struct{ Valid map[string][]map[string]any }
	vectors(t, "protocol/server_messages.json", &v)
	d := newStonepot("0b6f8c0e5c7a4d1f", usualLimits())
	event := func(e Event) []byte { b, _ := d.Encode(nil, &e); return b }
	notice := func(n Notice) []byte { b, _ := d.EncodeNotice(nil, n); return b }
	written := [][]byte{
		event(Event{Kind: EventText, Text: "Hello."}),
		event(Event{Kind: EventInputTranscript, Text: "a \"quoted\"\nline", Final: true}),
		event(Event{Kind: EventOutputTranscript, Text: "你好 🎙️"}),
		event(Event{Kind: EventGenerationComplete}),
		event(Event{Kind: EventToolCall, Calls: []ToolCall{{"1", "f", json.RawMessage(`{"a":1}`)}}}),
		event(Event{Kind: EventToolCallCancelled, IDs: []string{"1"}}),
		event(Event{Kind: EventVoiceActivity, Started: true}),
		notice(StartedNotice{"gemini-live", 1, "t", 5}),
		notice(ResumedNotice{5, nil, "t", "kept"}),
		notice(TicketNotice{"t"}),
		notice(SkippedNotice{5, 200, "not_kept"}),
		notice(&AckNotice{5, 4}),
		notice(ReadyNotice{Model: "m", Voice: "v", Language: "auto", Assistant: "a", Audio: AudioFormat{pcmFormat(16000), pcmFormat(24000)}}),
		notice(InterruptedNotice{}),
		notice(TurnNotice{TurnFigures{1, 2, 3, false}}),
		notice(UsageNotice{totals(Usage{Input: 1})}),
		notice(ExpiringNotice{5}),
		notice(ReconnectingNotice{"go_away", 1}),
		notice(ReconnectedNotice{640, 1200, 0}),
		notice(UpdatedNotice{"m", "v", "auto"}),
		notice(RestartedNotice{"upstream_lost"}),
		notice(WarningNotice{"c", "m", "", 5, 1}),
		notice(ErrorNotice{"e", "c", true, "f"}),
		notice(EndedNotice{Reason: "ended", Usage: totals(Usage{})}),
		notice(PongNotice{[]byte("12.5"), 5}),
	}
	for _, b := range written {
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		kind, _ := got["type"].(string)
		samples := v.Valid[kind]
		if len(samples) == 0 {
			t.Errorf("%s has no vector", kind)
		}
		promised := map[string]int{}
		for _, s := range samples {
			for field := range s {
				promised[field]++
			}
		}
		for field := range got {
			if promised[field] == 0 {
				t.Errorf("%s: the field %s is in no vector", kind, field)
			}
		}
		for field, n := range promised {
			if _, ok := got[field]; !ok && n == len(samples) {
				t.Errorf("%s: the field %s is in every vector and was not written: %s", kind, field, b)
			}
		}
	}
}

func FuzzStonepot_decode(f *testing.F) {
	f.Add([]byte(`{"type":"start_session","config":{"voice":"Kore","vad":{"mode":"manual"}}}`))
	f.Add([]byte(`{"type":"tool_response","responses":[{"id":"1","name":"n","response":{}}]}`))
	f.Add([]byte(`{"type":"video_frame","mimeType":"image/png","data":"AAAA"}`))
	d := newStonepot("x", usualLimits())
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Command
		err := d.Decode(Frame{Data: data}, &c)
		var m *MessageError
		switch {
		case err == nil && c.Kind == CommandNone:
			t.Errorf("%q is neither a command nor an error", data)
		case err != nil && (!errors.As(err, &m) || m.Code == "" || m.Message == ""):
			t.Errorf("%q: %v says nothing to a person", data, err)
		}
		if out, _ := d.EncodeNotice(nil, PongNotice{T: c.Time}); !json.Valid(out) {
			t.Errorf("%q makes the server write %q", data, out)
		}
	})
}

// What reads an ack quickly and what reads all JSON agree, and the quick one reads what clients write.
func FuzzQuickAck(f *testing.F) {
	for _, s := range []string{"0", "7", "1234", "007", "-1", "1.5", "1e3", "", "9223372036854775807", "9223372036854775808", "999999999999999999", `1,"received":2`, `"1"`} {
		f.Add([]byte(`{"type":"ack","received":` + s + `}`))
	}
	f.Add([]byte(`{"received":3,"type":"ack"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		quick := Command{Kind: CommandPing, Count: -1}
		before := quick
		if !quickAck(data, &quick) {
			if quick.Kind != before.Kind || quick.Count != before.Count {
				t.Errorf("%q was refused, and changed the command", data)
			}
			return
		}
		var slow Command
		if err := decodeAck(data, &slow); err != nil || slow.Kind != quick.Kind || slow.Count != quick.Count {
			t.Errorf("%q: read quickly as %d, slowly as %d, %v", data, quick.Count, slow.Count, err)
		}
	})
}

func TestQuickAck_readsWhatClientsWrite(t *testing.T) {
	var c Command
	if !quickAck([]byte(`{"type":"ack","received":1234}`), &c) || c.Kind != CommandAck || c.Count != 1234 {
		t.Errorf("%+v", c)
	}
}

// The table of docs/protocol.md and the one of the code are the same.
func TestReasons_areThoseOfTheProtocol(t *testing.T) {
	doc, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## How it ends")
	table, _, _ = strings.Cut(table, "\n## ")
	type row struct {
		close int
		kept  bool
	}
	want := map[string]row{}
	code := regexp.MustCompile("`([a-z0-9_]+)`")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		number, _ := strconv.Atoi(strings.TrimSpace(cells[2]))
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			want[m[1]] = row{number, strings.TrimSpace(cells[3]) == "kept"}
		}
	}
	for _, r := range Reasons() {
		if w, ok := want[r.Code]; !ok || w != (row{r.Close, r.Kept}) {
			t.Errorf("%s: the code has %d, kept %v; the document has %+v (listed: %v)", r.Code, r.Close, r.Kept, w, ok)
		}
		if len(r.Text) > 123 || r.Text == "" {
			t.Errorf("%s: a close text has 1 to 123 bytes", r.Code)
		}
		delete(want, r.Code)
	}
	if len(want) > 0 {
		t.Errorf("the document lists reasons that the code lacks: %v", want)
	}
}

func TestStates_everyEdgeHasAVectorAndEveryVectorAnEdge(t *testing.T) {
	var v struct {
		Browser, Upstream []struct{ From, Event, To string }
	}
	vectors(t, "states.json", &v)
	var edges, listed []string
	for from, row := range browserTable {
		for e, to := range row {
			edges = append(edges, strings.Join([]string{"browser", string(from), string(e), string(to)}, " "))
		}
	}
	for from, row := range upstreamTable {
		for e, to := range row {
			edges = append(edges, strings.Join([]string{"upstream", string(from), string(e), string(to)}, " "))
		}
	}
	for _, x := range v.Browser {
		listed = append(listed, strings.Join([]string{"browser", x.From, x.Event, x.To}, " "))
	}
	for _, x := range v.Upstream {
		listed = append(listed, strings.Join([]string{"upstream", x.From, x.Event, x.To}, " "))
	}
	slices.Sort(edges)
	slices.Sort(listed)
	if !slices.Equal(edges, listed) {
		t.Errorf("edges\n%s\nvectors\n%s", strings.Join(edges, "\n"), strings.Join(listed, "\n"))
	}
}

func TestConfig_refusesWithTheNameOfTheKey(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for key, change := range map[string]func(*Config){
		"limits.max_frame_bytes":       func(c *Config) { c.Limits.MaxFrameBytes = 1 },
		"limits.audio_rate":            func(c *Config) { c.Limits.AudioRate = 0 },
		"audio.playback_lead":          func(c *Config) { c.Audio.PlaybackLead = 0 },
		"audio.max_upstream_chunk":     func(c *Config) { c.Audio.MaxUpstreamChunk = 1 },
		"live.max_sessions":            func(c *Config) { c.Live.MaxSessions = 0 },
		"live.client_may_set":          func(c *Config) { c.Live.ClientMaySet = []string{"everything"} },
		"live.default_models.gemini":   func(c *Config) { c.Live.DefaultModels.Gemini = "none" },
		"live.default_models.vertex":   func(c *Config) { c.Live.DefaultModels.Vertex = "gemini-3.1-flash-live-preview" },
		"live.default_assistant":       func(c *Config) { c.Live.DefaultAssistant = "none" },
		"assistants[0].voice":          func(c *Config) { c.Assistants[0].Voice = "none" },
		"models[1].id":                 func(c *Config) { c.Models[1].ID = c.Models[0].ID },
		"models[0].usage":              func(c *Config) { c.Models[0].Usage = "sometimes" },
		"models[2].output_sample_rate": func(c *Config) { c.Models[2].OutputSampleRate = 5 },
		"tools.timeout":                func(c *Config) { c.Tools.Timeout = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key+" must") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestInbox_keepsOrderAndMemoryHoweverAudioIsCut(t *testing.T) {
	var in inbox
	in.maxUnsent = 1 << 20
	var want, got []byte
	for i := range 200 {
		pcm := bytes.Repeat([]byte{byte(i)}, 2+(i*2654435761>>7)%9000&^1)
		want = append(want, pcm...)
		in.count(0)
		in.addAudio(pcm, time.Time{})
		if i%7 == 0 {
			out, _, _ := in.take(nil, takeRule{minBytes: 640, maxBytes: 3200})
			got = append(got, out...)
		}
	}
	for {
		out, _, _ := in.take(nil, takeRule{flush: true, maxBytes: 3200})
		if len(out) == 0 {
			break
		}
		got = append(got, out...)
	}
	if !bytes.Equal(got, want) || in.unsent != 0 || in.items.len() != 0 {
		t.Errorf("%d bytes came out of %d; %d unsent, %d items", len(got), len(want), in.unsent, in.items.len())
	}
	if in.samples != int64(len(want)/2) || in.received != 200 {
		t.Errorf("%d samples and %d messages were counted", in.samples, in.received)
	}
	in.clear()
}

func usualLimits() *Limits {
	limits := DefaultConfig().Limits
	return &limits
}
