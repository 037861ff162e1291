package simulator

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// ledger keeps what an observer is told, as the doc comment of Observer says.
type ledger struct {
	mu     sync.Mutex
	events map[uint64][]Event
	opened []uint64
}

func (l *ledger) Observe(e *Event) {
	kept := *e
	kept.PCM = bytes.Clone(e.PCM)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		l.events = make(map[uint64][]Event)
	}
	l.events[e.Conn] = append(l.events[e.Conn], kept)
	if e.Kind == EventOpened {
		l.opened = append(l.opened, e.Conn)
	}
}

// lineage is the model's memory as of a connection.
func (l *ledger) lineage(conn uint64) []Event {
	own := l.events[conn]
	opened := own[0]
	if opened.Parent == 0 {
		return own
	}
	past := l.lineage(opened.Parent)
	for i, e := range past {
		if e.Kind == EventHandle && e.Handle == opened.Handle {
			return append(past[:i+1:i+1], own...)
		}
	}
	panic("a handle that nobody was given")
}

// survived is the lineage of the connection that was opened last.
func (l *ledger) survived() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lineage(l.opened[len(l.opened)-1]))
}

func (l *ledger) all(kinds ...EventKind) (list []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.opened {
		list = append(list, only(l.events[conn], kinds...)...)
	}
	return list
}

func only(events []Event, kinds ...EventKind) (list []Event) {
	for _, e := range events {
		if slices.Contains(kinds, e.Kind) {
			list = append(list, e)
		}
	}
	return list
}

// heardBy is the audio of a lineage, whose events must say where they belong.
func heardBy(t *testing.T, events []Event) (pcm []byte) {
	t.Helper()
	for _, e := range only(events, EventAudio) {
		if e.Sample != int64(len(pcm)/2) {
			t.Fatalf("audio of sample %d came where sample %d belongs", e.Sample, len(pcm)/2)
		}
		pcm = append(pcm, e.PCM...)
	}
	return pcm
}

// observed starts a server and its ledger.
func observed(t *testing.T, cfg Config) (*Server, *ledger) {
	t.Helper()
	s := newServer(t, cfg)
	l := &ledger{}
	s.Observe(l)
	listen(t, s)
	return s, l
}

// utterance is a story for the microphone in which no two pieces are alike.
func utterance(quiet, loud, after time.Duration) []byte {
	speech := tone(loud)
	for i := 0; i+1 < len(speech); i += 2 { // a position in each sample, below what the ear tells apart
		speech[i] = byte(i / 2)
	}
	return slices.Concat(silence(quiet), speech, silence(after))
}

// messages are an utterance as a client sends it.
func messages(pcm []byte, manual bool) (list []string) {
	if manual {
		list = append(list, `{"realtimeInput":{"activityStart":{}}}`)
	}
	for _, p := range chunks(pcm) {
		list = append(list, audioInput(p))
	}
	if manual {
		list = append(list, `{"realtimeInput":{"activityEnd":{}}}`)
	}
	return list
}

const vertexModelName = "projects/p/locations/l/publishers/google/models/gemini-3.8-live"

// vertexSetup resumes with a handle, or begins where it is empty.
func vertexSetup(handle, more string) string {
	return onModel(vertexModelName, `"sessionResumption":{"transparent":true,"handle":"`+handle+`"}`+more)
}

func audioBytes(all []heard) (pcm []byte) {
	for _, h := range all {
		if speaking(h) {
			for _, p := range h.ServerContent.ModelTurn.Parts {
				if p.InlineData != nil {
					pcm = append(pcm, p.InlineData.Data...)
				}
			}
		}
	}
	return pcm
}

// A handle of the middle of a sentence, and a replay from its index, must give the model the sentence and the client
// the very answer of a conversation that nothing broke.
func TestResumption_aHandleInMidSpeechHearsEverySampleOnce(t *testing.T) {
	pcm := utterance(300*time.Millisecond, 1500*time.Millisecond, 500*time.Millisecond)
	for _, c := range []struct {
		into, cut time.Duration // into speech comes the handle, of the stream the cut
		manual    bool
	}{
		{60 * time.Millisecond, 420 * time.Millisecond, false},
		{500 * time.Millisecond, 820 * time.Millisecond, false},
		{1200 * time.Millisecond, 1700 * time.Millisecond, false},
		{1550 * time.Millisecond, 1900 * time.Millisecond, false}, // in the silence that has not ended it yet
		{700 * time.Millisecond, 1200 * time.Millisecond, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			cfg := quickConfig()
			cfg.SilenceDuration = 400 * time.Millisecond
			s, l := observed(t, cfg)
			more := ""
			if c.manual {
				more = `,"realtimeInputConfig":{"automaticActivityDetection":{"disabled":true}}`
			}
			say := messages(pcm, c.manual)

			whole := dial(t, s, vertexPath, bearer)
			whole.say(vertexSetup("", more))
			whole.until(ready)
			for _, m := range say {
				whole.say(m)
			}
			want := audioBytes(whole.until(complete))

			script := `,"systemInstruction":{"parts":[{"text":"[[simulate: handle_in_speech connection=1 length=` + c.into.String() + `]]"}]}`
			broken := dial(t, s, vertexPath, bearer)
			broken.say(vertexSetup("", more+script))
			broken.until(handle) // the one of the beginning
			for _, m := range say[:int(c.cut/(20*time.Millisecond))] {
				broken.say(m)
			}
			all := broken.until(handle)
			told := all[len(all)-1].SessionResumptionUpdate
			consumed, err := strconv.Atoi(told.LastConsumedClientMessageIndex)
			if err != nil {
				t.Fatal(err)
			}
			hangUp(t, s, broken)

			resumed := dial(t, s, vertexPath, bearer)
			resumed.say(vertexSetup(told.NewHandle, more+script))
			resumed.until(ready)
			for _, m := range say[consumed:] {
				resumed.say(m)
			}
			if got := audioBytes(resumed.until(complete)); !bytes.Equal(got, want) {
				t.Errorf("the answer of the resumed conversation has %d bytes, that of an unbroken one %d, or others", len(got), len(want))
			}
			lineage := l.survived()
			if got := heardBy(t, lineage); !bytes.Equal(got, pcm) {
				t.Errorf("the model heard %d bytes, want %d, each once", len(got), len(pcm))
			}
			if h := only(lineage, EventHandle); len(h) < 2 || !h[1].InSpeech || h[1].Index != int64(consumed) {
				t.Errorf("handles %+v, want the second in speech with index %d", h, consumed)
			}
			speech := only(lineage, EventSpeech)
			answers := l.all(EventAnswer)
			if len(speech) != 1 || speech[0].Question != 1 || len(answers) != 2 || !slices.Equal(answers[1].Questions, []int64{1}) {
				t.Errorf("utterances %+v, answers %+v: want one, answered on the resumed connection", speech, answers)
			}
		})
	}
}

// hangUp closes a client's connection and waits until the server knows.
func hangUp(t *testing.T, s *Server, p *peer) {
	t.Helper()
	before := s.Stats().Active
	_ = p.ws.Close()
	eventually(t, "the old connection is over", func() bool { return s.Stats().Active < before })
}

func TestResumption_aSentenceThatInterruptsIsInTheNextHandle(t *testing.T) {
	t.Parallel()
	cfg := quickConfig()
	cfg.Pace, cfg.PieceMax = 2, 50*time.Millisecond
	s, l := observed(t, cfg)
	pcm := utterance(0, 800*time.Millisecond, 200*time.Millisecond)
	say := messages(pcm, false)
	p := dial(t, s, geminiPath, nil)
	p.say(plainSetup)
	p.until(handle)
	p.say(`{"realtimeInput":{"text":"tell me a story that is long enough to be interrupted"}}`)
	p.until(speaking)
	for _, m := range say[:20] {
		p.say(m)
	}
	all := p.until(handle) // after the turn that was interrupted, in the middle of the sentence that did it
	hangUp(t, s, p)
	p = dial(t, s, geminiPath, nil)
	p.say(resumeWith(all[len(all)-1].SessionResumptionUpdate.NewHandle))
	p.until(ready)
	made := only(l.survived(), EventHandle)
	consumed := int(made[len(made)-1].Sample) / 320
	for _, m := range say[consumed:] {
		p.say(m)
	}
	p.until(complete)
	if got := heardBy(t, l.survived()); !bytes.Equal(got, pcm) {
		t.Errorf("the model heard %d bytes, want %d", len(got), len(pcm))
	}
	ends := l.all(EventAnswerEnd)
	if len(ends) != 2 || ends[0].Outcome != Interrupted || ends[0].Generated || ends[1].Outcome != Complete || !ends[1].Generated {
		t.Errorf("answers ended %+v, want one interrupted and one complete", ends)
	}
}

func TestResumption_aHandleLagsBehindByUpToTheLag(t *testing.T) {
	t.Parallel()
	lags := func(path, first string, headers map[string][]string) (all []time.Duration) {
		cfg := quickConfig()
		cfg.HandleLag = 40 * time.Millisecond
		cfg.Faults = []Fault{{Kind: FaultLongAnswer, Length: 40 * time.Millisecond}} // short, that is
		s, l := observed(t, cfg)
		p := dial(t, s, path, headers)
		p.say(first)
		p.until(ready)
		for i := range 4 {
			if i > 0 { // the first handle comes by itself
				p.speak(100, 0.3)
				p.speak(200, 0)
				p.until(complete)
			}
			for len(l.all(EventHandleSent)) <= i {
				p.say(audioMessageJSON) // what comes between is not in the snapshot
			}
			update := p.until(handle)
			told := update[len(update)-1].SessionResumptionUpdate
			made := only(l.survived(), EventHandle)
			last := made[len(made)-1]
			sent := l.all(EventHandleSent)
			if last.Handle != told.NewHandle || sent[i].Handle != told.NewHandle || sent[i].Index < last.Index {
				t.Errorf("handle %+v was told as %+v and %+v", last, told, sent[i])
			}
			if want := strconv.FormatInt(last.Index, 10); path == vertexPath && told.LastConsumedClientMessageIndex != want {
				t.Errorf("index %s, want the snapshot's %s", told.LastConsumedClientMessageIndex, want)
			}
			if path != vertexPath && told.LastConsumedClientMessageIndex != "" {
				t.Errorf("the Gemini API told the index %s", told.LastConsumedClientMessageIndex)
			}
			all = append(all, last.Lag)
		}
		return all
	}
	gemini := lags(geminiPath, onModel("models/gemini-3.8-live", `"sessionResumption":{}`), nil)
	again := lags(geminiPath, onModel("models/gemini-3.8-live", `"sessionResumption":{}`), nil)
	lags(vertexPath, vertexSetup("", ""), bearer)
	if len(slices.Compact(slices.Clone(gemini))) < 2 || slices.Max(gemini) > 40*time.Millisecond {
		t.Errorf("lags %v, want several up to 40ms", gemini)
	}
	if !slices.Equal(gemini, again) {
		t.Errorf("lags %v and %v with the same seed", gemini, again)
	}
}
