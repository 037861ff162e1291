package gemini

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// sample is half a second of something that is no silence.
func sample(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*31 + i>>8)
	}
	return p
}

func audioFrame(pcm []byte) string {
	return `{"serverContent":{"modelTurn":{"role":"model","parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"` +
		base64.StdEncoding.EncodeToString(pcm) + `"}}]}}}`
}

// eventsOf takes a message apart and copies what its events borrow.
func eventsOf(decode func(*message, []byte) error, p []byte, c *carry) ([]live.Event, error) {
	m := new(message)
	if err := decode(m, []byte(string(p))); err != nil {
		return nil, err
	}
	if m.failure != nil {
		return nil, fmt.Errorf("failure %+v", *m.failure)
	}
	var list []live.Event
	for {
		var e live.Event
		e.Reset()
		found, err := m.next(&e, c)
		if err != nil || !found {
			return list, err
		}
		if e.PCM != nil {
			pcm := []byte(string(e.PCM))
			if e.Framed != nil {
				if len(e.Framed) != frame.Room+len(pcm) || len(pcm) > 0 && &e.Framed[frame.Room] != &e.PCM[0] {
					return nil, fmt.Errorf("%d bytes of audio in a frame of %d", len(pcm), len(e.Framed))
				}
				clear(e.Framed) // nobody needs it any more
			}
			e.PCM, e.Framed = pcm, nil
		}
		list = append(list, e)
	}
}

func kinds(list []live.Event) []live.EventKind {
	var k []live.EventKind
	for _, e := range list {
		k = append(k, e.Kind)
	}
	return k
}

// serverMessages are messages as the real models send them (live-api.md of the wire, go-genai's tests), and what
// they mean.
var serverMessages = []struct {
	name string
	json string
	want []live.Event
}{
	{"setup complete, as captured", "{\n  \"setupComplete\": {}\n}\n", []live.Event{{Kind: live.EventReady}}},
	{"setup complete of Vertex", `{"setupComplete":{"sessionId":"abc"}}`, []live.Event{{Kind: live.EventReady}}},
	{"audio", audioFrame([]byte{1, 2, 3, 4}), []live.Event{{Kind: live.EventAudio, PCM: []byte{1, 2, 3, 4}}}},
	{"audio, pretty, other order", `{
  "serverContent": {
    "modelTurn": {
      "parts": [
        {
          "inlineData": {
            "data": "AQIDBA==",
            "mimeType": "audio/pcm;rate=24000"
          }
        }
      ],
      "role": "model"
    }
  }
}
`, []live.Event{{Kind: live.EventAudio, PCM: []byte{1, 2, 3, 4}}}},
	{
		"audio without a rate", `{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm","data":"AQI="}}]}}}`,
		[]live.Event{{Kind: live.EventAudio, PCM: []byte{1, 2}}},
	},
	{
		"escaped slashes in base64", `{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio\/pcm;rate=24000","data":"\/\/\/\/+v8\/"}}]}}}`,
		[]live.Event{{Kind: live.EventAudio, PCM: []byte{255, 255, 255, 250, 255, 63}}},
	},
	{
		"two parts, a thought and text", `{"serverContent":{"modelTurn":{"parts":[{"text":"hm","thought":true},{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQI="}},{"text":"hi"},{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AwQ="}}]}}}`,
		[]live.Event{{Kind: live.EventAudio, PCM: []byte{1, 2}}, {Kind: live.EventText, Text: "hi"}, {Kind: live.EventAudio, PCM: []byte{3, 4}}},
	},
	{"code that the model ran", `{"serverContent":{"modelTurn":{"parts":[{"executableCode":{"language":"PYTHON","code":"print(1)"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}]}}}`, nil},
	{"a picture from the model", `{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AQI="}}]}}}`, nil},
	{
		"everything in one frame", `{"usageMetadata":{"totalTokenCount":7,"promptTokenCount":5,"responseTokenCount":2,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":5}],"responseTokensDetails":[{"modality":"AUDIO","tokenCount":2}]},"serverContent":{"turnComplete":true,"generationComplete":true,"outputTranscription":{"text":"It is"},"inputTranscription":{"text":" What","finished":true},"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQI="}}]},"interactionStatus":"IDLE"}}`,
		[]live.Event{
			{Kind: live.EventAudio, PCM: []byte{1, 2}},
			{Kind: live.EventInputTranscript, Text: " What", Final: true},
			{Kind: live.EventOutputTranscript, Text: "It is"},
			{Kind: live.EventGenerationComplete},
			{Kind: live.EventTurnComplete, Final: true},
			{Kind: live.EventUsage, Usage: live.Usage{Input: 5, Output: 2, InputBy: [5]int64{1: 5}, OutputBy: [5]int64{1: 2}}},
		},
	},
	{
		"interrupted drops the audio beside it", `{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQI="}}]},"turnComplete":true,"interrupted":true}}`,
		[]live.Event{{Kind: live.EventInterrupted}, {Kind: live.EventTurnComplete, Final: true}},
	},
	{"turn complete, the model works on", `{"serverContent":{"turnComplete":true,"interactionStatus":"IN_PROGRESS"}}`, []live.Event{{Kind: live.EventTurnComplete}}},
	{
		"turn complete with a reason", `{"serverContent":{"turnComplete":true,"turnCompleteReason":"GENERATED_AUDIO_SAFETY"}}`,
		[]live.Event{{Kind: live.EventTurnComplete, Cause: "GENERATED_AUDIO_SAFETY", Final: true}},
	},
	{"waiting for input", `{"serverContent":{"waitingForInput":true}}`, []live.Event{{Kind: live.EventWaiting}}},
	{"an interim transcript is a preview", `{"serverContent":{"interimInputTranscription":{"text":"wha"}}}`, nil},
	{
		"a transcript with everything", `{"serverContent":{"inputTranscription":{"text":"Gr\u00fc\u00df \"Gott\" 😀","languageCode":"de-DE","speakerLabel":"spk_1","words":[{"word":"Grüß","startOffset":"0.1s","endOffset":"0.5s"}],"startOffset":"0.1s"}}}`,
		[]live.Event{{Kind: live.EventInputTranscript, Text: `Grüß "Gott" 😀`}},
	},
	{
		"grounding", `{"serverContent":{"groundingMetadata":{"webSearchQueries":["a"],"searchEntryPoint":{"renderedContent":"<div>\"</div>"},"groundingSupports":[{"confidenceScores":[0.5,1e-3,-1.25E+2]}]},"outputTranscription":{"text":"x"}}}`,
		[]live.Event{{Kind: live.EventOutputTranscript, Text: "x"}},
	},
	{
		"tool call", `{"toolCall":{"functionCalls":[{"id":"function-call-1","name":"get_weather","args":{"city":"Oslo"}},{"id":"2","name":"now"}]}}`,
		[]live.Event{{Kind: live.EventToolCall, Calls: []live.ToolCall{
			{ID: "function-call-1", Name: "get_weather", Args: json.RawMessage(`{"city":"Oslo"}`)},
			{ID: "2", Name: "now", Args: json.RawMessage(`{}`)},
		}}},
	},
	{"tool call cancelled", `{"toolCallCancellation":{"ids":["function-call-1","2"]}}`, []live.Event{{Kind: live.EventToolCallCancelled, IDs: []string{"function-call-1", "2"}}}},
	{
		"usage of Vertex", `{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":3,"candidatesTokenCount":4,"thoughtsTokenCount":2,"totalTokenCount":19,"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":1},{"tokenCount":3,"modality":"AUDIO"}],"toolUsePromptTokensDetails":[{"modality":"DOCUMENT","tokenCount":3}],"trafficType":"ON_DEMAND"}}`,
		[]live.Event{{Kind: live.EventUsage, Usage: live.Usage{Input: 13, Output: 6, InputBy: [5]int64{4: 3}, OutputBy: [5]int64{0: 1, 1: 3}}}},
	},
	{"usage of nothing", `{"serverContent":{"turnComplete":true},"usageMetadata":{}}`, []live.Event{{Kind: live.EventTurnComplete, Final: true}}},
	{
		"resumption, resumable", `{"sessionResumptionUpdate":{"newHandle":"H9","resumable":true,"lastConsumedClientMessageIndex":"12"}}`,
		[]live.Event{{Kind: live.EventResumption, Handle: "H9", Resumable: true, Consumed: 12}},
	},
	{
		"resumption, index as a number", `{"sessionResumptionUpdate":{"newHandle":"H9","resumable":true,"lastConsumedClientMessageIndex":12}}`,
		[]live.Event{{Kind: live.EventResumption, Handle: "H9", Resumable: true, Consumed: 12}},
	},
	{"resumption, not now", `{"sessionResumptionUpdate":{}}`, []live.Event{{Kind: live.EventResumption, Consumed: -1}}},
	{"go away", `{"goAway":{"timeLeft":"50s"}}`, []live.Event{{Kind: live.EventGoAway, TimeLeft: 50 * time.Second}}},
	{"go away, fractions", `{"goAway":{"timeLeft":"6.680s"}}`, []live.Event{{Kind: live.EventGoAway, TimeLeft: 6680 * time.Millisecond}}},
	{"go away at once", `{"goAway":{}}`, []live.Event{{Kind: live.EventGoAway}}},
	{"voice activity with empty content", `{"serverContent":{},"voiceActivity":{"type":"ACTIVITY_START","audioOffset":"0.440s"}}`, []live.Event{{Kind: live.EventVoiceActivity, Started: true}}},
	{"voice activity ends, the SDKs' name", `{"voiceActivity":{"voiceActivityType":"ACTIVITY_END"}}`, []live.Event{{Kind: live.EventVoiceActivity}}},
	{"explicit signal", `{"voiceActivityDetectionSignal":{"vadSignalType":"VAD_SIGNAL_TYPE_SOS"}}`, []live.Event{{Kind: live.EventVoiceActivity, Started: true}}},
	{"nothing at all", `{}`, nil},
	{"a member that comes next month", `{"newThing":{"a":[1,{"b":null},"\u00e9",true,false,-0.5e3]},"serverContent":{"generationComplete":true,"other":[]}}`, []live.Event{{Kind: live.EventGenerationComplete}}},
	{"a name with an escape", `{"serverC\u006fntent":{"turnComplete":true}}`, []live.Event{{Kind: live.EventTurnComplete, Final: true}}},
	{"the same name twice", `{"serverContent":{"turnComplete":false,"turnComplete":true}}`, []live.Event{{Kind: live.EventTurnComplete, Final: true}}},
	{"known members of strange types", `{"serverContent":{"turnComplete":"yes","modelTurn":[],"inputTranscription":"x","outputTranscription":null,"interrupted":1},"goAway":7,"usageMetadata":"much"}`, nil},
}

func TestDecode_everyServerMessage(t *testing.T) {
	for _, c := range serverMessages {
		for i := range c.want {
			if c.want[i].Kind != live.EventResumption {
				c.want[i].Consumed = -1
			}
		}
		for way, decode := range map[string]func(*message, []byte) error{"decode": (*message).decode, "parse": (*message).parse} {
			got, err := eventsOf(decode, []byte(c.json), new(carry))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, %s:\n got %+v, %v\nwant %+v", c.name, way, got, err, c.want)
			}
		}
	}
}

func TestScan_knowsTheEverydayMessages(t *testing.T) {
	left := map[string]bool{
		"voice activity with empty content": true, "voice activity ends, the SDKs' name": true, "explicit signal": true,
		"a name with an escape": true, "the same name twice": true, "known members of strange types": true,
		"escaped slashes in base64": true, // for the escape in the type
	}
	for _, c := range serverMessages {
		if got := new(message).scan([]byte(c.json)); got == left[c.name] {
			t.Errorf("%s: scanned %v", c.name, got)
		}
	}
	if !new(message).scan([]byte(`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"\/\/8="}}]}}}`)) {
		t.Error("escaped slashes in base64 are left to encoding/json")
	}
}

func TestDecode_carriesTheOddByteToTheNextPieceAndDropsItAtTheTurnsEnd(t *testing.T) {
	pcm := sample(1000)
	for _, end := range []string{`{"serverContent":{"turnComplete":true}}`, `{"serverContent":{"interrupted":true}}`} {
		var c carry
		var got []byte
		at := 0
		for _, n := range []int{1, 2, 1, 333, 0, 334, 329} {
			list, err := eventsOf((*message).decode, []byte(audioFrame(pcm[at:at+n])), &c)
			if err != nil {
				t.Fatal(err)
			}
			at += n
			for _, e := range list {
				if len(e.PCM)%2 != 0 {
					t.Fatalf("a piece of %d bytes", len(e.PCM))
				}
				got = append(got, e.PCM...)
			}
		}
		if string(got) != string(pcm) {
			t.Fatal("the pieces do not join to what was sent")
		}
		if _, err := eventsOf((*message).decode, []byte(audioFrame([]byte{9, 9, 9})), &c); err != nil || !c.odd {
			t.Fatal(err, c)
		}
		if _, err := eventsOf((*message).decode, []byte(end), &c); err != nil {
			t.Fatal(err)
		}
		list, err := eventsOf((*message).decode, []byte(audioFrame([]byte{1, 2})), &c)
		if err != nil || string(list[0].PCM) != "\x01\x02" {
			t.Fatalf("after %s: %v %v", end, list, err)
		}
	}
}

func TestCarry_decodesInPlaceLikeTheStandardLibrary(t *testing.T) {
	for n := range 400 {
		pcm := sample(n)
		p := append([]byte{'"'}, base64.StdEncoding.EncodeToString(pcm)...)
		var c carry
		_, got, err := c.decode(p, 0)
		if err != nil || string(got) != string(pcm[:n&^1]) || c.odd != (n%2 == 1) {
			t.Fatalf("%d bytes: %v %v", n, got, err)
		}
	}
	for _, bad := range []string{"A", "AB", "ABC", "AB=", "AQ I=", "AQ\nI=", "AQI=\n", "AQI=AQI=", "====", "AQI-", "AQ==AQ==", "é==="} {
		if _, got, err := new(carry).decode(append([]byte{'"'}, bad...), 0); err == nil {
			t.Errorf("%q decoded to %v", bad, got)
		}
	}
}

func TestDecode_refusesWhatIsNoJSONObject(t *testing.T) {
	for _, bad := range []string{
		"", " ", "null", "[]", `"x"`, "{", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`,
		`{"a":tru}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":[1,]}`, `{"a":[}`, `{}{}`, `{} x`, "\xef\xbb\xbf{}",
		`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQ` + "\n" + `I="}}]}}}`,
		`{"serverContent":{"interrupted":true,"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQ` + "\n" + `I="}}]}}}`,
		`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AQ` + "\n" + `I="}}]}}}`,
		`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AQI="`,
		strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000),
	} {
		if list, err := eventsOf((*message).decode, []byte(bad), new(carry)); err == nil {
			t.Errorf("%.60q gave %v", bad, list)
		}
	}
	deep := `{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `,"serverContent":{"turnComplete":true}}`
	if list, err := eventsOf((*message).decode, []byte(deep), new(carry)); err != nil || len(list) != 1 {
		t.Errorf("500 levels: %v %v", list, err)
	}
}

// compare checks that the scanner, where it does not give up, says what encoding/json says.
func compare(t *testing.T, p []byte) {
	t.Helper()
	var a, b carry
	a.odd, b.odd = len(p)%3 == 0, len(p)%3 == 0
	before := string(p)
	m := new(message)
	if !m.scan(p) {
		if string(p) != before {
			t.Fatal("the scanner gave up and changed the message")
		}
		return
	}
	fast, errFast := eventsOf(func(m *message, p []byte) error {
		if !m.scan(p) {
			t.Fatal("scanned once, not twice")
		}
		return nil
	}, p, &a)
	slow, errSlow := eventsOf((*message).parse, p, &b)
	if (errFast == nil) != (errSlow == nil) || errFast == nil && (!reflect.DeepEqual(fast, slow) || a != b) {
		t.Fatalf("%q\nscanned %+v, %v\nparsed  %+v, %v", p, fast, errFast, slow, errSlow)
	}
}

func FuzzScan(f *testing.F) {
	for _, c := range serverMessages {
		f.Add([]byte(c.json))
	}
	for _, name := range []string{"simulator-gemini", "simulator-vertex"} {
		for _, text := range readVectors(f, name) {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(compare)
}

// FuzzScanShapes builds messages from what a stranger could vary and stay within the protocol: order of members,
// white space, escapes, parts, unknown members.
func FuzzScanShapes(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g := &generator{rand.New(rand.NewPCG(seed, 1))}
		compare(t, []byte(g.message()))
	})
}

// generator writes random messages of the protocol.
type generator struct{ *rand.Rand }

func (g *generator) space() string {
	return []string{"", "", "", " ", "\n  ", "\t", "\r\n"}[g.IntN(7)]
}

// object writes some of the members in any order, sometimes with one that nobody knows.
func (g *generator) object(members map[string]func() string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(members)) { // the same for the same seed
		if g.IntN(3) > 0 {
			list = append(list, g.space()+`"`+name+`"`+g.space()+":"+g.space()+members[name]()+g.space())
		}
	}
	if g.IntN(4) == 0 {
		list = append(list, g.space()+`"future`+fmt.Sprint(g.IntN(9))+`":`+g.any(3))
	}
	if g.IntN(60) == 0 && len(list) > 0 {
		list = append(list, list[0])
	}
	g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return "{" + strings.Join(list, ",") + g.space() + "}"
}

func (g *generator) list(value func() string) string {
	var list []string
	for range g.IntN(4) {
		list = append(list, g.space()+value()+g.space())
	}
	return "[" + g.space() + strings.Join(list, ",") + "]"
}

func (g *generator) any(depth int) string {
	switch g.IntN(7) {
	case 0:
		return g.text()
	case 1:
		return fmt.Sprint(g.IntN(1000) - 500)
	case 2:
		return []string{"0", "-0", "1.5", "1e9", "-2.5E-3", "0.0"}[g.IntN(6)]
	case 3:
		return []string{"true", "false", "null"}[g.IntN(3)]
	case 4:
		if depth > 0 {
			return g.list(func() string { return g.any(depth - 1) })
		}
	case 5:
		if depth > 0 {
			return g.object(map[string]func() string{"text": g.text, "x": func() string { return g.any(depth - 1) }})
		}
	}
	return `"IN_PROGRESS"`
}

func (g *generator) text() string {
	return `"` + []string{"", "hello", " wörld", `a\"b`, `\u00e9\ud83d\ude00`, `\ud800`, "\xff", `\\`, `\/`, "IDLE", "IN_PROGRESS", "50s", "x5s"}[g.IntN(13)] + `"`
}

func (g *generator) flag() string {
	return []string{"true", "false", "true", "null", `"true"`}[g.IntN(5)]
}

func (g *generator) number() string {
	return []string{"0", "7", `"12"`, "-3", "1.0", "9007199254740993", `"x"`, "123456789012345678901"}[g.IntN(8)]
}

func (g *generator) data() string {
	s := base64.StdEncoding.EncodeToString(sample(g.IntN(100)))
	switch g.IntN(12) {
	case 0:
		s = strings.ReplaceAll(s, "/", `\/`)
	case 1:
		s = strings.TrimRight(s, "=")
	case 2:
		s += "\n"
	case 3:
		s = strings.ReplaceAll(s, "A", `\u0041`)
	}
	return `"` + s + `"`
}

func (g *generator) message() string {
	mime := func() string {
		return []string{`"audio/pcm;rate=24000"`, `"audio/pcm;rate=24000"`, `"audio/pcm"`, `"audio/PCM; rate=16000"`, `"image/png"`, `"audio\/pcm;rate=24000"`}[g.IntN(6)]
	}
	blob := func() string { return g.object(map[string]func() string{"mimeType": mime, "data": g.data}) }
	part := func() string {
		return g.object(map[string]func() string{"inlineData": blob, "text": g.text, "thought": g.flag})
	}
	turn := func() string {
		return g.object(map[string]func() string{"parts": func() string { return g.list(part) }, "role": g.text})
	}
	transcript := func() string {
		return g.object(map[string]func() string{"text": g.text, "finished": g.flag, "words": func() string { return g.any(3) }})
	}
	content := func() string {
		return g.object(map[string]func() string{
			"modelTurn": turn, "interrupted": g.flag, "turnComplete": g.flag, "generationComplete": g.flag, "waitingForInput": g.flag,
			"inputTranscription": transcript, "outputTranscription": transcript, "turnCompleteReason": g.text, "interactionStatus": g.text,
		})
	}
	detail := func() string {
		modality := func() string { return []string{`"AUDIO"`, `"TEXT"`, `"SMELL"`}[g.IntN(3)] }
		return g.object(map[string]func() string{"modality": modality, "tokenCount": g.number})
	}
	details := func() string { return g.list(detail) }
	usage := func() string {
		return g.object(map[string]func() string{
			"promptTokenCount": g.number, "responseTokenCount": g.number, "candidatesTokenCount": g.number, "thoughtsTokenCount": g.number,
			"promptTokensDetails": details, "responseTokensDetails": details, "candidatesTokensDetails": details,
		})
	}
	call := func() string {
		return g.object(map[string]func() string{"id": g.text, "name": g.text, "args": func() string { return g.any(3) }})
	}
	return g.space() + g.object(map[string]func() string{
		"serverContent": content, "usageMetadata": usage,
		"sessionResumptionUpdate": func() string {
			return g.object(map[string]func() string{"newHandle": g.text, "resumable": g.flag, "lastConsumedClientMessageIndex": g.number})
		},
		"goAway": func() string { return g.object(map[string]func() string{"timeLeft": g.text}) },
		"toolCall": func() string {
			return g.object(map[string]func() string{"functionCalls": func() string { return g.list(call) }})
		},
	}) + g.space()
}
