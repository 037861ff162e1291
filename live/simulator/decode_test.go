package simulator

import (
	"bytes"
	"strings"
	"testing"
)

func TestDecode_takesWhatGoogleTakes(t *testing.T) {
	for name, text := range map[string]string{
		"camelCase":              `{"realtimeInput":{"audioStreamEnd":true}}`,
		"snake_case":             `{"realtime_input":{"audio_stream_end":true}}`,
		"int64 as a string":      `{"setup":{"model":"models/x","contextWindowCompression":{"triggerTokens":"25000","slidingWindow":{"targetTokens":8000}}}}`,
		"null as absent":         `{"setup":{"model":"models/x","tools":null}}`,
		"one for a list":         `{"setup":{"model":"models/x","tools":{"googleSearch":{}}}}`,
		"labels":                 `{"setup":{"model":"models/x","labels":{"a_b":"c"}}}`,
		"JSON Schema":            `{"setup":{"model":"models/x","tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","additionalProperties":false}}]}]}}`,
		"INTERRUPTED":            `{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{},"scheduling":"INTERRUPTED"}]}}`,
		"a schema in lower case": `{"setup":{"model":"models/x","tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"object"}}]}]}}`,
		"a schema":               `{"setup":{"model":"models/x","tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","title":"x"}}]}]}}`,
		"arguments":              `{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{"any_thing":{"at":["all"]}}}]}}`,
		"pretty audio":           "{\n \"realtimeInput\": {\"audio\": {\"data\": \"AAAA\", \"mimeType\": \"audio/pcm\"}}}",
	} {
		if _, refused := decode([]byte(text)); refused != nil {
			t.Errorf("%s: %v", name, refused)
		}
	}
}

func TestDecode_refusesWhatGoogleRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		`{"setup":{"bogusField":1}}`: `Invalid JSON payload received. Unknown name "bogusField" at 'setup': Cannot find field.`,
		`{"bogus":{}}`:               `Invalid JSON payload received. Unknown name "bogus": Cannot find field.`,
		`{"setup":{"generationConfig":{"stopSequence":[]}}}`: `Invalid JSON payload received. Unknown name "stopSequence" at 'setup.generation_config': Cannot find field.`,
		`{"setup":{"model":7}}`:                              `Invalid value at 'setup.model'`,
		`{"realtimeInput":{"audio":{"data":"%%%"}}}`:         `Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), Base64 decoding failed`,
		`{"setup":{"tools":[{"functionDeclarations":[{"parameters":` + strings.Repeat(`{"items":`, 5000) + `{}` + strings.Repeat(`}`, 5000) + `}]}]}}`: reasonArgument,
		`nonsense`: `Invalid JSON payload received. Parse error.`,
		`[]`:       `Invalid JSON payload received. Parse error.`,
		`{}`:       reasonArgument,
		`{"realtimeInput":{"text":"a"},"clientContent":{}}`:            reasonArgument,
		`{"realtimeInput":{"audioStreamEnd":true}}{"toolResponse":{}}`: `Invalid JSON payload received. Parse error.`,
	} {
		if _, refused := decode([]byte(text)); refused == nil || refused.code != 1007 || refused.reason != reason {
			t.Errorf("%.200s: %v, want %q", text, refused, reason)
		}
	}
}

// FuzzDecode checks that the short way for audio reads what the strict decoder reads, and nothing else.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AAEC"}}}`))
	f.Add([]byte(`{"realtimeInput":{"audio":{"data":"AAEC","mimeType":"audio/pcm;rate=16000"}}}` + "\n"))
	f.Add([]byte(`{"setup":{"model":"models/gemini","labels":{"a":"b"}}}`))
	f.Add([]byte(`{"realtimeInput":{"audio":{"data":"AA\/C","mimeType":"audio/pcm;rate=16000","data":""}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		pcm, rate, short := plainAudio(data, nil)
		m, refused := decode(data)
		if !short {
			return
		}
		if refused != nil || m.RealtimeInput == nil || m.RealtimeInput.Audio == nil {
			t.Fatalf("%q is audio the short way, but %v the strict way", data, refused)
		}
		strict, ok := pcmRate(m.RealtimeInput.Audio.MIMEType)
		if !ok || strict != rate || !bytes.Equal(pcm, m.RealtimeInput.Audio.Data) {
			t.Fatalf("%q: %d bytes at %d the short way, %d at %d the strict way", data, len(pcm), rate, len(m.RealtimeInput.Audio.Data), strict)
		}
	})
}

func TestPretty_isFramedAsGoogleFramesIt(t *testing.T) {
	if got := string(pretty(object{"setupComplete": object{}})); got != "{\n  \"setupComplete\": {}\n}\n" {
		t.Errorf("%q", got)
	}
	pcm := []byte{1, 2, 3, 4}
	if got, want := audioMessage(pcm), pretty(object{"serverContent": object{"modelTurn": audioPart(pcm)}}); len(got) != len(want) || !sameJSON(string(got), string(want)) {
		t.Errorf("audio by hand\n%s\nand by the encoder\n%s", got, want)
	}
}

func TestParseFault_readsMarkers(t *testing.T) {
	faults, err := markedFaults(`Be kind. [[simulate: close code=1011 reason="Internal error encountered." after=2s]] [[simulate:quota]]`)
	if err != nil || len(faults) != 2 || faults[0].Code != 1011 || faults[0].Reason != "Internal error encountered." || faults[0].After.Seconds() != 2 || faults[1].Kind != FaultQuota {
		t.Errorf("%+v %v", faults, err)
	}
	for _, bad := range []string{"[[simulate: dance]]", "[[simulate: close]]", "[[simulate: drop after=x]]", "[[simulate: drop wings=2]]", "[[simulate: drop probability=NaN]]"} {
		if _, err := markedFaults(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
