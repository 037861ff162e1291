package live

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var ticketNow = time.UnixMilli(1_790_000_000_123)

// resumeKeyOf is a key as people make them: openssl rand -base64 32.
func resumeKeyOf(seed uint64) string {
	rng, key := rand.New(rand.NewPCG(seed, 1)), make([]byte, minResumeKey) //nolint:gosec // a test's
	for i := range key {
		key[i] = byte(rng.Uint32())
	}
	return base64.StdEncoding.EncodeToString(key)
}

func sealerOf(t testing.TB, keys ...string) *sealer {
	t.Helper()
	s, err := newSealer(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fullTicket has every field set, and a configuration as a client sends it.
func fullTicket(t testing.TB) ticket {
	t.Helper()
	tk := ticket{
		SessionID: "0123456789abcdef", Backend: BackendVertex, UserID: "ann@example.com", Instance: "instance-7", Generation: 3, Recounts: 2,
		Handle: "CihhYmNkZWY-handle", Covered: 1234, Ahead: []int64{1236, 1300}, Heard: 1290, Activity: true, Released: true, Answering: true, Turns: 17,
		Usage:   Usage{Input: 100, Output: 50, InputBy: [numModalities]int64{1, 2, 3, 4, 5}, OutputBy: [numModalities]int64{6, 7, 8, 9, 10}},
		Started: ticketNow.Add(-time.Hour), Expires: ticketNow.Add(time.Hour),
	}
	config := `{"assistant":"default","model":"m","voice":"Kore","language":"de-DE","systemInstruction":"Répondez <brièvement> & \"bien\" 日本語",
		"userId":"ann@example.com","modality":"audio","transcription":{"input":false,"output":true},
		"vad":{"mode":"manual","startSensitivity":"high","endSensitivity":"low","prefixPaddingMs":0,"silenceDurationMs":500,"interruptible":false},
		"audio":{"inputSampleRate":8000},"tools":[{"name":"f","parameters":{"type":"OBJECT","description":"a < b && c"}},{"name":"g"}],"resumable":true}`
	if err := json.Unmarshal([]byte(config), &tk.Config); err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeOf(tk).NumField() {
		if reflect.ValueOf(tk).Field(i).IsZero() {
			t.Fatalf("the full ticket lacks %s", reflect.TypeOf(tk).Field(i).Name)
		}
	}
	return tk
}

// same compares what tickets mean: a tool may have been compacted.
func same(t *testing.T, got, want ticket) {
	t.Helper()
	plain := func(tk *ticket) (tools string) {
		for _, raw := range tk.Config.Tools {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Errorf("a tool is no JSON any more: %v", err)
			}
			tools += fmt.Sprint(v)
		}
		tk.Config.Tools = nil
		return tools
	}
	if a, b := plain(&got), plain(&want); a != b {
		t.Errorf("the tools are %s, want %s", a, b)
	}
	a, b := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.Errorf("%s is %+v, want %+v", a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}

func TestTicket_whatIsSealedIsOpened(t *testing.T) {
	s := sealerOf(t, resumeKeyOf(1))
	long := fullTicket(t)
	instruction := strings.Repeat("Answer briefly, in the language of the person who speaks. ", 1000)
	long.Config.SystemInstruction = &instruction
	for name, want := range map[string]ticket{
		"full":  fullTicket(t),
		"empty": {Started: ticketNow, Expires: ticketNow.Add(time.Minute)},
		"long":  long,
	} {
		t.Run(name, func(t *testing.T) {
			text, err := s.seal(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.open(text, ticketNow)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, want)
			if len(text) > 4096 {
				t.Errorf("it takes %d characters", len(text))
			}
			if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Errorf("it would have to be quoted somewhere: %s", text)
			}
			again, err := s.seal(want)
			if err != nil || again == text {
				t.Errorf("the same ticket has the same seal twice (%v): the nonce repeats", err)
			}
		})
	}
}

// An empty list is something else than none: the client has set it.
func TestTicket_keepsWhatTheClientHasSetToNothing(t *testing.T) {
	s, empty := sealerOf(t), ""
	want := ticket{Config: StartConfig{SystemInstruction: &empty, Tools: []json.RawMessage{}, VAD: &VADConfig{}}, Expires: ticketNow.Add(time.Minute)}
	text, err := s.seal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.open(text, ticketNow)
	if err != nil || fmt.Sprint(got.Config.asked()) != fmt.Sprint(want.Config.asked()) {
		t.Errorf("the client set %v, want %v (%v)", got.Config.asked(), want.Config.asked(), err)
	}
}

func TestTicket_everyKeyOpensAndTheFirstSeals(t *testing.T) {
	older, newer := resumeKeyOf(1), resumeKeyOf(2)
	open := func(s *sealer, text string) error {
		_, err := s.open(text, ticketNow)
		return err
	}
	seal := func(s *sealer) string {
		text, err := s.seal(fullTicket(t))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before, during, after := sealerOf(t, older), sealerOf(t, newer, older), sealerOf(t, newer)
	if err := open(during, seal(before)); err != nil {
		t.Errorf("a key that is still listed does not open: %v", err)
	}
	if err := open(after, seal(during)); err != nil {
		t.Errorf("the first key does not seal: %v", err)
	}
	if err := open(after, seal(before)); !errors.Is(err, errTicketForged) {
		t.Errorf("a key that is gone opens: %v", err)
	}
	one, other := sealerOf(t), sealerOf(t)
	if err := open(other, seal(one)); !errors.Is(err, errTicketForged) {
		t.Errorf("two processes without a key have the same: %v", err)
	}
	if err := open(one, seal(one)); err != nil {
		t.Errorf("without a key a process does not take its own tickets: %v", err)
	}
}

func TestTicket_onlyWhatWasSealedAndLivesIsOpened(t *testing.T) {
	s := sealerOf(t, resumeKeyOf(1))
	text, err := s.seal(fullTicket(t))
	if err != nil {
		t.Fatal(err)
	}
	expires := fullTicket(t).Expires
	if _, err := s.open(text, expires.Add(-time.Millisecond)); err != nil {
		t.Errorf("a moment before its end: %v", err)
	}
	for _, late := range []time.Time{expires, expires.Add(time.Hour)} {
		if got, err := s.open(text, late); !errors.Is(err, errTicketExpired) || got.SessionID != "" {
			t.Errorf("at its end, and after it: %v", err)
		}
	}
	forged := map[string]string{
		"nothing": "", "a word": "hello", "padding": text + "=", "a line break": text[:9] + "\n" + text[9:], "a space": " " + text,
		"twice": text + text, "too long": strings.Repeat("A", maxTicketText+4), "the other alphabet": "+" + text[1:],
		"random": base64.RawURLEncoding.EncodeToString([]byte(resumeKeyOf(3) + resumeKeyOf(4))),
	}
	for n := range len(text) {
		forged[fmt.Sprintf("cut after %d", n)] = text[:n]
	}
	sealed, _ := base64.RawURLEncoding.DecodeString(text)
	for bit := range len(sealed) * 8 {
		flipped := bytes.Clone(sealed)
		flipped[bit/8] ^= 1 << (bit % 8)
		forged[fmt.Sprintf("bit %d", bit)] = base64.RawURLEncoding.EncodeToString(flipped)
	}
	for name, text := range forged {
		if got, err := s.open(text, ticketNow); !errors.Is(err, errTicketForged) || got.SessionID != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTicket_ofAnotherVersionIsToldApart(t *testing.T) {
	s := sealerOf(t, resumeKeyOf(1))
	sealed := func(version byte, plain []byte) string {
		head := []byte{version}
		return base64.RawURLEncoding.EncodeToString(s.keys[0].Seal(head, nil, plain, head))
	}
	packed, err := fullTicket(t).pack()
	if err != nil {
		t.Fatal(err)
	}
	bomb := append([]byte{bodyDeflated, 0}, deflated(bytes.Repeat([]byte(" "), maxTicketBody+1))...)
	for name, text := range map[string]string{
		"version":    sealed(ticketVersion+1, packed),
		"empty":      sealed(ticketVersion, nil),
		"packing":    sealed(ticketVersion, append([]byte{7}, packed[1:]...)),
		"no length":  sealed(ticketVersion, []byte{bodyPlain}),
		"length":     sealed(ticketVersion, []byte{bodyPlain, 200, 1, 'x'}),
		"a mad one":  sealed(ticketVersion, append([]byte{bodyPlain}, bytes.Repeat([]byte{0xff}, 12)...)),
		"no JSON":    sealed(ticketVersion, []byte{bodyPlain, 0, 'x'}),
		"no deflate": sealed(ticketVersion, []byte{bodyDeflated, 0, 0xff, 0xff}),
		"bomb":       sealed(ticketVersion, bomb),
		"wrong type": sealed(ticketVersion, []byte("\x00\x00{\"i\":5}")),
	} {
		if _, err := s.open(text, ticketNow); !errors.Is(err, errTicketForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTicket_thatCouldNotBeSentBackIsNotMade(t *testing.T) {
	s := sealerOf(t)
	for name, instruction := range map[string]string{
		"long once sealed": noise(maxTicketText),
		"long before that": strings.Repeat("x", maxTicketBody),
	} {
		tk := fullTicket(t)
		tk.Config.SystemInstruction = &instruction
		if _, err := s.seal(tk); !errors.Is(err, errTicketTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tk := fullTicket(t)
	tk.Handle = strings.Repeat("h", maxTicketBody)
	if _, err := s.seal(tk); !errors.Is(err, errTicketTooLarge) {
		t.Errorf("a long handle: %v", err)
	}
}

func TestTicket_ofAConversationThatCanHaveNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, up, _ := instance(t, func(c *Config, _ *memDialer) { everything(c) })
		p := newPerson(t, g)
		config := instructed(t, noise(maxTicketText-ticketRoom/2))
		p.start(config[1 : len(config)-1])
		up.says(Event{Kind: EventReady})
		p.settle()
		if w := find(p.heard, "warning"); p.ticket != "" || w == nil || w.JSON["code"] != "not_supported" || w.JSON["field"] != "resumable" {
			t.Errorf("the ticket has %d characters, the browser heard %v", len(p.ticket), types(p.heard))
		}
		p.b.failure <- io.ErrUnexpectedEOF
		<-p.done
		if n := g.Stats().Active; n != 0 {
			t.Error("the session waits for a browser that cannot come back")
		}
	})
}

func TestTicket_fitsIntoStartSessionHoweverSmallMessagesMustBe(t *testing.T) {
	limits := DefaultConfig().Limits
	limits.MaxTextBytes = 1024
	d, ticket := newStonepot("x", &limits), strings.Repeat("A", maxTicketText)
	for message, want := range map[string]bool{
		`{"type":"start_session","resume":{"sessionId":"x","received":7,"resumeTicket":"` + ticket + `"}}`:          true,
		`{"type":"start_session","resume":{"sessionId":"x","received":7,"resumeTicket":"` + ticket + ticket + `"}}`: false,
		`{"type":"text","text":"` + ticket + `"}`:                                                                   false,
	} {
		var c Command
		if err := d.Decode(Frame{Data: []byte(message)}, &c); (err == nil) != want {
			t.Errorf("%.60s…: %v", message, err)
		}
	}
}

// noise is text that no compression makes shorter by much.
func noise(n int) string {
	rng, b := rand.New(rand.NewPCG(1, 1)), make([]byte, n) //nolint:gosec // a test's
	for i := range b {
		b[i] = byte(' ' + 1 + rng.IntN(94))
	}
	return string(b)
}

func TestTicket_andKeysArePrintedNowhere(t *testing.T) {
	key := resumeKeyOf(1)
	cfg := DefaultConfig()
	cfg.Resume.Keys = []string{key}
	var out strings.Builder
	tk := fullTicket(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, tk, &tk)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, verb+verb, cfg.Resume, cfg)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "ticket", tk, "pointer", &tk, "resume", cfg.Resume, "config", cfg)
	}
	for _, secret := range []string{tk.Handle, tk.UserID, tk.SessionID, "brièvement", key} {
		if before, _, printed := strings.Cut(out.String(), secret); printed {
			t.Errorf("%q was printed, behind %q", secret, before[max(0, len(before)-80):])
		}
	}
}

func TestResumeKeys(t *testing.T) {
	raw := make([]byte, minResumeKey)
	for i := range raw {
		raw[i] = byte(i*37 + 11)
	}
	for name, key := range map[string]string{
		"base64": base64.StdEncoding.EncodeToString(raw), "without padding": base64.RawStdEncoding.EncodeToString(raw),
		"of URLs": base64.URLEncoding.EncodeToString(raw), "hex": hex.EncodeToString(raw), "HEX": strings.ToUpper(hex.EncodeToString(raw)),
	} {
		secrets, err := checkResumeKeys([]string{key})
		if err != nil || !bytes.Equal(secrets[0], raw) {
			t.Errorf("%s: %v %x", name, err, secrets)
		}
	}
	const sentence = "STONEPOT_RESUME_KEYS must hold keys of at least 32 random bytes in base64 or hex, and the key number 2 %s: " +
		"`openssl rand -base64 32` makes one"
	for name, test := range map[string]struct{ key, fault string }{
		"nothing":        {"", "has only 0"},
		"pass phrase":    {"correct horse battery staple, and many more words", "is neither"},
		"one long word":  {strings.Repeat("correcthorsebatterystaple", 4), "looks like words"},
		"short":          {base64.StdEncoding.EncodeToString(raw[:31]), "has only 31"},
		"short hex":      {hex.EncodeToString(raw[:16]), "has only 16"},
		"half a byte":    {hex.EncodeToString(raw) + "a", "is neither"},
		"zeros":          {base64.StdEncoding.EncodeToString(make([]byte, 64)), "looks like words"},
		"zeros in hex":   {strings.Repeat("00", 32), "is not random"},
		"a word, coded":  {base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("secret"), 10)), "is not random"},
		"quotes":         {`"` + base64.StdEncoding.EncodeToString(raw) + `"`, "is neither"},
		"padding inside": {"AAAA=" + base64.StdEncoding.EncodeToString(raw), "is neither"},
	} {
		_, err := checkResumeKeys([]string{resumeKeyOf(1), test.key})
		if err == nil || err.Error() != fmt.Sprintf(sentence, test.fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := make([]string, maxResumeKeys+1)
	for i := range many {
		many[i] = resumeKeyOf(uint64(i)) //nolint:gosec // small
		if _, err := checkResumeKeys(many[i : i+1]); err != nil {
			t.Errorf("a random key is refused: %v", err)
		}
	}
	if _, err := newSealer(many); err == nil || err.Error() != "STONEPOT_RESUME_KEYS must hold at most 8 keys, it holds 9" {
		t.Errorf("too many: %v", err)
	}
}

// Whatever a stranger sends, opening it ends in an error, and never in a panic: only what was sealed opens.
func FuzzTicketOpen(f *testing.F) {
	s := sealerOf(f, resumeKeyOf(1), resumeKeyOf(2))
	valid, err := s.seal(fullTicket(f))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", "A", "AQ", valid, valid[:60], valid[1:], strings.Repeat("A", 60), "=", "\n" + valid} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.open(text, ticketNow)
		switch {
		case err == nil:
			same(t, got, fullTicket(t)) // the one that was sealed, here or by the process that fuzzes with others
		case !errors.Is(err, errTicketForged):
			t.Errorf("%q: %v", text, err)
		}
	})
}

// What another version of the program may have sealed is read as a ticket or refused; what is read packs to the same again.
func FuzzTicketUnpack(f *testing.F) {
	packed, err := fullTicket(f).pack()
	if err != nil {
		f.Fatal(err)
	}
	for _, plain := range [][]byte{nil, {0}, {1, 0}, packed, packed[:40], []byte("\x00\x00{}"), []byte("\x00\x02hh{\"k\":{\"tools\":[null]}}")} {
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		got, err := unpackTicket(plain)
		if err != nil {
			if !errors.Is(err, errTicketForeign) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		again, err := got.pack()
		if errors.Is(err, errTicketTooLarge) {
			return // escapes may be longer than what they stand for
		}
		if err != nil {
			t.Fatal(err)
		}
		twice, err := unpackTicket(again)
		if err != nil {
			t.Fatal(err)
		}
		same(t, twice, got)
	})
}
