package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/pcm"
	"github.com/stonepot/stonepot/live/simulator"
)

// ledger is the simulator's observer: it sorts what the model takes in and says by conversation. The conversation's number
// stands in its system instruction. What it keeps is small: positions instead of audio.
type ledger struct {
	w *world

	mu     sync.RWMutex
	conns  map[uint64]*connection
	faults map[string]int // that struck, by kind
}

func newLedger(w *world) *ledger {
	return &ledger{w: w, conns: make(map[uint64]*connection), faults: make(map[string]int)}
}

// connection is one connection of the model's, with what it took in. Guarded by its account's mu.
type connection struct {
	id        uint64
	parent    *connection // of the handle that it began with
	handle    string
	opening   simulator.Opening
	account   *account // nil: of no conversation that is known
	scanner   pcm.Scanner
	entries   []entry
	arrivals  []arrival
	questions map[int64]question
	answers   map[int64]*answer
}

// arrival is audio that a connection was given at once.
type arrival struct {
	at time.Time
	n  int64 // samples
}

// within is how many samples a connection was given in some time before a moment.
func (c *connection) within(d time.Duration, before time.Time) (n int64) {
	for _, a := range c.arrivals {
		if a.at.After(before.Add(-d)) && !a.at.After(before) {
			n += a.n
		}
	}
	return n
}

// entry is something that a connection took in, in order.
type entry struct {
	kind     simulator.EventKind
	sample   int64 // in the lineage's stream
	run      pcm.Run
	text     string
	id       string
	known    bool // a tool answer whose call was open
	inSpeech bool
	told     time.Time // of a handle: when the client was to be told
}

// question is something that the model will answer: an utterance between two samples of the person's, or a text.
type question struct {
	from, to int64
	text     string
}

// account is a conversation as the model knows it.
type account struct {
	c  *conversation
	mu sync.Mutex

	conns    []*connection // in the order in which they opened
	goAways  int
	foreign  int64 // samples of somebody else
	strange  int64 // samples of nobody
	handles  int
	inSpeech int
}

var marker = regexp.MustCompile(`torture conversation (\d+);`)

// goAwayTold is the name of a goAway in the report: the model says that its connection will end.
const goAwayTold = "goAway told"

// Observe takes one event of a connection.
func (l *ledger) Observe(e *simulator.Event) {
	if e.Kind == simulator.EventFault {
		l.mu.Lock()
		l.faults[e.Text]++
		l.mu.Unlock()
	}
	c := l.connection(e)
	if c == nil || c.account == nil {
		return
	}
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	c.take(e)
}

// connection finds where an event belongs, and opens what is new.
func (l *ledger) connection(e *simulator.Event) *connection {
	if e.Kind != simulator.EventOpened {
		l.mu.RLock()
		defer l.mu.RUnlock()
		return l.conns[e.Conn]
	}
	c := &connection{id: e.Conn, handle: e.Handle, opening: e.Opening, questions: make(map[int64]question), answers: make(map[int64]*answer)}
	l.mu.Lock()
	c.parent = l.conns[e.Parent]
	l.conns[e.Conn] = c
	l.mu.Unlock()
	if m := marker.FindStringSubmatch(e.Opening.Instruction); m != nil {
		id, _ := strconv.Atoi(m[1]) // digits
		if conv := l.w.conversation(uint16(id)); conv != nil {
			c.account = conv.account
			c.account.open(c)
		}
	}
	return c
}

func (a *account) open(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns = append(a.conns, c)
	parent := uint64(0)
	if c.parent != nil {
		parent = c.parent.id
		if c.parent.account != a {
			a.c.fail(kindU1, "the conversation was resumed with the handle of another one")
		}
	}
	a.c.log.say("upstream %d opened, parent %d, seeding %v", c.id, parent, c.opening.Seeding)
}

// take keeps what matters of an event. Called with account.mu held.
func (c *connection) take(e *simulator.Event) {
	a := c.account
	switch e.Kind {
	case simulator.EventAudio:
		c.hear(e)
	case simulator.EventSpeech:
		q := c.utterance(e.Sample, e.End)
		c.questions[e.Question] = q
		a.c.log.say("upstream %d heard the utterance %d to %d (question %d)", c.id, q.from, q.to, e.Question)
	case simulator.EventText:
		if e.Question != 0 {
			q := c.questions[e.Question]
			q.text += " " + e.Text
			c.questions[e.Question] = q
		}
		c.entries = append(c.entries, entry{kind: e.Kind, text: e.Text})
		a.c.log.say("upstream %d was told %.60q by %q", c.id, e.Text, e.Role)
	case simulator.EventSeed:
		c.entries = append(c.entries, entry{kind: e.Kind, text: e.Text, id: e.Role})
		a.c.log.say("upstream %d is seeded with %.60q by %q", c.id, e.Text, e.Role)
	case simulator.EventToolAnswer:
		c.entries = append(c.entries, entry{kind: e.Kind, text: e.Text, id: e.ID, known: e.Name != ""})
		if e.Question != 0 {
			c.questions[e.Question] = question{text: "tool " + e.ID}
		}
		a.c.log.say("upstream %d was given the tool answer %s %.60s (open: %v)", c.id, e.ID, e.Text, e.Name != "")
	case simulator.EventHandle:
		a.handles++
		if e.InSpeech {
			a.inSpeech++
		}
		c.entries = append(c.entries, entry{kind: e.Kind, sample: e.Sample, text: e.Handle, inSpeech: e.InSpeech, told: time.Now().Add(e.Lag)})
		a.c.log.say("upstream %d snapshot at sample %d, index %d, in speech %v, told in %v", c.id, e.Sample, e.Index, e.InSpeech, e.Lag)
	case simulator.EventAnswer:
		about := c.lookup(e.Questions)
		c.answers[e.Answer] = a.c.ears.begin(c.id, e.Answer, about)
		a.c.log.say("upstream %d answers (%d) %v", c.id, e.Answer, about)
	case simulator.EventAnswerAudio:
		a.c.ears.said(c.answers[e.Answer], e.PCM)
	case simulator.EventAnswerEnd:
		a.c.ears.finished(c.answers[e.Answer], e.Outcome, e.Generated)
		a.c.log.say("upstream %d ends answer %d: outcome %d, generated %v, %d bytes", c.id, e.Answer, e.Outcome, e.Generated, e.Bytes)
	case simulator.EventGoAway:
		a.goAways++
		a.c.fault(goAwayTold, false)
		a.c.log.say("upstream %d says goAway, %v left", c.id, e.Lag)
	case simulator.EventFault:
		a.c.fault("model: "+e.Text, false)
	case simulator.EventClosed:
		a.c.log.say("upstream %d closed: %d %q, by the client: %v", c.id, e.Code, e.Reason, e.FromClient)
	default:
	}
}

// hear reads the positions in a piece of the microphone's stream.
func (c *connection) hear(e *simulator.Event) {
	c.arrivals = append(c.arrivals, arrival{time.Now(), int64(len(e.PCM) / 2)})
	sample := e.Sample
	c.scanner.Scan(e.PCM, func(r pcm.Run) {
		at := sample
		sample += r.N
		switch {
		case r.Kind == pcm.Foreign:
			c.account.strange += r.N
			c.account.c.fail(kindU3, "%d samples that nobody has said reached the model", r.N)
			return
		case r.Kind != pcm.Zero && r.Who != c.account.c.id:
			c.account.foreign += r.N
			c.account.c.fail(kindU3, "%d samples of conversation %d reached the model of this one", r.N, r.Who)
			return
		}
		if n := len(c.entries); n > 0 {
			last := &c.entries[n-1]
			joins := last.kind == simulator.EventAudio && last.run.Kind == r.Kind && last.sample+last.run.N == at
			if joins && (r.Kind == pcm.Zero || last.run.End() == r.Pos) {
				last.run.N += r.N
				return
			}
		}
		c.entries = append(c.entries, entry{kind: simulator.EventAudio, sample: at, run: r})
	})
}

// lineage is what a connection remembers: the past that its handle covers, and its own. own is where its own begins.
func (c *connection) lineage() (all []entry, own int) {
	if c.parent == nil {
		return c.entries, 0
	}
	past, _ := c.parent.lineage()
	for i, e := range past {
		if e.kind == simulator.EventHandle && e.text == c.handle {
			past = slices.Clone(past[:i+1])
			break
		}
	}
	return append(slices.Clip(past), c.entries...), len(past)
}

// utterance is the person's loud samples between two samples of the lineage's stream.
func (c *connection) utterance(from, to int64) (q question) {
	all, _ := c.lineage()
	q.from = -1
	for i := len(all) - 1; i >= 0; i-- {
		e := &all[i]
		if e.kind != simulator.EventAudio || e.run.Kind != pcm.Speech || e.sample >= to {
			continue
		}
		if e.sample+e.run.N <= from {
			break
		}
		low := e.run.Pos + max(0, from-e.sample)
		high := e.run.Pos + min(e.run.N, to-e.sample)
		if q.from < 0 || low < q.from {
			q.from = low
		}
		q.to = max(q.to, high)
	}
	return q
}

// lookup finds questions by their numbers, on this connection or those before it.
func (c *connection) lookup(numbers []int64) (qs []question) {
	for _, n := range numbers {
		for at := c; at != nil; at = at.parent {
			if q, ok := at.questions[n]; ok {
				qs = append(qs, q)
				break
			}
		}
	}
	return qs
}

func (q question) String() string {
	if q.text != "" {
		return fmt.Sprintf("%.60q", strings.TrimSpace(q.text))
	}
	return fmt.Sprintf("%d to %d", q.from, q.to)
}
