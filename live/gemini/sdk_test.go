package gemini

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"google.golang.org/genai"
)

// record runs Google's SDK against a model that accepts everything, and gives the messages that it sent.
func record(t *testing.T, model string, cfg *genai.LiveConnectConfig, talk func(s *genai.Session) error, n int) []map[string]any {
	t.Helper()
	heard := make(chan map[string]any, n+1)
	m := startModel(t, func(p *peer) {
		heard <- p.ready()
		for range n {
			heard <- p.message()
		}
		p.drain()
	})
	client, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		Backend: genai.BackendGeminiAPI, APIKey: "k",
		HTTPOptions: genai.HTTPOptions{BaseURL: strings.Replace(m.url, "http:", "ws:", 1), APIVersion: "v1beta"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := client.Live.Connect(context.Background(), model, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := talk(s); err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	for range n + 1 {
		list = append(list, <-heard)
	}
	return list
}

// replay does the same with our own upstream.
func replay(t *testing.T, s live.Setup, commands []live.Command) []map[string]any {
	t.Helper()
	heard := make(chan map[string]any, len(commands)+1)
	m := startModel(t, func(p *peer) {
		heard <- p.ready()
		for range commands {
			heard <- p.message()
		}
		p.drain()
	})
	u, err := geminiDialer(t, m.url, testDial()).Dial(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	receive(t, u, live.EventReady)
	for i := range commands {
		if _, err := u.Send(&commands[i]); err != nil {
			t.Fatal(err)
		}
	}
	var list []map[string]any
	for range len(commands) + 1 {
		list = append(list, <-heard)
	}
	return list
}

func TestUpstream_saysWhatGooglesSDKSays(t *testing.T) {
	temperature, padding, silence := float32(0.5), int32(20), int32(500)
	pcm := sample(640)
	cfg := &genai.LiveConnectConfig{
		ResponseModalities: []genai.Modality{genai.ModalityAudio}, Temperature: &temperature, MaxOutputTokens: 100,
		SpeechConfig: &genai.SpeechConfig{
			LanguageCode: "de-DE",
			VoiceConfig:  &genai.VoiceConfig{PrebuiltVoiceConfig: &genai.PrebuiltVoiceConfig{VoiceName: "Kore"}},
		},
		ThinkingConfig:    &genai.ThinkingConfig{ThinkingLevel: genai.ThinkingLevelLow},
		SystemInstruction: &genai.Content{Parts: []*genai.Part{{Text: "Be brief."}}},
		Tools: []*genai.Tool{
			{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "f", Description: "d", Parameters: &genai.Schema{Type: genai.TypeObject}}}},
			{GoogleSearch: &genai.GoogleSearch{}},
		},
		SessionResumption:        &genai.SessionResumptionConfig{Handle: "H"},
		ContextWindowCompression: &genai.ContextWindowCompressionConfig{SlidingWindow: &genai.SlidingWindow{}},
		InputAudioTranscription:  &genai.AudioTranscriptionConfig{}, OutputAudioTranscription: &genai.AudioTranscriptionConfig{},
		RealtimeInputConfig: &genai.RealtimeInputConfig{
			ActivityHandling: genai.ActivityHandlingNoInterruption,
			AutomaticActivityDetection: &genai.AutomaticActivityDetection{
				StartOfSpeechSensitivity: genai.StartSensitivityHigh, EndOfSpeechSensitivity: genai.EndSensitivityLow,
				PrefixPaddingMs: &padding, SilenceDurationMs: &silence,
			},
		},
	}
	want := record(t, "gemini-3.8-live", cfg, func(s *genai.Session) error {
		for _, in := range []genai.LiveRealtimeInput{
			{Audio: &genai.Blob{MIMEType: "audio/pcm;rate=16000", Data: pcm}},
			{Video: &genai.Blob{MIMEType: "image/png", Data: []byte{1, 2, 3}}},
			{Text: "hi"},
			{ActivityStart: &genai.ActivityStart{}},
			{ActivityEnd: &genai.ActivityEnd{}},
			{AudioStreamEnd: true},
		} {
			if err := s.SendRealtimeInput(in); err != nil {
				return err
			}
		}
		return s.SendToolResponse(genai.LiveToolResponseInput{FunctionResponses: []*genai.FunctionResponse{
			{ID: "1", Name: "f", Response: map[string]any{"output": "x"}, Scheduling: genai.FunctionResponseSchedulingSilent},
		}})
	}, 7)
	got := replay(t, live.Setup{
		Model:    live.Model{ID: "gemini-3.8-live", LanguageCode: true, ThinkingLevel: "LOW", Compression: true},
		Modality: "audio", Voice: "Kore", Language: "de-DE", SystemInstruction: "Be brief.", Temperature: &temperature, MaxOutputTokens: 100,
		InputTranscript: true, OutputTranscript: true, InputRate: 16000, Handle: "H",
		VAD:   live.VAD{StartSensitivity: "high", EndSensitivity: "low", PrefixPadding: 20 * time.Millisecond, SilenceDuration: 500 * time.Millisecond, Uninterruptible: true},
		Tools: []json.RawMessage{json.RawMessage(`{"name":"f","description":"d","parameters":{"type":"OBJECT"}}`)}, GoogleSearch: true,
	}, []live.Command{
		{Kind: live.CommandAudio, PCM: pcm},
		{Kind: live.CommandVideo, MIMEType: "image/png", Data: []byte("AQID")},
		{Kind: live.CommandText, Text: "hi"},
		{Kind: live.CommandActivityStart},
		{Kind: live.CommandActivityEnd},
		{Kind: live.CommandAudioStreamEnd},
		{Kind: live.CommandToolResponse, Responses: []live.ToolResponse{{ID: "1", Name: "f", Response: json.RawMessage(`{"output":"x"}`), Scheduling: "SILENT"}}},
	})
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			g, _ := json.Marshal(got[i])
			w, _ := json.Marshal(want[i])
			t.Errorf("message %d:\nours %s\nSDK  %s", i, g, w)
		}
	}
}

func TestUpstream_sendsContentAsGooglesSDKDoes(t *testing.T) {
	complete := true
	want := record(t, "m", &genai.LiveConnectConfig{SessionResumption: &genai.SessionResumptionConfig{}, ResponseModalities: []genai.Modality{genai.ModalityText}},
		func(s *genai.Session) error {
			return s.SendClientContent(genai.LiveClientContentInput{
				Turns: []*genai.Content{{Role: "user", Parts: []*genai.Part{{Text: "hi"}}}}, TurnComplete: &complete,
			})
		}, 1)
	s := testSetup()
	s.Model, s.Modality = live.Model{ID: "m", TextInput: "content"}, "text"
	got := replay(t, s, []live.Command{{Kind: live.CommandText, Text: "hi", TurnComplete: true}})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\nours %v\nSDK  %v", got, want)
	}
}
