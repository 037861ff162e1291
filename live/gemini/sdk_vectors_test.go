package gemini

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"google.golang.org/genai"
)

// reading is what a message of the model says, however it was decoded.
type reading struct {
	Ready, Interrupted, Generated, Complete, Waiting bool

	PCM, Text, In, Out string
	Calls              []string // id, name and arguments
	Cancelled          []string
	Voice              []bool // speech began, or ended
	Usage              live.Usage
	Handles            []string
	Resumable          []bool
	Consumed           []int64
	TimeLeft           time.Duration
}

// ours is the reading of our own events.
func ours(events []live.Event) (r reading) {
	for _, e := range events {
		switch e.Kind {
		case live.EventReady:
			r.Ready = true
		case live.EventInterrupted:
			r.Interrupted = true
		case live.EventGenerationComplete:
			r.Generated = true
		case live.EventTurnComplete:
			r.Complete = true
		case live.EventWaiting:
			r.Waiting = true
		case live.EventAudio:
			r.PCM += string(e.PCM)
		case live.EventText:
			r.Text += e.Text
		case live.EventInputTranscript:
			r.In += e.Text
		case live.EventOutputTranscript:
			r.Out += e.Text
		case live.EventToolCall:
			for _, c := range e.Calls {
				r.Calls = append(r.Calls, c.ID+" "+c.Name+" "+compact(c.Args))
			}
		case live.EventToolCallCancelled:
			r.Cancelled = append(r.Cancelled, e.IDs...)
		case live.EventVoiceActivity:
			r.Voice = append(r.Voice, e.Started)
		case live.EventUsage:
			r.Usage.Add(e.Usage)
		case live.EventResumption:
			r.Handles, r.Resumable = append(r.Handles, e.Handle), append(r.Resumable, e.Resumable)
			r.Consumed = append(r.Consumed, max(e.Consumed, 0)) // Google's types do not tell 0 from absent
		case live.EventGoAway:
			r.TimeLeft = e.TimeLeft
		}
	}
	return r
}

func compact(raw json.RawMessage) string {
	var v any
	_ = json.Unmarshal(raw, &v)
	p, _ := json.Marshal(v)
	return string(p)
}

// wireNames are the names on the wire that Google's types have others for: Vertex AI's for tokens, and that of the
// voice activity. The SDK renames them before it decodes, on the backend where it knows of them.
var wireNames = strings.NewReplacer(`"candidatesToken`, `"responseToken`, `"type": "ACTIVITY_`, `"voiceActivityType": "ACTIVITY_`)

// theirs is the reading of Google's own types, decoded by encoding/json.
func theirs(t *testing.T, text string) (r reading) {
	t.Helper()
	var m genai.LiveServerMessage
	if err := json.Unmarshal([]byte(wireNames.Replace(text)), &m); err != nil {
		t.Fatal(err, text)
	}
	r.Ready = m.SetupComplete != nil
	if c := m.ServerContent; c != nil {
		r.Interrupted, r.Generated, r.Complete, r.Waiting = c.Interrupted, c.GenerationComplete, c.TurnComplete, c.WaitingForInput
		if c.ModelTurn != nil && !c.Interrupted {
			for _, p := range c.ModelTurn.Parts {
				if p.InlineData != nil {
					r.PCM += string(p.InlineData.Data)
				}
				r.Text += p.Text
			}
		}
		if c.InputTranscription != nil {
			r.In = c.InputTranscription.Text
		}
		if c.OutputTranscription != nil {
			r.Out = c.OutputTranscription.Text
		}
	}
	if m.ToolCall != nil {
		for _, c := range m.ToolCall.FunctionCalls {
			args, _ := json.Marshal(c.Args)
			r.Calls = append(r.Calls, c.ID+" "+c.Name+" "+string(args))
		}
	}
	if m.ToolCallCancellation != nil {
		r.Cancelled = m.ToolCallCancellation.IDs
	}
	if m.VoiceActivity != nil {
		r.Voice = append(r.Voice, m.VoiceActivity.VoiceActivityType == genai.VoiceActivityTypeActivityStart)
	}
	if u := m.SessionResumptionUpdate; u != nil {
		r.Handles, r.Resumable, r.Consumed = append(r.Handles, u.NewHandle), append(r.Resumable, u.Resumable), append(r.Consumed, u.LastConsumedClientMessageIndex)
	}
	if m.GoAway != nil {
		r.TimeLeft = m.GoAway.TimeLeft
	}
	if u := m.UsageMetadata; u != nil {
		r.Usage.Input, r.Usage.Output = int64(u.PromptTokenCount), int64(u.ResponseTokenCount)
		kinds := map[genai.MediaModality]live.Modality{
			genai.MediaModalityText: live.ModalityText, genai.MediaModalityAudio: live.ModalityAudio, genai.MediaModalityImage: live.ModalityImage,
		}
		for _, d := range u.PromptTokensDetails {
			r.Usage.InputBy[kinds[d.Modality]] += int64(d.TokenCount)
		}
		for _, d := range u.ResponseTokensDetails {
			r.Usage.OutputBy[kinds[d.Modality]] += int64(d.TokenCount)
		}
	}
	return r
}

// The simulator's frames mean to our codec what they mean to Google's own types.
func TestSDKVectors_weReadWhatGooglesTypesRead(t *testing.T) {
	for _, name := range []string{"simulator-gemini", "simulator-vertex"} {
		var all reading
		for i, text := range readVectors(t, name) {
			events, err := eventsOf((*message).decode, []byte(text), new(carry))
			if err != nil {
				t.Fatalf("%s, message %d: %v in %s", name, i, err, text)
			}
			got, want := ours(events), theirs(t, text)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, message %d: %s\nours   %+v\ntheirs %+v", name, i, text, got, want)
			}
			all.PCM += got.PCM
			all.Usage.Add(got.Usage)
			all.Calls, all.Cancelled, all.Voice = append(all.Calls, got.Calls...), append(all.Cancelled, got.Cancelled...), append(all.Voice, got.Voice...)
			all.TimeLeft += got.TimeLeft
		}
		// Two empty readings are equal as well: the story must have been there.
		if all.PCM == "" || len(all.Calls) != 2 || len(all.Cancelled) != 1 || len(all.Voice) != 4 || all.TimeLeft != 50*time.Second ||
			all.Usage.InputBy[live.ModalityImage] == 0 || all.Usage.OutputBy[live.ModalityAudio] == 0 {
			t.Errorf("%s: too little was read: %+v", name, all)
		}
	}
}
