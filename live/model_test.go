package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The model test plays conversations by chance, with upstreams that break at any moment, against a small model of what
// an upstream remembers: a lineage. A ledger stands outside the session. At the end the lineage that survived must hold
// every sample and every text that the person sent (U1), none twice but for the overlap (U2), in order (U3, U4), and the
// browser must have heard each answer as a gapless row of pieces (D1), nothing of it after its turn was told to be over.

// lineage is what one row of connections remembers: the microphone's stream in units of four bytes, and texts.
type lineage struct {
	units []uint32
	texts []string
}

func (l lineage) clone() lineage {
	return lineage{slices.Clone(l.units), slices.Clone(l.texts)}
}

// world is the model's side of one conversation.
type world struct {
	t        *testing.T
	rng      *rand.Rand // guarded by mu
	seed     uint64
	exact    bool // handles come with the index of what they hold, as on Vertex
	reliable bool // dials never fail
	here     int  // the instance that has the conversation; guarded by mu
	moved    bool // it has been on more than one; guarded by mu
	ill      bool // connections fall silent, resumptions are poisoned, handles die
	rough    bool // answers are interrupted, and the socket takes what it likes
	brief    bool // hardly any speech is kept, and handles are rare; where they are not exact there is none

	mu      sync.Mutex
	up      *worldUpstream // the newest connection
	handles map[string]lineage
	dials   int                  // that gave a connection
	seeded  int                  // of them, those without a handle after the first
	starts  []lineage            // what was remembered when each answer began: its transcript stands for that
	sent    map[string]time.Time // when a text was given last
	crossed map[string]bool      // texts that were given so shortly before an answer began that nobody tells whether it is one to them
	forgot  lineage              // what was answered, and may be forgotten: see worldDialer
}

// worldUpstream is one connection of it.
type worldUpstream struct {
	*memUpstream
	w       *world
	memory  lineage
	marks   []lineage // after each message: what a handle of that index holds; the setup is number 0
	handled int64     // index of the newest handle
	answer  int       // in progress; 0: none
	piece   uint16
	atStart lineage // memory when the answer in progress, or the newest one, began
	over    bool    // an answer has ended
	at      int     // the instance that dialled

	voice, instruction string

	seeded []string // what the person wrote or said, as the transcript has it that the connection began with

	silent   bool // nothing comes of it any more
	poisoned bool // it hears, and never answers
}

// says passes on what a silent connection does not.
func (u *worldUpstream) says(events ...Event) {
	if !u.silent {
		u.memUpstream.says(events...)
	}
}

func (w *world) Dial(_ context.Context, s Setup) (Upstream, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.dial(s)
	if err != nil {
		return nil, err
	}
	w.up = u
	return u, nil
}

// dial is called with mu held.
func (w *world) dial(s Setup) (*worldUpstream, error) {
	if w.up != nil && !w.reliable {
		select {
		case <-w.up.closed:
		default:
			w.t.Error("a connection was dialled while the one before was open")
		}
	}
	switch n := w.rng.IntN(24); {
	case n < 3 && !w.reliable:
		return nil, &UpstreamError{Fault: FaultBroken, Detail: "refused"}
	case n < 5 && w.ill && s.Handle != "":
		return nil, &UpstreamError{Fault: FaultDeadHandle, Detail: "BidiGenerateContent session not found"}
	}
	u := &worldUpstream{memUpstream: newMemUpstream(), w: w, voice: s.Voice, instruction: s.SystemInstruction}
	if s.Handle != "" {
		known, ok := w.handles[s.Handle]
		if !ok {
			w.t.Errorf("a handle was used that was never given: %q", s.Handle)
		}
		u.memory = known.clone()
	} else {
		u.memory = w.transcribed(s.History)
		for _, turn := range s.History {
			if turn.Role == "user" {
				u.seeded = append(u.seeded, turn.Text)
			}
		}
	}
	u.marks = []lineage{u.memory.clone()}
	if w.dials++; w.dials > 1 && s.Handle == "" {
		w.seeded++
	}
	u.poisoned = w.ill && s.Handle != "" && w.rng.IntN(4) == 0
	u.memUpstream.says(Event{Kind: EventReady})
	if w.ill && w.rng.IntN(6) == 0 {
		u.ended <- &UpstreamError{Fault: FaultBroken, Detail: "Internal error encountered.", Close: 1011}
	}
	return u, nil
}

// transcribed is what a transcript stands for: the text of each answer names the answer.
func (w *world) transcribed(turns []HistoryTurn) lineage {
	for _, turn := range slices.Backward(turns) {
		var n int
		last := strings.LastIndex(turn.Text, "answer ") // without a turn_complete two answers may have become one
		if _, err := fmt.Sscanf(turn.Text[max(0, last):], "answer %d", &n); err == nil && turn.Role == "model" {
			return w.starts[n-1].clone()
		}
	}
	return lineage{}
}

func (u *worldUpstream) Send(c *Command) (int64, error) {
	u.w.mu.Lock()
	switch c.Kind {
	case CommandAudio:
		for p := c.PCM; len(p) >= 4; p = p[4:] {
			u.memory.units = append(u.memory.units, binary.LittleEndian.Uint32(p))
		}
	case CommandText:
		for _, known := range u.seeded {
			if slices.Contains(strings.Split(known, "; "), c.Text) {
				u.w.t.Errorf("U4: the connection was seeded with %q and given %q once more", known, c.Text)
			}
		}
		if slices.Contains(u.memory.texts, c.Text) && !u.w.crossed[c.Text] {
			u.w.t.Errorf("U4: %q was given once more", c.Text)
		}
		if u.w.sent == nil {
			u.w.sent, u.w.crossed = map[string]time.Time{}, map[string]bool{}
		}
		u.w.sent[c.Text] = time.Now()
		u.memory.texts = append(u.memory.texts, c.Text)
		if !u.silent {
			defer u.memUpstream.says(Event{Kind: EventInputTranscript, Text: c.Text + "; "}) // as models do that take texts as speech
		}
	case CommandInstruction:
		u.instruction = c.Text
	}
	u.marks = append(u.marks, u.memory.clone())
	u.w.mu.Unlock()
	return u.memUpstream.Send(c)
}

// handed reports whether a handle was given.
func (w *world) handed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.handles) > 0
}

func (w *world) current() *worldUpstream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up
}

// speakPiece begins an answer or goes on with it. Each sample of a piece tells the answer and the piece's number.
func (w *world) speakPiece() {
	w.mu.Lock()
	u := w.up
	if u.silent || u.poisoned {
		w.mu.Unlock()
		u.says(Event{Kind: EventInputTranscript, Text: "heard"})
		return
	}
	var events []Event
	if u.answer == 0 {
		if len(u.memory.units) == len(u.atStart.units) && len(u.memory.texts) == len(u.atStart.texts) { // models do not speak unasked
			w.mu.Unlock()
			return
		}
		u.atStart = u.memory.clone()
		for _, text := range u.memory.texts {
			if time.Since(w.sent[text]) <= inFlight {
				w.crossed[text] = true
			}
		}
		w.starts = append(w.starts, u.atStart)
		u.answer, u.piece = len(w.starts), 0
		events = append(events, Event{Kind: EventOutputTranscript, Text: fmt.Sprintf("answer %d", u.answer)})
	}
	pcm := make([]byte, 1920)
	for i := 0; i < len(pcm); i += 4 {
		binary.LittleEndian.PutUint16(pcm[i:], uint16(u.answer))
		binary.LittleEndian.PutUint16(pcm[i+2:], u.piece)
	}
	u.piece++
	w.mu.Unlock()
	u.says(append([]Event{{Kind: EventAudio, PCM: pcm}}, events...)...)
}

// endTurn ends the answer in progress, and gives a handle afterwards.
func (w *world) endTurn(handle bool) {
	w.mu.Lock()
	u := w.up
	if u.silent {
		w.mu.Unlock()
		return
	}
	u.answer, u.over = 0, true
	events := []Event{{Kind: EventGenerationComplete}, {Kind: EventTurnComplete}}
	if w.rng.IntN(5) == 0 {
		events = events[:1] // some models leave turn_complete out
	}
	if handle && (!w.brief || w.exact && w.rng.IntN(3) == 0) {
		events = append(events, w.handle(u))
	}
	w.mu.Unlock()
	u.says(events...)
}

// handle makes one. Where it is not exact, it misses up to 400 ms of the newest audio, and texts without an answer.
func (w *world) handle(u *worldUpstream) Event {
	name := fmt.Sprintf("H%d", len(w.handles))
	e := Event{Kind: EventResumption, Handle: name, Resumable: true, Consumed: -1}
	if w.exact {
		u.handled += w.rng.Int64N(int64(len(u.marks)) - u.handled)
		e.Consumed = u.handled
		w.handles[name] = u.marks[e.Consumed].clone()
		return e
	}
	known := u.memory.clone()
	heard := len(known.units) - len(u.marks[0].units) // what its connection began with every handle knows
	lag := min(w.rng.IntN(400*8), heard)              // eight units a millisecond
	known.units = known.units[:len(known.units)-lag]
	known.texts = slices.Clone(u.atStart.texts)
	w.handles[name] = known
	return e
}

func TestModel_conversationsOverUpstreamsThatBreak(t *testing.T) {
	for seed := range uint64(100) {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, exact %v", seed, exact), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { playWorld(t, &world{seed: seed, exact: exact}) })
			})
		}
	}
}

// Connections that fall silent, hear and never answer, die young, or whose handles are dead.
func TestModel_conversationsOverUpstreamsThatAreIll(t *testing.T) {
	var all Counters
	for seed := range uint64(40) {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, exact %v", seed, exact), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { all.add(playWorld(t, &world{seed: seed, exact: exact, ill: true})) })
			})
		}
	}
	if all.WatchdogRenewals < 20 || all.FreshConnections < 20 || all.LostAudioMs > 0 {
		t.Errorf("the schedules have lost their faults, or speech: %+v", all)
	}
}

// Speech that is forgotten before any handle or transcript knows it: the texts among it are not.
func TestModel_conversationsOfWhichHardlyAnySpeechIsKept(t *testing.T) {
	var all Counters
	for seed := range uint64(60) {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, exact %v", seed, exact), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { all.add(playWorld(t, &world{seed: seed, exact: exact, brief: true})) })
			})
		}
	}
	if all.LostAudioMs < 10_000 {
		t.Errorf("the schedules lose hardly any speech: %+v", all)
	}
}

// Interruptions of both kinds, answers that are not restarted, and a socket that takes what it likes: what goes up is then
// a matter of policy, but the browser still hears gapless answers.
func TestModel_whatTheBrowserHearsOfInterruptedAnswersOverASlowSocket(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playWorld(t, &world{seed: seed, rough: true}) })
		})
	}
}

func playWorld(t *testing.T, w *world) (told Counters) {
	rng := rand.New(rand.NewPCG(w.seed, 7))
	w.t, w.rng, w.handles = t, rand.New(rand.NewPCG(w.seed, 8)), map[string]lineage{}
	cfg := DefaultConfig()
	cfg.Live.ConnectTimeout = 5 * time.Minute // breaks come in rows here
	cfg.Live.ClientMaySet = ClientFields()
	b := newMemBrowser(t)
	if w.brief {
		cfg.Resume.ReplayAudio, cfg.Resume.Overlap = 200*time.Millisecond, briefOverlap
	}
	if w.rough {
		b.room, b.timeout = 3000, time.Hour
		cfg.Resume.MidTurn = []string{midTurnKeep, midTurnRestart}[rng.IntN(2)]
	}
	g := NewGateway(cfg, []Backend{{Name: BackendGemini, Workflow: "gemini-live", Dialer: w}}, slog.New(slog.DiscardHandler))
	slot, err := g.Admit(BackendGemini, false)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); slot.Serve(b, Client{}) }()
	b.say(`{"type":"start_session","config":{"model":"gemini-3.8-live"}}`)
	time.Sleep(10 * time.Second) // the first dial may be refused, which ends a session that has not begun
	select {
	case <-done:
		return told
	default:
	}

	units := uint32(firstUnit)
	var texts []string
	voice, instruction := cfg.Assistants[0].Voice, cfg.Assistants[0].SystemInstruction // the last that was asked for
	speak := func(ms int) {
		pcm := make([]byte, 0, ms*32)
		for range ms * 8 {
			pcm = binary.LittleEndian.AppendUint32(pcm, units)
			units++
		}
		b.speak(pcm)
	}
	for range 150 {
		if w.rough {
			w.disturb(b, rng)
		}
		if w.ill {
			w.sicken(b, rng)
		}
		switch n := rng.IntN(100); {
		case n < 55:
			speak(20)
			time.Sleep(20 * time.Millisecond)
		case n < 60:
			speak(4 + 2*rng.IntN(40)) // as a client that catches up
		case n < 64:
			texts = append(texts, fmt.Sprintf("text %d", len(texts)))
			b.say(fmt.Sprintf(`{"type":"text","text":%q}`, texts[len(texts)-1]))
		case n < 82:
			w.speakPiece()
		case n < 90:
			w.mu.Lock()
			speaking := w.up.answer != 0
			w.mu.Unlock()
			if speaking {
				w.endTurn(rng.IntN(4) != 0)
			}
		case n < 92:
			w.current().says(Event{Kind: EventGoAway, TimeLeft: time.Duration(rng.IntN(20)) * time.Second})
		case n < 93:
			voice = cfg.Live.Voices[rng.IntN(3)]
			b.say(fmt.Sprintf(`{"type":"update_session","config":{"voice":%q}}`, voice))
		case n < 94:
			instruction = fmt.Sprintf("instruction %d", rng.IntN(3))
			b.say(fmt.Sprintf(`{"type":"update_session","config":{"systemInstruction":%q}}`, instruction))
		case n < 96:
			select {
			case w.current().ended <- io.ErrUnexpectedEOF:
			default:
			}
		default:
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		}
		if rng.IntN(3) != 0 {
			synctest.Wait()
		}
	}
	b.takes(1 << 30)
	if w.current().answer != 0 { // which holds an update back
		w.endTurn(true)
	}
	time.Sleep(2 * time.Minute) // whatever is being renewed, is; and the watchdog has come to rest
	b.say(`{"type":"end_session"}`)
	<-done

	if up := w.up; up.voice != voice || up.instruction != instruction {
		t.Errorf("the model speaks as %s and was told %q, want %s and %q", up.voice, up.instruction, voice, instruction)
	}
	if !w.rough {
		w.checkUplink(units, texts, g.Stats().Counters)
	}
	checkDownlink(t, b.heard())
	return g.Stats().Counters
}

// firstUnit makes every unit of speech a loud one.
const firstUnit = 2 * loud

const briefOverlap = 100 * time.Millisecond

// sicken makes the connection fall silent now and then, and the person wait for an answer.
func (w *world) sicken(b *memBrowser, rng *rand.Rand) {
	switch rng.IntN(60) {
	case 0:
		w.mu.Lock()
		w.up.silent = true
		w.mu.Unlock()
	case 1, 2:
		synctest.Wait() // so much is never under way
		b.speak(make([]byte, 1200*32))
		synctest.Wait()
	case 3:
		time.Sleep(time.Duration(10+rng.IntN(30)) * time.Second)
	}
}

// disturb interrupts an answer now and then, and lets the socket take some more.
func (w *world) disturb(b *memBrowser, rng *rand.Rand) {
	if rng.IntN(3) == 0 {
		b.takes(rng.IntN(2500))
	}
	switch rng.IntN(40) {
	case 0:
		b.say(`{"type":"interrupt"}`)
	case 1:
		w.mu.Lock()
		u := w.up
		speaking, answer, piece := u.answer != 0, uint16(u.answer), u.piece
		u.answer = 0
		w.mu.Unlock()
		if !speaking {
			return
		}
		stray := make([]byte, 1920) // was on its way when the answer was interrupted
		for i := 0; i < len(stray); i += 4 {
			binary.LittleEndian.PutUint16(stray[i:], answer)
			binary.LittleEndian.PutUint16(stray[i+2:], piece)
		}
		u.says(Event{Kind: EventInterrupted}, Event{Kind: EventAudio, PCM: stray})
		if rng.IntN(3) == 0 {
			time.Sleep(2 * inFlight) // a model that leaves turn_complete out
		} else {
			u.says(Event{Kind: EventTurnComplete})
		}
	}
}

func (w *world) checkUplink(units uint32, texts []string, c Counters) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make([]bool, units)
	forgotten := map[uint32]bool{}
	for _, u := range w.forgot.units {
		forgotten[u] = true
	}
	doubled := 0
	last := int64(-1)
	for _, u := range w.up.memory.units {
		if u == 0 {
			continue // silence that the session sent
		}
		if seen[u] {
			doubled++
			continue
		}
		if int64(u) < last && !forgotten[u] {
			w.t.Errorf("U3: unit %d came after %d", u, last)
		}
		seen[u], last = true, max(last, int64(u))
	}
	lost := 0
	for u, s := range seen[min(firstUnit, units):] {
		if !s && !forgotten[uint32(u+firstUnit)] {
			lost++
		}
	}
	told := 0
	if w.brief { // what lies within the overlap is not told, because the upstream knows it as a rule
		told = 8 * (int(c.LostAudioMs) + w.dials*int(briefOverlap/time.Millisecond))
	}
	if lost > told {
		w.t.Errorf("U1: %d of %d units are lost over %d connections (told: %d ms)", lost, units, w.dials, c.LostAudioMs)
	}
	// Per renewal the overlap, the lag of the handle, and two frames by which cutting at frames may exceed them.
	limit := (w.dials - 1) * 8 * (500 + 400 + 2*84)
	if w.exact && w.seeded == 0 {
		limit = 0
	}
	if doubled > limit {
		w.t.Errorf("U2: %d units came twice over %d connections, at most %d may", doubled, w.dials, limit)
	}
	known := w.up.memory.texts
	if !w.exact || w.seeded > 0 { // a text that crossed an answer's beginning is given again: nobody tells whether it was known
		known = firsts(known)
	}
	forgetting := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(text string) bool { return slices.Contains(w.forgot.texts, text) })
	}
	known, texts = forgetting(known), forgetting(texts)
	if !slices.Equal(known, texts) {
		w.t.Errorf("U4: the model knows the texts %v, the person sent %v", w.up.memory.texts, texts)
	}
}

// firsts leaves out what has been there before.
func firsts(texts []string) (kept []string) {
	for _, text := range texts {
		if !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

// checkDownlink looks at what the browser heard, as the browser would: turn_restarted takes back what came of a turn.
func checkDownlink(t *testing.T, all []message) {
	answer, next := uint16(0), uint16(0)
	over := map[uint16]bool{}
	for _, m := range all {
		switch m.Type {
		case "turn_restarted", "turn_complete", "interrupted", "generation_complete":
			over[answer] = answer != 0
			answer, next = 0, 0
		case "error":
			t.Errorf("the browser was told %v", m.JSON)
		case "audio":
			for p := m.Audio; len(p) > 0; p = p[min(1920, len(p)):] {
				a, piece := binary.LittleEndian.Uint16(p), binary.LittleEndian.Uint16(p[2:])
				if answer == 0 {
					answer = a
				}
				if over[a] {
					t.Fatalf("D4: piece %d of answer %d came after its end", piece, a)
				}
				if a != answer || piece != next {
					t.Fatalf("D1: piece %d of answer %d came where piece %d of answer %d belongs", piece, a, next, answer)
				}
				next++
			}
		}
	}
}
