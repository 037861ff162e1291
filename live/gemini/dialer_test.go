package gemini

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"golang.org/x/oauth2"
)

func TestDialer_reachesVertexWithATokenAndTheFullModelName(t *testing.T) {
	heard := make(chan map[string]any, 1)
	m := startModel(t, func(p *peer) { heard <- p.ready(); p.drain() })
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a-token"})
	cfg := VertexConfig{ProjectID: "my-project", Locations: []string{"europe-west4"}, BaseURL: m.url + "/proxy/", APIVersion: "v1beta1"}
	d, err := NewVertex(cfg, testDial(), tokens, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	receive(t, u, live.EventReady)
	setup := (<-heard)["setup"].(map[string]any)
	if setup["model"] != "projects/my-project/locations/europe-west4/publishers/google/models/gemini-3.8-live" {
		t.Error(setup["model"])
	}
	if r := setup["sessionResumption"].(map[string]any); r["transparent"] != true {
		t.Error(r)
	}
	r := m.seen()[0]
	if r.URL.Path != "/proxy/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent" || r.Header.Get("Authorization") != "Bearer a-token" {
		t.Error(r.URL, r.Header)
	}
}

func TestEndpoints_areWhereGoogleHasThem(t *testing.T) {
	g, err := geminiEndpoints(GeminiConfig{BaseURL: DefaultGeminiConfig().BaseURL, APIVersion: "v1alpha", APIKeys: []string{"k"}})
	if err != nil || g[0].url != "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent" {
		t.Error(g[0].url, err)
	}
	v, err := vertexEndpoints(VertexConfig{ProjectID: "p", Locations: []string{"us-central1", "global", "us", "eu"}, APIVersion: "v1beta1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, host := range []string{"us-central1-aiplatform.googleapis.com", "aiplatform.googleapis.com", "aiplatform.us.rep.googleapis.com", "aiplatform.eu.rep.googleapis.com"} {
		if want := "wss://" + host + "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"; v[i].url != want {
			t.Errorf("%s, want %s", v[i].url, want)
		}
	}
	for id, want := range map[string]string{
		"m":                          "projects/p/locations/us-central1/publishers/google/models/m",
		"models/m":                   "projects/p/locations/us-central1/publishers/google/models/m",
		"publishers/google/models/m": "projects/p/locations/us-central1/publishers/google/models/m",
		"projects/q/locations/us-central1/endpoints/7": "projects/q/locations/us-central1/endpoints/7",
	} {
		if got := v[0].model(id); got != want {
			t.Errorf("%s is %s", id, got)
		}
	}
	if geminiModel("m") != "models/m" || geminiModel("tunedModels/m") != "tunedModels/m" {
		t.Error("Gemini model names")
	}
}

// byKey runs one script per API key.
func byKey(t *testing.T, scripts map[string]func(p *peer)) *model {
	return startModel(t, func(p *peer) { scripts[p.request.Header.Get("x-goog-api-key")](p) })
}

func keysSeen(m *model) string {
	var keys []string
	for _, r := range m.seen() {
		keys = append(keys, r.Header.Get("x-goog-api-key"))
	}
	return strings.Join(keys, " ")
}

func TestDialer_aKeyThatIsRefusedAfterTheHandshakeIsFollowedByTheNext(t *testing.T) {
	m := byKey(t, map[string]func(p *peer){
		"bad":   func(p *peer) { p.upgrade(); p.bye(1007, "API key not valid. Please pass a valid API key.") },
		"http":  func(p *peer) { p.write([]byte("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")) },
		"quota": func(p *peer) { p.upgrade(); p.bye(1011, "You exceeded your current quota") },
		"good":  func(p *peer) { p.ready(); p.drain() },
	})
	d := geminiDialer(t, m.url, testDial(), "bad", "http", "quota", "good")
	for range 2 { // the second time the good one is tried first
		u, err := d.Dial(context.Background(), testSetup())
		if err != nil {
			t.Fatal(err)
		}
		receive(t, u, live.EventReady)
		u.Close()
	}
	if got := keysSeen(m); got != "bad http quota good good" {
		t.Error(got)
	}
}

func TestDialer_whenAllRefuseTheMostHopefulErrorIsTold(t *testing.T) {
	m := byKey(t, map[string]func(p *peer){
		"bad":   func(p *peer) { p.upgrade(); p.bye(1007, "API key not valid. Please pass a valid API key.") },
		"quota": func(p *peer) { p.upgrade(); p.bye(1011, "You exceeded your current quota") },
	})
	for _, keys := range [][]string{{"bad", "quota"}, {"quota", "bad"}} {
		u, err := geminiDialer(t, m.url, testDial(), keys...).Dial(context.Background(), testSetup())
		if err != nil {
			t.Fatal(err)
		}
		if e := ending(t, u); e.Fault != live.FaultQuota {
			t.Error(keys, e)
		}
		u.Close()
	}
}

func TestDialer_quotaAfterReadyGoesToTheNextKeyAtTheNextDial(t *testing.T) {
	m := byKey(t, map[string]func(p *peer){
		"one": func(p *peer) { p.ready(); p.bye(1011, "You exceeded your current quota") },
		"two": func(p *peer) { p.ready(); p.drain() },
	})
	d := geminiDialer(t, m.url, testDial(), "one", "two")
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	if e := ending(t, u); e.Fault != live.FaultQuota {
		t.Fatal(e)
	}
	u.Close()
	if u, err = d.Dial(context.Background(), testSetup()); err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	u.Close()
	if got := keysSeen(m); got != "one two" {
		t.Error(got)
	}
}

func TestDialer_aHandleGoesBackToTheKeyItCameFrom(t *testing.T) {
	handles := make(chan any, 2)
	script := func(p *peer) {
		setup := p.ready()["setup"].(map[string]any)
		handles <- setup["sessionResumption"].(map[string]any)["handle"]
		p.say(`{"sessionResumptionUpdate":{"newHandle":"H1","resumable":true}}`)
		p.drain()
	}
	m := byKey(t, map[string]func(p *peer){
		"one": func(p *peer) { p.write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")) }, "two": script,
	})
	cfg := testDial()
	cfg.Cooldown = 0 // one is first again at once
	d := geminiDialer(t, m.url, cfg, "one", "two")
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	e := receive(t, u, live.EventResumption)
	u.Close()
	s := testSetup()
	if s.Handle = e.Handle; strings.Contains(s.Handle, "two") {
		t.Error("the handle tells the key")
	}
	if u, err = d.Dial(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	u.Close()
	if got := keysSeen(m); got != "one two two" {
		t.Error(got)
	}
	if first, second := <-handles, <-handles; first != nil || second != "H1" {
		t.Error(first, second)
	}
}

func TestDialer_aLocationWithoutTheModelIsFollowedByTheNext(t *testing.T) {
	setups := make(chan string, 2)
	first := startModel(t, func(p *peer) {
		setup := p.upgrade()["setup"].(map[string]any)["model"].(string)
		setups <- setup
		if strings.Contains(setup, "us-central1") {
			p.bye(1008, "Publisher Model `projects/p/locations/us-central1/publishers/google/models/gemini-3.8-live` was not found")
			return
		}
		p.say(`{"setupComplete":{"sessionId":"s"}}`)
		p.drain()
	})
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a-token"})
	cfg := VertexConfig{ProjectID: "p", Locations: []string{"us-central1", "global"}, BaseURL: first.url, APIVersion: "v1beta1"}
	d, err := NewVertex(cfg, testDial(), tokens, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	receive(t, u, live.EventReady)
	<-setups
	if got := <-setups; !strings.Contains(got, "/locations/global/") {
		t.Error(got)
	}
}

func TestDialer_aConnectionThatIsWokenDoesNotGoToTheNextKey(t *testing.T) {
	hold := make(chan struct{})
	m := byKey(t, map[string]func(p *peer){
		"one": func(p *peer) { p.upgrade(); <-hold; p.bye(1011, "You exceeded your current quota") },
		"two": func(p *peer) { p.ready(); p.drain() },
	})
	u, err := geminiDialer(t, m.url, testDial(), "one", "two").Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	u.Wake()
	close(hold)
	ending(t, u)
	u.Close()
	if got := keysSeen(m); got != "one" {
		t.Error(got)
	}
}

func TestDialer_tellsTroubleApart(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + nobody.Addr().String()
	_ = nobody.Close()
	answer := func(text string) func(t *testing.T) string {
		return func(t *testing.T) string {
			return startModel(t, func(p *peer) { p.write([]byte(text)) }).url
		}
	}
	at := func(url string) func(t *testing.T) string { return func(*testing.T) string { return url } }
	for _, c := range []struct {
		name   string
		url    func(t *testing.T) string
		fault  live.UpstreamFault
		detail string
	}{
		{"nobody listens", at(refused), live.FaultBroken, "refused the connection"},
		{"no such name", at("http://stonepot.invalid"), live.FaultBroken, "could not be resolved"},
		{"unauthorized", answer("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), live.FaultAuth, "HTTP 401"},
		{"forbidden", answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), live.FaultAuth, "HTTP 403"},
		{"too many", answer("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"), live.FaultQuota, "quota"},
		{"not there", answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), live.FaultRejected, "HTTP 404"},
		{"broken gateway", answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), live.FaultBroken, "HTTP 502"},
		{"a key that is refused over HTTP", answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 96\r\n\r\n" +
			`{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"X"}}` + "\n"), live.FaultAuth, "API key is not valid"},
		{"a page in place of an upgrade", answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhaha"), live.FaultRejected, "HTTP 200"},
		{"closed in the handshake", answer(""), live.FaultBroken, "closed the connection"},
		{"not HTTP", answer("SSH-2.0-OpenSSH_9\r\n\r\n"), live.FaultBroken, "could not be reached"},
		{"TLS where none is spoken", func(t *testing.T) string {
			m := startModel(t, func(*peer) {})
			return strings.Replace(m.url, "http:", "https:", 1)
		}, live.FaultBroken, "TLS"},
		{"a certificate that nobody vouches for", func(t *testing.T) string {
			url, _ := startTLS(t, func(*peer) {})
			return url
		}, live.FaultBroken, "not trusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := geminiDialer(t, c.url(t), testDial()).Dial(context.Background(), testSetup())
			var e *live.UpstreamError
			if !errors.As(err, &e) || e.Fault != c.fault || !strings.Contains(e.Detail, c.detail) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(e.Error(), "test-key") {
				t.Errorf("%v holds the key", e)
			}
		})
	}
}

func TestDialer_endsWithItsContextAtAnyPoint(t *testing.T) {
	for name, script := range map[string]func(*peer, context.CancelFunc){
		"before the answer": func(p *peer, cancel context.CancelFunc) { cancel(); p.drain() },
		"in the answer":     func(p *peer, cancel context.CancelFunc) { p.write(p.accepted()[:10]); cancel(); p.drain() },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		m := startModel(t, func(p *peer) { script(p, cancel) })
		_, err := geminiDialer(t, m.url, testDial(), "one", "two").Dial(ctx, testSetup())
		var e *live.UpstreamError
		if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || !strings.Contains(e.Detail, "given up") {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(m.seen()); n != 1 {
			t.Errorf("%s: %d attempts", name, n)
		}
	}
}

func TestDialer_boundsTheHandshake(t *testing.T) {
	m := startModel(t, func(p *peer) { p.drain() })
	cfg := testDial()
	cfg.HandshakeTimeout = 100 * time.Millisecond
	_, err := geminiDialer(t, m.url, cfg).Dial(context.Background(), testSetup())
	var e *live.UpstreamError
	if !errors.As(err, &e) || e.Fault != live.FaultBroken || !strings.Contains(e.Detail, "in time") {
		t.Fatal(err)
	}
}

func TestDialer_holdsATurnOverTLS(t *testing.T) {
	url, roots := startTLS(t, func(p *peer) {
		p.ready()
		if p.message() == nil {
			t.Error("nothing came")
		}
		p.say(audioFrame(sample(40_000)))
		p.drain()
	})
	d := geminiDialer(t, url, testDial())
	d.tls.RootCAs = roots
	for range 2 { // the second one with the session ticket of the first
		u, err := d.Dial(context.Background(), testSetup())
		if err != nil {
			t.Fatal(err)
		}
		receive(t, u, live.EventReady)
		if _, err := u.Send(&live.Command{Kind: live.CommandAudio, PCM: sample(3200)}); err != nil {
			t.Fatal(err)
		}
		if e := receive(t, u, live.EventAudio); !bytes.Equal(e.PCM, sample(40_000)) {
			t.Error("the audio is not what was sent")
		}
		u.Close()
	}
}

func TestDialer_neverLogsAKey(t *testing.T) {
	var out bytes.Buffer
	m := startModel(t, func(p *peer) {
		p.upgrade()
		p.bye(1008, "Permission denied on resource project my-secret-project key=AIzaSyA1234567890abcdefghijklmnop")
	})
	keys := []string{"AIzaSyA1234567890abcdefghijklmnop", "AIzaSyB1234567890abcdefghijklmnop"}
	cfg := GeminiConfig{BaseURL: m.url, APIVersion: "v1beta", APIKeys: keys}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	d, err := NewGemini(cfg, testDial(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	e := ending(t, u)
	log.Error("it ended", "error", e, "config", cfg)
	text := out.String() + e.Error() + e.Detail + fmt.Sprintf("%v %+v %#v", cfg, struct{ C GeminiConfig }{cfg}, cfg)
	if !strings.Contains(text, "trying elsewhere") || strings.Contains(text, "AIza") || strings.Contains(text, "my-secret-project") {
		t.Error(text)
	}
}

// startTLS is startModel behind a certificate of its own.
func startTLS(t *testing.T, script func(p *peer)) (url string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	return serveModel(t, l, "https", script).url, roots
}

func TestDialer_aHandleGoesUpOnlyWhenItsOldConnectionHasLeft(t *testing.T) {
	var left atomic.Bool
	m := startModel(t, func(p *peer) {
		setup := p.upgrade()["setup"].(map[string]any)
		resumed := setup["sessionResumption"].(map[string]any)["handle"] != nil
		if resumed && !left.Load() {
			t.Error("the handle came while its connection was open")
		}
		p.say(`{"setupComplete":{}}`)
		if !resumed {
			p.say(`{"sessionResumptionUpdate":{"newHandle":"H","resumable":true}}`)
			p.until(frame.Close)
			runtime.Gosched() // it takes its time
			left.Store(true)
			return
		}
		p.drain()
	})
	d := geminiDialer(t, m.url, testDial())
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	s := testSetup()
	s.Handle = receive(t, u, live.EventResumption).Handle
	u.Close()
	if u, err = d.Dial(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	receive(t, u, live.EventReady)
	u.Close()
	if _ = d.Close(); len(d.leaving) != 0 {
		t.Error(d.leaving)
	}
}
