package main

import (
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/pcm"
	"github.com/stonepot/stonepot/benchmarks/torture/proxy"
	"github.com/stonepot/stonepot/live/simulator"
)

// testWorld is a world without servers: for ledgers.
func testWorld() *world {
	o := defaults()
	o.Faults = false
	w := &world{
		o: o, began: time.Now(), report: newReport(o), resuming: true, tools: true, allowed: map[string]bool{},
		conversations: make(map[uint16]*conversation), links: make(map[uint16]*proxy.Link), named: make(map[*proxy.Link]bool),
	}
	w.ledger = newLedger(w)
	return w
}

// model tells a ledger what a model takes in, as the simulator does.
type model struct {
	w     *world
	c     *conversation
	conn  uint64
	taken map[uint64]int64 // samples, by connection
	at    map[string]int64 // samples, by handle
}

func newModel() *model {
	w := testWorld()
	c := newConversation(w, 1)
	w.add(c)
	return &model{w: w, c: c, taken: map[uint64]int64{}, at: map[string]int64{}}
}

func (m *model) tell(e simulator.Event) {
	e.Conn = m.conn
	m.w.ledger.Observe(&e)
}

// open makes the next connection, which resumes another with a handle unless parent is 0.
func (m *model) open(parent uint64, handle string, transparent bool) {
	m.conn++
	m.taken[m.conn] = m.at[handle]
	m.tell(simulator.Event{Kind: simulator.EventOpened, Parent: parent, Handle: handle, Opening: simulator.Opening{
		Instruction: "this is torture conversation 1; yes", Transparent: transparent, Seeding: parent == 0 && m.conn > 1,
	}})
}

func (m *model) hear(audio []byte) {
	m.tell(simulator.Event{Kind: simulator.EventAudio, PCM: audio, Rate: pcm.Rate, Sample: m.taken[m.conn]})
	m.taken[m.conn] += int64(len(audio) / 2)
}

// handle takes a snapshot whose handle is told long after.
func (m *model) handle(name string, inSpeech bool) { m.handleIn(time.Hour, name, inSpeech) }

func (m *model) handleIn(lag time.Duration, name string, inSpeech bool) {
	m.at[name] = m.taken[m.conn]
	m.tell(simulator.Event{Kind: simulator.EventHandle, Handle: name, Sample: m.taken[m.conn], InSpeech: inSpeech, Lag: lag})
}

// said is the person's samples: an utterance between 1600 and 3200, silence around it.
func said(from, to int64) (audio []byte) {
	for ; from < to; from++ {
		audio = pcm.Append(audio, 1, from, 1, from >= 1600 && from < 3200)
	}
	return audio
}

func silentPerson(from, to int64) bool { return to <= 1600 || from >= 3200 }

func TestUplink_judgesTheLineageThatSurvived(t *testing.T) {
	zeros := func(n int) []byte { return make([]byte, 2*n) }
	const overlap = 800
	cases := []struct {
		name    string
		story   func(m *model)
		excuses []span
		want    uplinkVerdict
	}{
		{"everything once", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 4800))
		}, nil, uplinkVerdict{}},
		{"padding by the server is nothing", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 1000))
			m.hear(zeros(1600))
			m.hear(said(1000, 4800))
		}, nil, uplinkVerdict{}},
		{"speech is lost", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 1700))
			m.hear(said(1900, 4800))
		}, nil, uplinkVerdict{lost: 200, lostLoud: 200}},
		{"the end is lost", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 4000))
		}, nil, uplinkVerdict{lost: 800}},
		{"what the client gave up is excused", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 1700))
			m.hear(said(1900, 4800))
		}, []span{{from: 1650, to: 1800}}, uplinkVerdict{lost: 100, lostLoud: 100, excused: 100}},
		{"silence may come as zeros of its length", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 3300))
			m.hear(zeros(1000))
			m.hear(said(4300, 4800))
		}, nil, uplinkVerdict{asLength: 1000}},
		{"but speech may not", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 2000))
			m.hear(zeros(1000))
			m.hear(said(3000, 4800))
		}, nil, uplinkVerdict{lost: 1000, lostLoud: 1000}},
		{"what an abandoned connection heard does not count", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 1000))
			m.handle("h", false)
			m.hear(said(1000, 4800))
			m.open(1, "h", true)
			m.hear(said(1000, 4800))
		}, nil, uplinkVerdict{renewals: 1}},
		{"nor does it excuse what the next one lacks", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 1000))
			m.handle("h", false)
			m.hear(said(1000, 4800))
			m.open(1, "h", true)
			m.hear(said(1200, 4800))
		}, nil, uplinkVerdict{renewals: 1, lost: 200}},
		{"an exact renewal doubles nothing", func(m *model) {
			m.open(0, "", true)
			m.hear(said(0, 1000))
			m.handle("h", false)
			m.open(1, "h", true)
			m.hear(said(900, 4800))
		}, nil, uplinkVerdict{renewals: 1, doubled: 100, doubledMax: 100, beyond: 100}},
		{"another one may, within the overlap", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 1500))
			m.handle("h", false)
			m.open(1, "h", false)
			m.hear(said(800, 4800))
		}, nil, uplinkVerdict{renewals: 1, doubled: 700, doubledMax: 700}},
		{"and not beyond", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 1500))
			m.handle("h", false)
			m.open(1, "h", false)
			m.hear(said(600, 4800))
		}, nil, uplinkVerdict{renewals: 1, doubled: 900, doubledMax: 900, beyond: 100}},
		{"unless more was sent within the overlap's time", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 1500))
			m.handleIn(0, "h", false)
			m.open(1, "h", false)
			m.hear(said(600, 4800))
		}, nil, uplinkVerdict{renewals: 1, doubled: 900, doubledMax: 900}},
		{"speech is doubled only where the handle fell into speech", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 3300))
			m.handle("h", false)
			m.open(1, "h", false)
			m.hear(said(3100, 4800))
		}, nil, uplinkVerdict{renewals: 1, doubled: 200, doubledMax: 200, beyond: 100}},
		{"there it may be", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 2500))
			m.handle("h", true)
			m.open(1, "h", false)
			m.hear(said(2000, 4800))
		}, nil, uplinkVerdict{renewals: 1, doubled: 500, doubledMax: 500}},
		{"a repetition without a renewal", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 2000))
			m.hear(said(1500, 4800))
		}, nil, uplinkVerdict{reordered: 500}},
		{"two pieces change places", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 1000))
			m.hear(said(1500, 2000))
			m.hear(said(1000, 1500))
			m.hear(said(2000, 4800))
		}, nil, uplinkVerdict{lost: 500, reordered: 500}},
		{"a transcript stands for what was before", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 4000))
			m.open(0, "", false)
			m.hear(said(3500, 4800))
		}, nil, uplinkVerdict{renewals: 1, seeded: 1}},
		{"but not for what nobody heard", func(m *model) {
			m.open(0, "", false)
			m.hear(said(0, 1600))
			m.open(0, "", false)
			m.hear(said(3500, 4800))
		}, nil, uplinkVerdict{renewals: 1, seeded: 1, lost: 1900, lostLoud: 1900}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newModel()
			c.story(m)
			if got := m.c.account.uplink(4800, overlap, c.excuses, nil, silentPerson, false); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestUplink_tellsWhatIsForgottenAfterItsAnswer(t *testing.T) {
	m := newModel()
	m.open(0, "", true)
	m.hear(said(0, 1500))
	m.handle("h", false)
	m.open(1, "h", true)
	m.hear(said(3300, 4800))
	answered := []span{{from: 1600, to: 3200}}
	if got, want := m.c.account.uplink(4800, 0, nil, answered, silentPerson, false), (uplinkVerdict{renewals: 1, forgotten: 1800}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestLedger_noticesSomebodyElsesWordsAndNobodys(t *testing.T) {
	m := newModel()
	m.open(0, "", true)
	m.hear(pcm.Append(nil, 2, 0, 320, true))
	if n := m.w.report.backends[m.c.backend].violations[kindU3]; n == 0 {
		t.Error("another conversation's words are not noticed")
	}
	m.hear([]byte{1, 0, 2, 0, 3, 0})
	if m.c.account.strange != 3 {
		t.Errorf("%d strange samples, want 3", m.c.account.strange)
	}
}

func TestLedger_countsTextsAndToolAnswersAlongTheLineage(t *testing.T) {
	m := newModel()
	m.open(0, "", true)
	m.tell(simulator.Event{Kind: simulator.EventText, Text: "hello key-1-2", Question: 1})
	m.handle("h", false)
	m.tell(simulator.Event{Kind: simulator.EventText, Text: "hello key-1-3", Question: 2})
	m.tell(simulator.Event{Kind: simulator.EventToolAnswer, ID: "call", Name: "lookup"})
	m.open(1, "h", true)
	m.tell(simulator.Event{Kind: simulator.EventText, Text: "hello key-1-3", Question: 2})
	m.tell(simulator.Event{Kind: simulator.EventText, Text: "hello key-1-3", Question: 3})
	m.tell(simulator.Event{Kind: simulator.EventToolAnswer, ID: "call", Name: "lookup"})
	m.tell(simulator.Event{Kind: simulator.EventToolAnswer, ID: "call"})
	for text, want := range map[string]int{"key-1-2": 1, "key-1-3": 2, "key-1-4": 0, "key-1-33": 0} {
		if n := m.c.account.texts(text); n != want {
			t.Errorf("%s: %d, want %d", text, n, want)
		}
	}
	if n := m.c.account.toolAnswers("call"); n != 1 {
		t.Errorf("%d tool answers, want 1", n)
	}
}

func TestJudgeAsk_whatWasLostWithItsInstanceNeedNotBeAnswered(t *testing.T) {
	lost := []span{{from: 1000, to: 3000}}
	for _, c := range []struct {
		name     string
		from, to int64
		excuses  []span
		want     int32
	}{
		{"no excuse", 1600, 3200, nil, 1},
		{"its speech is excused", 1600, 3200, lost, 0},
		{"other speech is", 3200, 4800, lost, 1},
	} {
		m := newModel()
		var n counts
		m.c.judgeAsk(&ask{kind: askVoice, id: 1, from: c.from, to: c.to}, true, c.excuses, &n)
		if got := m.c.failed.Load(); int32(got) != c.want {
			t.Errorf("%s: %d violations, want %d", c.name, got, c.want)
		}
	}
}
