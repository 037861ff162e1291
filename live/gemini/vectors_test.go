package gemini

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// vectors are recorded frames: see live/simulator, whose tests keep them.
type vectors struct {
	Frames []string `json:"frames"`
}

func readVectors(t testing.TB, name string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "sdk", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil || len(v.Frames) == 0 {
		t.Fatal(name, err)
	}
	return v.Frames
}

// recordedSetups are the setups of the recorded conversations, as a session would ask for them.
func recordedSetups() []live.Setup {
	temperature := float32(0.5)
	weather := json.RawMessage(`{"name":"get_weather","description":"The weather in a city.","behavior":"BLOCKING",` +
		`"parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}},"required":["city"]}}`)
	model, none := live.Model{ID: "gemini-3.8-live"}, live.VAD{PrefixPadding: -1, SilenceDuration: -1}
	compressed := model
	compressed.Compression = true
	return []live.Setup{
		{
			Model: compressed, Modality: "audio", Voice: "Kore", SystemInstruction: "Be brief.", Temperature: &temperature, MaxOutputTokens: 100,
			InputTranscript: true, OutputTranscript: true, Tools: []json.RawMessage{weather}, GoogleSearch: true,
			VAD: live.VAD{StartSensitivity: "high", EndSensitivity: "low", PrefixPadding: 20 * time.Millisecond, SilenceDuration: 100 * time.Millisecond},
		},
		{Model: model, Modality: "audio", VAD: live.VAD{Manual: true}},
		{Model: model, Modality: "audio", VAD: none, SystemInstruction: "[[simulate: go_away]]", Tools: []json.RawMessage{weather}, Handle: "simulated-0"},
	}
}

// commandOf is the command that a recorded frame stands for, and whether it went as clientContent.
func commandOf(t *testing.T, text string) (c live.Command, content bool) {
	t.Helper()
	var m struct {
		RealtimeInput *struct {
			Audio, Video               *struct{ MIMEType, Data string }
			Text                       string
			ActivityStart, ActivityEnd *struct{}
			AudioStreamEnd             bool
		}
		ClientContent *struct {
			Turns []struct {
				Parts []struct{ Text string }
			}
			TurnComplete bool
		}
		ToolResponse *struct{ FunctionResponses []live.ToolResponse }
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	r := m.RealtimeInput
	switch {
	case m.ClientContent != nil:
		return live.Command{Kind: live.CommandText, Text: m.ClientContent.Turns[0].Parts[0].Text, TurnComplete: m.ClientContent.TurnComplete}, true
	case m.ToolResponse != nil:
		return live.Command{Kind: live.CommandToolResponse, Responses: m.ToolResponse.FunctionResponses}, false
	case r == nil:
		t.Fatal("a message of no known kind", text)
	case r.Audio != nil:
		pcm, err := base64.StdEncoding.DecodeString(r.Audio.Data)
		if err != nil {
			t.Fatal(err)
		}
		return live.Command{Kind: live.CommandAudio, PCM: pcm}, false
	case r.Video != nil:
		return live.Command{Kind: live.CommandVideo, MIMEType: r.Video.MIMEType, Data: []byte(r.Video.Data)}, false
	case r.ActivityStart != nil:
		return live.Command{Kind: live.CommandActivityStart}, false
	case r.ActivityEnd != nil:
		return live.Command{Kind: live.CommandActivityEnd}, false
	case r.AudioStreamEnd:
		return live.Command{Kind: live.CommandAudioStreamEnd}, false
	}
	return live.Command{Kind: live.CommandText, Text: r.Text, TurnComplete: true}, false
}

func TestVectors_weSendWhatGooglesSDKsSend(t *testing.T) {
	inEurope := &endpoint{vertex: true, model: func(id string) string { return vertexModel("p", "europe-west4", id) }}
	for name, at := range map[string]*endpoint{"go-gemini": onGemini, "js-gemini": onGemini, "go-vertex": inEurope, "js-vertex": inEurope} {
		setups := recordedSetups()
		for i, text := range readVectors(t, name) {
			var got []byte
			if strings.HasPrefix(text, `{"setup"`) {
				if len(setups) == 0 {
					t.Fatalf("%s: message %d is one setup too many", name, i)
				}
				var err error
				if got, err = buildSetup(&setups[0], at); err != nil {
					t.Fatal(err)
				}
				setups = setups[1:]
			} else {
				s := testSetup()
				c, content := commandOf(t, text)
				if content {
					s.Model.TextInput = "content"
				}
				e := newEncoder(&s)
				wire, err := e.frame(&c)
				if err != nil {
					t.Fatal(err)
				}
				_, p, err := frame.NewReader(strings.NewReader(string(wire)), frame.Server, 1<<20).Next()
				if err != nil {
					t.Fatal(err)
				}
				got = p
			}
			if ours, theirs := sorted(t, string(got)), sorted(t, text); ours != theirs {
				t.Errorf("%s, message %d:\nours   %s\ntheirs %s", name, i, ours, theirs)
			}
		}
		if len(setups) != 0 {
			t.Errorf("%s: %d setups were not recorded", name, len(setups))
		}
	}
}

func TestVectors_weReadWhatTheSimulatorSays(t *testing.T) {
	for _, name := range []string{"simulator-gemini", "simulator-vertex"} {
		seen := map[live.EventKind]bool{}
		for i, text := range readVectors(t, name) {
			got, err := eventsOf((*message).decode, []byte(text), new(carry))
			want, errParsed := eventsOf((*message).parse, []byte(text), new(carry))
			if err != nil || errParsed != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s, message %d: %s\nscanned %+v, %v\nparsed  %+v, %v", name, i, text, got, err, want, errParsed)
			}
			if i == 0 && !slices.Equal(kinds(got), []live.EventKind{live.EventReady}) {
				t.Errorf("%s begins with %s", name, text)
			}
			for _, e := range got {
				seen[e.Kind] = true
				if name == "simulator-vertex" && e.Kind == live.EventResumption && e.Resumable && e.Consumed < 0 {
					t.Errorf("a handle of Vertex AI without an index: %s", text)
				}
			}
		}
		for _, kind := range []live.EventKind{
			live.EventReady, live.EventAudio, live.EventInputTranscript, live.EventOutputTranscript, live.EventGenerationComplete,
			live.EventTurnComplete, live.EventToolCall, live.EventToolCallCancelled, live.EventInterrupted, live.EventUsage,
			live.EventVoiceActivity, live.EventGoAway, live.EventResumption,
		} {
			if !seen[kind] {
				t.Errorf("%s holds no event of kind %d", name, kind)
			}
		}
	}
}
