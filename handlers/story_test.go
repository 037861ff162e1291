package handlers_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
)

// speech is d milliseconds of a loud voice-like tone at 16 kHz, or of silence.
func speech(ms int, amplitude float64) []byte {
	pcm := make([]byte, 0, ms*32)
	for i := range ms * 16 {
		x := float64(i) / 16000
		v := amplitude * (math.Sin(2*math.Pi*180*x) + 0.5*math.Sin(2*math.Pi*900*x)) / 1.5
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(v*math.MaxInt16)))
	}
	return pcm
}

// chatOf is what main does to make one package's Chat the other's.
type chatOf struct{ chat gemini.Chat }

func (c chatOf) Stream(ctx context.Context, r handlers.ChatRequest, yield func(string) error) (live.Usage, error) {
	return c.chat.Stream(ctx, gemini.ChatRequest(r), yield)
}

func TestStory_speakingAndWritingWithTheSimulator(t *testing.T) {
	sim, quick := simulated(t)
	account := gemini.DefaultGeminiConfig()
	account.BaseURL, account.APIKeys = sim.URL(), []string{"a-key-for-the-simulator"}
	chat, err := gemini.NewGeminiChat(account)
	if err != nil {
		t.Fatal(err)
	}
	if closer, ok := chat.(io.Closer); ok {
		t.Cleanup(func() { _ = closer.Close() })
	}
	s := start(t, func(o *options) {
		quick(o)
		o.deps.Chats = map[string]handlers.Chat{live.BackendGemini: chatOf{chat}}
	})

	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session","config":{"userId":"ada"}}`)
	c.Message("session_ready")
	for _, part := range [][]byte{speech(200, 0), speech(800, 0.5), speech(1500, 0)} {
		for len(part) > 0 {
			c.Binary(part[:640])
			part = part[640:]
		}
	}
	said, loud, audioBytes := map[string]string{}, false, 0
	for said["generation_complete"] == "" {
		head, payload, err := c.Frame()
		if err != nil {
			t.Fatal(err)
		}
		if head&0x0F == handlers.OpBinary {
			audioBytes += len(payload)
			for i := 0; i+1 < len(payload); i += 2 {
				loud = loud || payload[i+1] > 0x10 && payload[i+1] < 0xF0
			}
			continue
		}
		var m struct{ Type, Text string }
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		said[m.Type] += m.Text + " "
	}
	if audioBytes < 24000 || !loud {
		t.Errorf("the answer has %d bytes of audio, loud: %v", audioBytes, loud)
	}
	if strings.TrimSpace(said["input_transcript"]) == "" || !strings.Contains(said["output_transcript"], "Simulated") || said["error"] != "" {
		t.Errorf("it was said %v", said)
	}
	c.Text(`{"type":"end_session"}`)
	if _, how := c.End(); how.Code != 1000 {
		t.Errorf("ended with %+v", how)
	}

	all := events(t, strings.NewReader(string(s.call("POST", "/api/chat", `{"message":"Good morning to you"}`).body)))
	last := all[len(all)-1]
	if text, _ := last.data["text"].(string); last.name != "done" || text == "" || last.data["simulated"] != true {
		t.Errorf("the chat said %v", all)
	}
}
