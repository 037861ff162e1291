package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"google.golang.org/genai"
)

// The frames that Google's SDKs send, and what the simulator answers, are kept in ../testdata/sdk: the codec of
// live/gemini is checked against them. This test tells the story again each time and finds them unchanged;
// go test -run Vectors -update ./live/simulator records them anew.
var update = flag.Bool("update", false, "record ../testdata/sdk anew")

// vectorFile is one file of recorded frames: the payloads, in order, of all connections of a story.
type vectorFile struct {
	Name   string   `json:"name"`
	Source string   `json:"source"`
	Frames []string `json:"frames"`
}

const vectorFolder = "../testdata/sdk"

// recorder stands between an SDK and a simulator and keeps what both say.
type recorder struct {
	url   string // of the simulator, ws://
	conns sync.WaitGroup

	mu             sync.Mutex
	client, server []string
	trouble        []error
}

func startRecorder(t *testing.T, s *Server) (*recorder, string) {
	t.Helper()
	r := &recorder{url: wsURL(s)}
	h := httptest.NewServer(r)
	t.Cleanup(func() {
		h.Close()
		r.conns.Wait()
		for _, err := range r.trouble {
			t.Error(err)
		}
	})
	return r, h.URL
}

// ServeHTTP relays one connection.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.conns.Add(1)
	defer r.conns.Done()
	headers := http.Header{}
	for _, name := range []string{"Authorization", "X-Goog-Api-Key"} {
		if v := req.Header.Get(name); v != "" {
			headers.Set(name, v)
		}
	}
	up, _, err := websocket.DefaultDialer.Dial(r.url+req.RequestURI, headers)
	if err != nil {
		r.fail(err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = up.Close() }()
	down, err := (&websocket.Upgrader{}).Upgrade(w, req, nil)
	if err != nil {
		r.fail(err)
		return
	}
	defer func() { _ = down.Close() }()
	var both sync.WaitGroup
	both.Go(func() { r.relay(down, up, websocket.TextMessage, &r.client) })
	both.Go(func() { r.relay(up, down, websocket.BinaryMessage, &r.server) })
	both.Wait()
}

// relay passes on what from says until it ends, and the end with it.
func (r *recorder) relay(from, to *websocket.Conn, want int, kept *[]string) {
	for {
		kind, data, err := from.ReadMessage()
		if err != nil {
			var goodbye *websocket.CloseError
			if errors.As(err, &goodbye) && goodbye.Code != websocket.CloseAbnormalClosure && goodbye.Code != websocket.CloseNoStatusReceived {
				_ = to.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(goodbye.Code, goodbye.Text), time.Now().Add(patience))
			}
			_ = to.Close()
			return
		}
		if kind != want {
			r.fail(fmt.Errorf("a message has the opcode %d, want %d: %.80s", kind, want, data))
		}
		r.mu.Lock()
		*kept = append(*kept, string(data))
		r.mu.Unlock()
		if to.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = append(r.trouble, err)
}

var (
	randomName = regexp.MustCompile(`(simulated|function-call)-[0-9a-f]+-[0-9a-f]+(-[0-9a-f]+)?`)
	longData   = regexp.MustCompile(`("data": ?"[A-Za-z0-9+/]{64})[A-Za-z0-9+/]*={0,2}"`)
)

// settled takes out of a frame what differs from run to run, and shortens audio to 24 samples: enough to see where
// it goes.
func settled(frame string) string {
	frame = randomName.ReplaceAllString(frame, "$1-0")
	return longData.ReplaceAllString(frame, `$1"`)
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, sdk := range []struct {
		name, source string
		tell         func(t *testing.T, url string, backend genai.Backend, s *Server)
	}{
		{"go", "google.golang.org/genai v1.77.0", tellInGo},
		{"js", "@google/genai 2.32.0", func(t *testing.T, url string, backend genai.Backend, _ *Server) {
			runNode(t, url, "messages.mjs", backendName(backend))
		}},
	} {
		for _, backend := range bothBackends {
			t.Run(sdk.name+" "+backendName(backend), func(t *testing.T) {
				t.Parallel()
				cfg := quickConfig()
				cfg.VoiceActivity = true
				s := startServer(t, cfg)
				r, url := startRecorder(t, s)
				sdk.tell(t, url, backend, s)
				r.mu.Lock()
				defer r.mu.Unlock()
				compareVector(t, sdk.name+"-"+backendName(backend), "client frames of "+sdk.source, accepted(r.client), func(t *testing.T, kept, now []string) {
					for i := range max(len(kept), len(now)) {
						if i >= len(kept) || i >= len(now) || !sameJSON(kept[i], now[i]) {
							t.Fatalf("message %d differs:\nkept %s\n now %s", i, at(kept, i), at(now, i))
						}
					}
				})
				if sdk.name == "go" {
					// Pieces depend on the moment; which fields there are does not.
					compareVector(t, "simulator-"+backendName(backend), "server frames of the simulator", r.server, func(t *testing.T, kept, now []string) {
						if a, b := fieldsOf(t, kept), fieldsOf(t, now); !slices.Equal(a, b) {
							t.Fatalf("other fields than recorded:\nkept %s\n now %s", a, b)
						}
					})
				}
			})
		}
	}
}

func backendName(b genai.Backend) string {
	if b == genai.BackendVertexAI {
		return backendVertex
	}
	return backendGemini
}

// accepted leaves out setups that were sent again: a resume is refused until the old socket is gone.
func accepted(frames []string) (list []string) {
	for i, f := range frames {
		if strings.Contains(f, `"setup"`) && i+1 < len(frames) && strings.Contains(frames[i+1], `"setup"`) {
			continue
		}
		list = append(list, f)
	}
	return list
}

func compareVector(t *testing.T, name, source string, frames []string, same func(t *testing.T, kept, now []string)) {
	t.Helper()
	now := vectorFile{Name: name, Source: source}
	for _, f := range frames {
		now.Frames = append(now.Frames, settled(f))
	}
	path := filepath.Join(vectorFolder, name+".json")
	if *update {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(now); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept vectorFile
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	t.Run(name, func(t *testing.T) { same(t, kept.Frames, now.Frames) })
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// fieldsOf lists the paths of all fields in all frames.
func fieldsOf(t *testing.T, frames []string) []string {
	t.Helper()
	paths := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, e := range v {
				paths[path+"."+name] = true
				walk(path+"."+name, e)
			}
		case []any:
			for _, e := range v {
				walk(path+"[]", e)
			}
		}
	}
	for _, f := range frames {
		var v any
		if err := json.Unmarshal([]byte(f), &v); err != nil {
			t.Fatalf("%v in %s", err, f)
		}
		walk("", v)
	}
	return slices.Sorted(maps.Keys(paths))
}

// saw is what tone is, computed alike in every language.
func saw(d time.Duration) []byte {
	n := int(d * inputRate / time.Second)
	pcm := make([]byte, 0, 2*n)
	for i := range n {
		v := int16(i*160%16000 - 8000)
		pcm = append(pcm, byte(v), byte(uint16(v)>>8))
	}
	return pcm
}

// tellInGo sends every message that the SDK can send, in the order of jsconformance/messages.mjs.
func tellInGo(t *testing.T, url string, backend genai.Backend, s *Server) {
	client := liveClient(t, strings.Replace(url, "http:", "ws:", 1), backend)
	transparent := backend == genai.BackendVertexAI
	dialUp := func(cfg *genai.LiveConnectConfig) *caller {
		t.Helper()
		eventually(t, "the socket before is closed", func() bool { return s.Stats().Active == 0 })
		session, err := client.Live.Connect(context.Background(), conformanceModel, cfg)
		if err != nil {
			t.Fatal(err)
		}
		guard := time.AfterFunc(patience, func() { _ = session.Close() })
		t.Cleanup(func() { guard.Stop(); _ = session.Close() })
		return &caller{session, t}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// A conversation with everything in its setup.
	temperature, padding, quiet := float32(0.5), int32(20), int32(100)
	c := dialUp(&genai.LiveConnectConfig{
		ResponseModalities: []genai.Modality{genai.ModalityAudio},
		Temperature:        &temperature,
		MaxOutputTokens:    100,
		SpeechConfig: &genai.SpeechConfig{VoiceConfig: &genai.VoiceConfig{
			PrebuiltVoiceConfig: &genai.PrebuiltVoiceConfig{VoiceName: "Kore"},
		}},
		SystemInstruction: &genai.Content{Parts: []*genai.Part{{Text: "Be brief."}}},
		Tools:             append(weatherTool(), &genai.Tool{GoogleSearch: &genai.GoogleSearch{}}),
		RealtimeInputConfig: &genai.RealtimeInputConfig{AutomaticActivityDetection: &genai.AutomaticActivityDetection{
			StartOfSpeechSensitivity: genai.StartSensitivityHigh, EndOfSpeechSensitivity: genai.EndSensitivityLow,
			PrefixPaddingMs: &padding, SilenceDurationMs: &quiet,
		}},
		InputAudioTranscription:  &genai.AudioTranscriptionConfig{},
		OutputAudioTranscription: &genai.AudioTranscriptionConfig{},
		SessionResumption:        &genai.SessionResumptionConfig{Transparent: transparent},
		ContextWindowCompression: &genai.ContextWindowCompressionConfig{SlidingWindow: &genai.SlidingWindow{}},
	})
	c.speak(saw(100 * time.Millisecond))
	must(c.SendRealtimeInput(genai.LiveRealtimeInput{AudioStreamEnd: true}))
	c.until(turnOver)
	must(c.SendRealtimeInput(genai.LiveRealtimeInput{Video: &genai.Blob{MIMEType: "image/jpeg", Data: []byte("not really a picture")}}))
	c.write("hi")
	c.until(turnOver)
	yes := true
	must(c.SendClientContent(genai.LiveClientContentInput{
		Turns: []*genai.Content{genai.NewContentFromText(`get_weather {"city":"Oslo"}`, genai.RoleUser)}, TurnComplete: &yes,
	}))
	asked := c.until(calling).calls[0]
	must(c.SendToolResponse(genai.LiveToolResponseInput{FunctionResponses: []*genai.FunctionResponse{{
		ID: asked.ID, Name: asked.Name, Response: map[string]any{"output": map[string]any{"tempC": 4}},
	}}}))
	c.until(turnOver)
	must(c.Close())

	// Push to talk.
	c = dialUp(&genai.LiveConnectConfig{
		ResponseModalities:  []genai.Modality{genai.ModalityAudio},
		RealtimeInputConfig: &genai.RealtimeInputConfig{AutomaticActivityDetection: &genai.AutomaticActivityDetection{Disabled: true}},
		SessionResumption:   &genai.SessionResumptionConfig{Transparent: transparent},
	})
	must(c.SendRealtimeInput(genai.LiveRealtimeInput{ActivityStart: &genai.ActivityStart{}}))
	c.speak(saw(60 * time.Millisecond))
	must(c.SendRealtimeInput(genai.LiveRealtimeInput{ActivityEnd: &genai.ActivityEnd{}}))
	c.until(turnOver)
	handle := c.until(handleGiven).handle
	must(c.Close())

	// The same, resumed. The simulator says goAway, and the second answer cuts a tool call short.
	c = dialUp(&genai.LiveConnectConfig{
		ResponseModalities: []genai.Modality{genai.ModalityAudio},
		SystemInstruction:  &genai.Content{Parts: []*genai.Part{{Text: "[[simulate: go_away]]"}}},
		Tools:              weatherTool(),
		SessionResumption:  &genai.SessionResumptionConfig{Handle: handle, Transparent: transparent},
	})
	c.write("get_weather")
	c.until(calling)
	c.write("x")
	c.until(turnOver)
	must(c.Close())
}
