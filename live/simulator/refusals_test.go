package simulator

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

const (
	geminiNoKey = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
	vertexPath  = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
)

// dial connects as a client with headers of its own.
func dial(t *testing.T, s *Server, path string, headers http.Header) *peer {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(wsURL(s)+path, headers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return &peer{t, ws}
}

// end takes messages until the connection ends: what they were, in order, and the close. A connection that is
// dropped without one has the code 1006.
func (p *peer) end() (members []string, code int, reason string) {
	p.t.Helper()
	_ = p.ws.SetReadDeadline(time.Now().Add(patience))
	for {
		_, data, err := p.ws.ReadMessage()
		if err != nil {
			var goodbye *websocket.CloseError
			if errors.As(err, &goodbye) && goodbye.Code != websocket.CloseAbnormalClosure {
				return members, goodbye.Code, goodbye.Text
			}
			return members, websocket.CloseAbnormalClosure, ""
		}
		members = append(members, memberOf(data))
	}
}

// memberOf names what a server message holds: its member, or that of serverContent.
func memberOf(data []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(data, &m) != nil {
		return "not JSON"
	}
	content := m["serverContent"]
	for _, name := range []string{"setupComplete", "toolCall", "toolCallCancellation", "goAway", "sessionResumptionUpdate"} {
		if m[name] != nil {
			return name
		}
	}
	_ = json.Unmarshal(content, &m)
	for _, name := range []string{"interrupted", "generationComplete", "turnComplete", "modelTurn", "outputTranscription", "inputTranscription"} {
		if m[name] != nil {
			return name
		}
	}
	return "nothing"
}

// onModel is a setup for a model with more fields, all of them without braces around.
func onModel(model, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"setup":{"model":"` + model + `"` + more + `}}`
}

// bearer is what a client of Vertex AI shows.
var bearer = http.Header{"Authorization": {"Bearer good"}}

const audioMessageJSON = `{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AAAAAA=="}}}`

// The closes that clients of the real service have seen, word for word, cut at 123 bytes as it cuts them.
func TestRefusals_codesAndReasonsAreTheServices(t *testing.T) {
	const (
		model  = "models/gemini-3.8-live"
		older  = "models/gemini-2.5-flash-native-audio-preview-12-2025"
		vertex = "projects/p/locations/l/publishers/google/models/"

		noKey       = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API c"
		argument    = "Request contains an invalid argument."
		onlyFirst   = "setup must be the first message and only the first"
		quota       = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: h"
		goAway      = "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the session durat"
		noSession   = "BidiGenerateContent session not found"
		description = `"systemInstruction":{"parts":[{"text":"`
	)
	for _, c := range []struct {
		name    string
		path    string // empty: the Gemini API's, with a good key
		headers http.Header
		change  func(*Config)
		old     bool     // another connection is open, and say may name its HANDLE
		first   string   // a setup that is to be accepted, if any
		say     []string // after it
		before  string   // the messages in front of the close
		code    int
		reason  string
	}{
		{name: "a bad key in the query", path: geminiNoKey + "?key=bad-key", say: []string{onModel(model, "")}, code: 1007, reason: "API key not valid. Please pass a valid API key."},
		{name: "a bad key in a header", path: geminiNoKey, headers: http.Header{"X-Goog-Api-Key": {"bad"}}, say: []string{onModel(model, "")}, code: 1007, reason: "API key not valid. Please pass a valid API key."},
		{name: "no key", path: geminiNoKey, say: []string{onModel(model, "")}, code: 1008, reason: noKey},
		{name: "no token on Vertex", path: vertexPath, say: []string{onModel(vertex+"gemini-3.8-live", "")}, code: 1008, reason: noKey},
		{name: "a key is no token on Vertex's paths", path: vertexPath + "?key=k", say: []string{onModel(vertex+"gemini-3.8-live", "")}, code: 1008, reason: noKey},
		{name: "a bad ephemeral token", path: geminiNoKey + "Constrained?access_token=bad", say: []string{onModel(model, "")}, code: 1007, reason: "API key not valid. Please pass a valid API key."},

		{name: "not JSON", say: []string{`{"setup":`}, code: 1007, reason: "Invalid JSON payload received. Parse error."},
		{name: "an unknown field", say: []string{onModel(model, `"bogusField":1`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "bogusField" at 'setup': Cannot find field.`},
		{name: "an unknown field below", say: []string{onModel(model, `"generationConfig":{"bogusField":1}`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "bogusField" at 'setup.generation_config': Cannot find field.`},
		{name: "an unknown message", say: []string{`{"bogus":{}}`}, code: 1007, reason: `Invalid JSON payload received. Unknown name "bogus": Cannot find field.`},
		{name: "two messages in one", first: onModel(model, ""), say: []string{`{"clientContent":{},"toolResponse":{}}`}, before: "setupComplete", code: 1007, reason: argument},
		{name: "a wrong type", say: []string{onModel(model, `"tools":{"functionDeclarations":[{"name":5}]}`)}, code: 1007, reason: "Invalid value at 'setup.tools[0].function_declarations[0].name'"},
		{name: "transparent is Vertex's", say: []string{onModel(model, `"sessionResumption":{"transparent":true}`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "transparent" at 'setup.session_resumption': Cannot find field.`},

		{name: "transparent is Vertex's even where it is false", say: []string{onModel(model, `"sessionResumption":{"transparent":false}`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "transparent" at 'setup.session_resumption': Cannot find field.`},
		{name: "explicitVadSignal is Vertex's even where it is false", say: []string{onModel(model, `"explicitVadSignal":false`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "explicitVadSignal" at 'setup': Cannot find field.`},
		{name: "a sensitivity that does not exist", say: []string{onModel(model, `"realtimeInputConfig":{"automaticActivityDetection":{"startOfSpeechSensitivity":"HIGH"}}`)}, code: 1007, reason: `Invalid value at 'setup.realtime_input_config.automatic_activity_detection.start_of_speech_sensitivity' (TYPE_ENUM), "HIGH"`},
		{name: "a sensitivity of the other end", say: []string{onModel(model, `"realtimeInputConfig":{"automaticActivityDetection":{"endOfSpeechSensitivity":"START_SENSITIVITY_LOW"}}`)}, code: 1007, reason: `Invalid value at 'setup.realtime_input_config.automatic_activity_detection.end_of_speech_sensitivity' (TYPE_ENUM), "START_SENSITIVITY_LOW"`[:123]},
		{name: "an activity handling that does not exist", say: []string{onModel(model, `"realtimeInputConfig":{"activityHandling":"INTERRUPT"}`)}, code: 1007, reason: `Invalid value at 'setup.realtime_input_config.activity_handling' (TYPE_ENUM), "INTERRUPT"`},
		{name: "a turn coverage that does not exist", say: []string{onModel(model, `"realtimeInputConfig":{"turnCoverage":"ALL"}`)}, code: 1007, reason: `Invalid value at 'setup.realtime_input_config.turn_coverage' (TYPE_ENUM), "ALL"`},
		{name: "a resolution that does not exist", say: []string{onModel(model, `"generationConfig":{"mediaResolution":"LOW"}`)}, code: 1007, reason: `Invalid value at 'setup.generation_config.media_resolution' (TYPE_ENUM), "LOW"`},
		{name: "a way to transcribe that does not exist", say: []string{onModel(model, `"inputAudioTranscription":{"mode":"WORDS"}`)}, code: 1007, reason: `Invalid value at 'setup.input_audio_transcription.mode' (TYPE_ENUM), "WORDS"`},
		{name: "a behavior that does not exist", say: []string{onModel(model, `"tools":[{"functionDeclarations":[{"name":"f","behavior":"ASYNC"}]}]`)}, code: 1007, reason: `Invalid value at 'setup.tools[0].function_declarations[0].behavior' (TYPE_ENUM), "ASYNC"`},
		{name: "a scheduling that does not exist", first: onModel(model, ""), say: []string{`{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{},"scheduling":"NOW"}]}}`}, before: "setupComplete", code: 1007, reason: `Invalid value at 'tool_response.function_responses[0].scheduling' (TYPE_ENUM), "NOW"`},
		{name: "additionalProperties in a schema", say: []string{onModel(model, `"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","additionalProperties":false}}]}]`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "additionalProperties" at 'setup.tools[0].function_declarations[0].parameters': Cannot find field.`[:123]},
		{name: "additionalProperties below a property", say: []string{onModel(model, `"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"OBJECT","additionalProperties":false}}}}]}]`)}, code: 1007, reason: `Invalid JSON payload received. Unknown name "additionalProperties" at 'setup.tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.`[:123]},
		{name: "a type that does not exist", say: []string{onModel(model, `"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"DICT"}}]}]`)}, code: 1007, reason: `Invalid value at 'setup.tools[0].function_declarations[0].parameters.type' (TYPE_ENUM), "DICT"`},

		{name: "an unknown model of another version of the API", path: strings.Replace(geminiPath, "v1beta", "v1alpha", 1), say: []string{onModel("models/palm", "")}, code: 1008, reason: "models/palm is not found for API version v1alpha, or is not supported for bidiGenerateContent. Call ModelService.ListModels to see"[:123]},
		{name: "a blocking function where the model thinks longer", say: []string{onModel(model+"-extended-thinking", `"tools":[{"functionDeclarations":[{"name":"f","behavior":"BLOCKING"}]}]`)}, code: 1007, reason: argument},
		{name: "an unknown model", say: []string{onModel("models/palm", "")}, code: 1008, reason: "models/palm is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ModelService.ListModels "},
		{name: "a model without its form", say: []string{onModel("gemini-3.8-live", "")}, code: 1008, reason: "gemini-3.8-live is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ModelService.ListMode"[:123]},
		{name: "an unknown model on Vertex", path: vertexPath, headers: bearer, say: []string{onModel(vertex+"palm", "")}, code: 1008, reason: "Publisher Model `projects/p/locations/l/publishers/google/models/palm` was not found or your project does not have access to"[:123]},
		{name: "a model that is not in the list", change: func(c *Config) { c.Models = []string{"gemini-x"} }, say: []string{onModel("models/gemini-y", "")}, code: 1008, reason: "models/gemini-y is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ModelService.ListModels"[:123]},
		{name: "an unknown voice", say: []string{onModel(model, `"generationConfig":{"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"kore"}}}}`)}, code: 1007, reason: "No matching speaker voice found"},
		{name: "a voice for text", say: []string{onModel("models/gemini-live-2.5-flash", `"generationConfig":{"responseModalities":["TEXT"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}`)}, code: 1007, reason: "Cannot extract voices from a non-audio request."},
		{name: "text from a native audio model", say: []string{onModel(older, `"generationConfig":{"responseModalities":["TEXT"]}`)}, code: 1007, reason: "The requested combination of response modalities (TEXT) is not supported by the model."},
		{name: "two modalities", say: []string{onModel(model, `"generationConfig":{"responseModalities":["AUDIO","TEXT"]}`)}, code: 1007, reason: argument},
		{name: "a language for 2.5 native audio", say: []string{onModel(older, `"generationConfig":{"speechConfig":{"languageCode":"de-DE"}}`)}, code: 1007, reason: "Unsupported language code 'de-DE' for model models/gemini-2.5-flash-native-audio-preview-12-2025"},
		{name: "thinkingConfig on 3.8", say: []string{onModel(model, `"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}`)}, code: 1007, reason: argument},
		{name: "Gemini's turn coverage on Vertex", path: vertexPath, headers: bearer, say: []string{onModel(vertex+"gemini-3.8-live", `"realtimeInputConfig":{"turnCoverage":"TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"}`)}, code: 1007, reason: argument},

		{name: "audio before the setup", say: []string{audioMessageJSON}, code: 1007, reason: argument},
		{name: "content before the setup", say: []string{`{"clientContent":{"turnComplete":true}}`}, code: 1007, reason: onlyFirst},
		{name: "audio before setupComplete", change: func(c *Config) { c.SetupDelay = time.Minute }, say: []string{onModel(model, ""), audioMessageJSON}, code: 1007, reason: argument},
		{name: "a second setup", first: onModel(model, ""), say: []string{onModel(model, "")}, before: "setupComplete", code: 1007, reason: onlyFirst},

		{name: "no setup at all", change: func(c *Config) { c.StarveAfter = time.Second }, code: 1008, reason: "The operation was aborted."},
		{name: "a resumption while the old socket is open", old: true, say: []string{onModel(model, `"sessionResumption":{"handle":"HANDLE"}`)}, code: 1011, reason: "Internal error encountered."},
		{name: "a resumption with the handle of another model", old: true, say: []string{onModel(older, `"sessionResumption":{"handle":"HANDLE"}`)}, code: 1008, reason: noSession},

		{name: "media_chunks", first: onModel(model, ""), say: []string{`{"realtimeInput":{"mediaChunks":[{"mimeType":"audio/pcm","data":"AAA="}]}}`}, before: "setupComplete", code: 1007, reason: "realtime_input.media_chunks is deprecated. Use audio, video, or text instead."},
		{name: "activityStart with automatic detection", first: onModel(model, ""), say: []string{`{"realtimeInput":{"activityStart":{}}}`}, before: "setupComplete", code: 1007, reason: "Explicit activity control is not supported when automatic activity detection is enabled."},
		{name: "an activity without audio", first: onModel(model, `"realtimeInputConfig":{"automaticActivityDetection":{"disabled":true}}`), say: []string{`{"realtimeInput":{"activityStart":{}}}`, `{"realtimeInput":{"activityEnd":{}}}`}, before: "setupComplete turnComplete", code: 1007, reason: "Precondition check failed."},
		{name: "a tool's answer without an id", first: onModel(model, ""), say: []string{`{"toolResponse":{"functionResponses":[{"name":"f","response":{}}]}}`}, before: "setupComplete", code: 1007, reason: argument},
		{name: "audio while a tool is called", first: onModel(older, `"tools":[{"functionDeclarations":[{"name":"get_weather"}]}]`), say: []string{`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"get_weather"}]}],"turnComplete":true}}`, "until toolCall", audioMessageJSON}, before: "setupComplete toolCall", code: 1008, reason: "Operation is not implemented, or supported, or enabled."},

		{name: "a dead handle", say: []string{onModel(model, `"sessionResumption":{"handle":"dead"}`)}, code: 1008, reason: noSession},
		{name: "no quota", first: onModel(model, description+`[[simulate: quota after=1ms]]"}]}`), before: "setupComplete", code: 1011, reason: quota},
		{name: "no quota in the query", path: geminiNoKey + "?key=k&simulate=quota", first: onModel(model, ""), before: "setupComplete", code: 1011, reason: quota},
		{name: "an internal error", first: onModel(model, description+`[[simulate: internal_error]]"}]}`), before: "setupComplete", code: 1011, reason: "Internal error encountered."},
		{name: "a close of one's own", first: onModel(model, description+`[[simulate: close code=1011 reason=\"The service is currently unavailable.\"]]"}]}`), before: "setupComplete", code: 1011, reason: "The service is currently unavailable."},
		{name: "a setup that is refused on purpose", say: []string{onModel(model, description+`[[simulate: refuse_setup]]"}]}`)}, code: 1007, reason: argument},
		{name: "a fault that is not known", say: []string{onModel(model, description+`[[simulate: earthquake]]"}]}`)}, code: 1007, reason: "simulate: kind must be one of quota, go_away, drop, close, internal_error, not_json, stall_reading, stall, refuse_setup, silent_setup"[:123]},
		{name: "a line that breaks", first: onModel(model, description+`[[simulate: drop]]"}]}`), before: "setupComplete", code: 1006},
		{name: "something that is not JSON, and a break", first: onModel(model, description+`[[simulate: not_json]][[simulate: drop after=1ms]]"}]}`), before: "setupComplete not JSON", code: 1006},
		{name: "starved", change: func(c *Config) { c.ClockScale = 100 }, first: onModel(model, ""), before: "setupComplete", code: 1008, reason: "The operation was aborted."},
		{name: "goAway ignored", change: func(c *Config) { c.ClockScale, c.StarveAfter, c.SessionLimit = 100_000, 24*time.Hour, 24*time.Hour }, first: onModel(model, ""), before: "setupComplete goAway", code: 1008, reason: goAway},
		{name: "goAway on purpose", change: func(c *Config) { c.GoAwayLeft = time.Second; c.ClockScale = 100 }, first: onModel(model, description+`[[simulate: go_away]]"}]}`), before: "setupComplete goAway", code: 1008, reason: goAway},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := quickConfig()
			if c.change != nil {
				c.change(&cfg)
			}
			s := startServer(t, cfg)
			if c.path == "" {
				c.path = geminiPath
			}
			var h string
			if c.old {
				_, h = resumable(t, s, c.path)
			}
			p := dial(t, s, c.path, c.headers)
			var seen []string
			if c.first != "" {
				p.say(c.first)
				seen = append(seen, p.next())
			}
			for _, m := range c.say {
				if what, ok := strings.CutPrefix(m, "until "); ok {
					for len(seen) == 0 || seen[len(seen)-1] != what {
						seen = append(seen, p.next())
					}
					continue
				}
				p.say(strings.ReplaceAll(m, "HANDLE", h))
			}
			more, code, reason := p.end()
			if got := strings.Join(append(seen, more...), " "); got != c.before || code != c.code || reason != c.reason {
				t.Errorf("\n got %q, then %d %q\nwant %q, then %d %q", got, code, reason, c.before, c.code, c.reason)
			}
		})
	}
}

// next names the next message.
func (p *peer) next() string {
	p.t.Helper()
	_ = p.ws.SetReadDeadline(time.Now().Add(patience))
	_, data, err := p.ws.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	return memberOf(data)
}

// resumable connects and waits for a handle.
func resumable(t *testing.T, s *Server, path string) (*peer, string) {
	t.Helper()
	p := dial(t, s, path, nil)
	p.say(plainSetup)
	all := p.until(handle)
	return p, all[len(all)-1].SessionResumptionUpdate.NewHandle
}

func resumeWith(handle string) string {
	return onModel("models/gemini-3.8-live", `"sessionResumption":{"handle":"`+handle+`"}`)
}

func TestRefusals_aHandleOfAnotherKeyOrModel(t *testing.T) {
	s := startServer(t, quickConfig())
	old, h := resumable(t, s, geminiPath)
	_ = old.ws.Close()
	eventually(t, "the old socket is closed", func() bool { return s.Stats().Active == 0 })
	for path, setup := range map[string]string{
		geminiNoKey + "?key=another": resumeWith(h),
		geminiPath:                   strings.Replace(resumeWith(h), "gemini-3.8-live", "gemini-3.1-flash-live-preview", 1),
	} {
		p := dial(t, s, path, nil)
		p.say(setup)
		if _, code, reason := p.end(); code != 1008 || reason != "BidiGenerateContent session not found" {
			t.Error(path, code, reason)
		}
	}
	p := dial(t, s, geminiPath, nil) // with the right ones it still works
	p.say(resumeWith(h))
	p.until(ready)
}

func TestRefusals_aHandleThatHasExpired(t *testing.T) {
	cfg := quickConfig()
	cfg.HandleLife, cfg.ClockScale, cfg.GoAwayAfter, cfg.StarveAfter = time.Second, 1000, 24*time.Hour, 24*time.Hour
	s := startServer(t, cfg)
	old, h := resumable(t, s, geminiPath)
	_ = old.ws.Close()
	eventually(t, "the handle expires", func() bool { return s.handles.get(h) == nil })
	p := dial(t, s, geminiPath, nil)
	p.say(resumeWith(h))
	if _, code, reason := p.end(); code != 1008 || reason != "BidiGenerateContent session not found" {
		t.Error(code, reason)
	}
}

func TestRefusals_moreSessionsThanTheKeyMayHave(t *testing.T) {
	cfg := quickConfig()
	cfg.MaxConcurrent = 1
	s := startServer(t, cfg)
	first := dial(t, s, geminiPath, nil)
	first.say(plainSetup)
	first.until(ready)
	other := dial(t, s, geminiNoKey+"?key=another", nil)
	other.say(plainSetup)
	other.until(ready)
	second := dial(t, s, geminiPath, nil)
	second.say(onModel("models/gemini-3.8-live", ""))
	if members, code, reason := second.end(); strings.Join(members, " ") != "setupComplete" || code != 1011 || !strings.HasPrefix(reason, "You exceeded your current quota") {
		t.Error(members, code, reason)
	}
}

func TestRefusals_theServerIsFull(t *testing.T) {
	cfg := quickConfig()
	cfg.MaxConnections = 1
	s := startServer(t, cfg)
	dial(t, s, geminiPath, nil)
	_, res, err := websocket.DefaultDialer.Dial(wsURL(s)+geminiPath, nil)
	if !errors.Is(err, websocket.ErrBadHandshake) || res.StatusCode != http.StatusServiceUnavailable {
		t.Error(err, res)
	}
}
