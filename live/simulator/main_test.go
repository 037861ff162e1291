package simulator

import (
	"context"
	"encoding/binary"
	"flag"
	"io"
	"log"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // vertexai says with every client that it is deprecated
	// Parallel tests wait for answers to be played, not for the processor.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m,
		// The cleaner of a fasthttp server that was shut down sleeps up to ten seconds before it looks and ends.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		// fasthttp's clock is the process's.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// patience is how long a test waits for what must come. Nothing is asserted about how soon it comes.
const patience = time.Minute

// quickConfig is the default with every delay as short as it gets.
func quickConfig() Config {
	c := DefaultConfig()
	c.SetupDelay, c.SetupJitter, c.RefusalDelay = time.Millisecond, 0, time.Millisecond
	c.ThinkingDelay, c.ThinkingExtra = time.Millisecond, 0
	c.SilenceDuration = 100 * time.Millisecond
	c.Pace = 1000
	return c
}

// startServer runs a simulator on a port of its own until the test is over.
func startServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	s := newServer(t, cfg)
	listen(t, s)
	return s
}

// newServer is a simulator that does not listen yet.
func newServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// wsURL is the server's base for WebSockets.
func wsURL(s *Server) string { return strings.Replace(s.URL(), "http:", "ws:", 1) }

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("never happened: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

const inputRate = 16000

// tone is d of a sound that counts as speech, at the microphone's rate.
func tone(d time.Duration) []byte {
	n := int(d * inputRate / time.Second)
	pcm := make([]byte, 0, 2*n)
	for i := range n {
		v := 8000 * math.Sin(2*math.Pi*300*float64(i)/inputRate)
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(int16(v)))
	}
	return pcm
}

// silence is d of nothing, at the microphone's rate.
func silence(d time.Duration) []byte { return make([]byte, 2*int(d*inputRate/time.Second)) }

// chunks cuts a microphone's stream into messages of 20 ms.
func chunks(pcm []byte) (list [][]byte) {
	const size = 2 * inputRate / 50
	for len(pcm) > size {
		list, pcm = append(list, pcm[:size]), pcm[size:]
	}
	return append(list, pcm)
}

// staticCredentials are credentials for Vertex AI that ask nobody.
func staticCredentials(token string) *auth.Credentials {
	return auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: staticToken(token)})
}

type staticToken string

// Token implements auth.TokenProvider.
func (t staticToken) Token(context.Context) (*auth.Token, error) {
	return &auth.Token{Value: string(t), Type: "Bearer", Expiry: time.Now().Add(time.Hour)}, nil
}
